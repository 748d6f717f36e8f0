"""The pictures and the page of a run, drawn while it is trained."""


class RunReporter:
    "What `training.reporter.Reporter` says, with pictures: training calls it and knows none of them"

    def found(self, file, found):
        from .plots import draw_found, save_figure
        save_figure(draw_found(found), file)

    def batch(self, file, job, seen):
        from .batch import draw_seen
        from .plots import save_figure
        save_figure(draw_seen(seen.batch, job.recipe, job.source), file)

    def targets(self, file, job, seen, targets):
        from .batch import View, draw_view_targets
        from .plots import save_figure
        save_figure(draw_view_targets(View(job.recipe, job.source, seen.batch, targets), 4), file)

    def rates(self, file, learn, name):
        from .plots import draw_lr, save_figure
        hps = {k: {name: values} for k, values in learn.recorder.hps.items()}
        save_figure(draw_lr(hps["lr"], {name: len(learn.dls.train)}, hps.get("mom")), file)

    def heat(self, file, job, learn):
        from .pages.images import mistakes_heat, write_heat
        from .runs import read_finished
        images = read_finished(file.parent, "").images(job.source.eval_split)
        write_heat(file, mistakes_heat(learn.model.eval(), job.source, job.recipe, images))

    def index(self, folder):
        from .pages.index import save_index
        save_index(folder)

    def results(self, folder, source):
        from .tracked import tracked_results
        return tracked_results(folder, source)

    def page(self, file, source):
        from .pages.run import save_run_page
        save_run_page(file.parent, source)
