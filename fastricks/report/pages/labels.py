"""The page of `fastricks clean`: photos whose labels out-of-fold probabilities speak against, the worst first."""
from collections import Counter

from ...core.errors import plural, shorten
from ..html import EMPTY, Html, code_block, document, heading, html_table, paragraph, photo, photos
from .parts import percent
from .run import viewer

PHOTOS, MOST_PAIRS = 240, 12  # that a page shows
HOW_FOUND = ("Each photo was looked at by a network that was trained without it and without its copies. A label is "
             "suspicious where confident learning (Northcutt et al., arXiv 1911.00068) finds it among the wrong ones; "
             "some of them are right, and some wrong ones are not here. Below each photo its label, the suggested one "
             "with its probability, the label's own probability, and its file.")


def labels_page(recipe, source, suspects, looked_at, table):
    """The whole page, as text. `suspects`: each with name, label, suggested, confidence, score; `looked_at`: Items;
    `table`: the name of the table of decisions, which lies beside the page
    """
    title = f"Suspicious labels of {source.name}"
    share = f"{plural(len(suspects), 'label')} of {len(looked_at):,}"
    more = len(suspects) - PHOTOS
    left = paragraph(f"{plural(more, 'photo')} more in {table}.") if more > 0 else EMPTY
    see = viewer(source, recipe)
    return document(
        title, heading(title, 1), paragraph(percent(len(suspects) / max(1, len(looked_at)), 1), "big"),
        paragraph(f"{share} suspicious, of training and validation photos", "of"), paragraph(HOW_FOUND),
        photos(suspect_photo(o, see) for o in suspects[:PHOTOS]), left,
        heading("Given and suggested labels"), label_pairs(suspects),
        heading("By class"), suspects_by_label(suspects, looked_at),
        heading("Decide"), paragraph(f"Write keep, drop or relabel into the column decision of {table}, then:"),
        code_block([f"fastricks train --data {table}"]))


def suspect_photo(o, see):
    lines = [Html("<b>{}</b>").format(shorten(o.label, 40)),
             Html('<span class="was">{} {}</span>').format(shorten(o.suggested, 40), f"{o.confidence:.0%}"),
             f"given {o.score:.1%}", shorten(o.name.rpartition("/")[2], 30)]
    return photo(see(o.name), o.name, lines)


def label_pairs(suspects):
    found = Counter((o.label, o.suggested) for o in suspects).most_common(MOST_PAIRS)
    rows = [[shorten(a, 60), shorten(b, 60), f"{n:,}"] for (a, b), n in found]
    return html_table(["Given label", "Suggested label", "Count"], rows, left=(0, 1))


def suspects_by_label(suspects, looked_at):
    n, odd = Counter(o.label for o in looked_at), Counter(o.label for o in suspects)
    order = sorted(n, key=lambda k: (-odd[k] / n[k], k))
    rows = [[shorten(k, 60), f"{n[k]:,}", f"{odd[k]:,}", percent(odd[k] / n[k], 1)] for k in order]
    return html_table(["Given label", "Photos", "Suspicious", "Share"], rows)
