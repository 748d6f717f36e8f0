"""What a run's final numbers are made of, for those that a training is logged to: from its folder, as its page is."""
from base64 import b64decode
from io import BytesIO

from ..core.words import none
from ..runfolder.wandb_results import TrackedResults
from .pages.quality import coded, worst
from .pages.run import qualities, viewer
from .runs import read_finished

MOST_MISTAKES = 24


def tracked_results(folder, source):
    "The TrackedResults of a run's folder, whose images are a Source's"
    run = read_finished(folder, "")
    split = run.metrics["split"]
    q, images = qualities(run, source.classes)[split], run.images(split)
    labels, predicted = (coded(o, q.classes).tolist() for o in (images.labels, images.predicted))
    return TrackedResults(list(q.classes), labels, predicted, [class_facts(r) for r in q.rows],
                          list(wrong_images(images, viewer(source, run.recipe))))


def class_facts(r):
    values = {"recall": r.recall.value, "precision": r.precision.value, "f1": r.f1.value}
    return {"class": r.name, "n": r.n, "predicted": r.predicted, "correct": r.hits,
            **{k: None if none(v) else v for k, v in values.items()}}


def wrong_images(images, see):
    "(PIL image, facts) of the mistakes with the highest losses that can be shown"
    wrong = [i for i in worst(images, None) if images.rank[i] > 0][:MOST_MISTAKES]
    for i in wrong:
        if uri := see(str(images.names[i])):
            yield picture_in(uri), {"image": str(images.names[i]), "label": str(images.labels[i]),
                                    "predicted": str(images.predicted[i]), "confidence": float(images.p[i]),
                                    "loss": float(images.loss[i])}


def picture_in(uri):
    "The PIL image of a data URI"
    from PIL import Image
    return Image.open(BytesIO(b64decode(uri.partition(",")[2])))
