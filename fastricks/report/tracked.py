"""What a run's final numbers are made of, for those that a training is logged to: from its folder, as its page is."""
from ..core.words import none
from ..runfolder.wandb_results import TrackedResults
from .pages.images import thumbnails
from .pages.quality import class_rows, coded, confusion, worst
from .runs import read_finished

MOST_MISTAKES = 24


def tracked_results(folder, source):
    "The TrackedResults of a run's folder, whose images are a Source's"
    run = read_finished(folder, "")
    split = run.metrics["split"]
    classes, images = source.classes, run.images(split)
    labels, predicted = (coded(o, classes) for o in (images.labels, images.predicted))
    rows = class_rows(confusion(labels, predicted, len(classes)), classes)
    mistakes = list(wrong_images(images, thumbnails(source, run.recipe)))
    facts = [class_facts(r) for r in rows]
    return TrackedResults(list(classes), labels.tolist(), predicted.tolist(), facts, mistakes)


def class_facts(r):
    values = {"recall": r.recall.value, "precision": r.precision.value, "f1": r.f1.value}
    return {"class": r.name, "n": r.n, "predicted": r.predicted, "correct": r.hits,
            **{k: None if none(v) else v for k, v in values.items()}}


def wrong_images(images, picture):
    "(PIL image, facts) of the mistakes with the highest losses that can be shown"
    wrong = [i for i in worst(images, None) if images.rank[i] > 0][:MOST_MISTAKES]
    for i in wrong:
        name = str(images.names[i])
        if im := picture(name):
            yield im, {
                "image": name,
                "label": str(images.labels[i]),
                "predicted": str(images.predicted[i]),
                "confidence": float(images.p[i]),
                "loss": float(images.loss[i]),
            }
