"""What a training hands to whoever draws it. Training writes the run folder and draws nothing itself."""


class Reporter:
    """Writes no picture and no page; `report.reporter.RunReporter` does.

    Each method gets the file to write; what goes wrong in it is said and ends nothing.
    """
    def found(self, file, found): "The curve that the learning rate was found on: a `lr_find.FoundRate`"
    def batch(self, file, job, seen): "The first training batch as the network saw it: a `callbacks.seen.Seen`"
    def targets(self, file, job, seen, targets):
        "What the loss asked for of that batch: title -> [n, K], or None where it has no target"
    def rates(self, file, learn, name): "The learning rate of every batch that was trained on"
    def heat(self, file, job, learn): "Heat maps of the trained network on its worst mistakes"
    def page(self, file, source): "The run's page, beside all other files of the run"
    def results(self, folder, source): "What a run's numbers are made of, for W&B: a TrackedResults, or None"
    def index(self, folder): "The list of all runs in a folder, after one of them has ended"
