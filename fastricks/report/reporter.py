"""The pictures and the page of a run, drawn while it is trained."""


class RunReporter:
    "What `training.reporter.Reporter` says, with pictures: training calls it and knows none of them"

    def found(self, file, found):
        from .plots import draw_found, save
        save(draw_found(found), file)

    def batch(self, file, job, seen):
        from .batch import draw_seen
        from .plots import save
        save(draw_seen(seen.batch, job.recipe, job.source), file)

    def targets(self, file, job, seen, targets):
        from .batch import View, draw_view_targets
        from .plots import save
        save(draw_view_targets(View(job.recipe, job.source, seen.batch, targets), 4), file)

    def rates(self, file, learn, name):
        from .plots import draw_lr, save
        hps = {k: {name: values} for k, values in learn.recorder.hps.items()}
        save(draw_lr(hps["lr"], {name: len(learn.dls.train)}, hps.get("mom")), file)

    def index(self, folder):
        from .pages.index import save_index
        save_index(folder)

    def results(self, folder, source):
        from .tracked import tracked_results
        return tracked_results(folder, source)

    def page(self, file, source):
        from .pages.run import save_run_page
        save_run_page(file.parent, source)
