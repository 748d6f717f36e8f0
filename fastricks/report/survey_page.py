"""`fastricks show data --to NAME.html`: the survey of images as a page."""
from urllib.parse import quote

from ..core.errors import plural, shorten, visible
from ..data.account import class_sizes
from ..data.source import describe
from .html import (
    Html,
    band,
    code_block,
    data_uri,
    definitions,
    html_table,
    page,
    paragraph,
    photo,
    photos,
    warnings,
)
from .survey import class_rows, classes_file, classes_to_show, facts_told, next_step, sample_items, table_file, thumb


def survey_page(s, to):
    "The whole page of a Survey; `to`: where it will lie, beside its tables"
    classes = plural(len(s.source.classes), "class", "classes")
    top = paragraph(f"{plural(len(s.source.items), 'image')}, {classes}", "big") + paragraph(describe(s.source), "of")
    told = facts_told(s)
    wrong = [f"{head.capitalize()}: {text}" for head, text in told if head.isupper()]
    sections = {
        "Classes": class_table(s), "Images": definitions({head: visible(text) for head, text in told if not head.isupper()}),
        "Samples": samples(s), "Files": tables(s, to), "Next": code_block([next_step(s)])}
    return page(f"Images of {s.source.name}", band(top) + warnings(wrong), sections)


def class_table(s):
    "Images of each class and split, the fewest training images first"
    rows = class_rows(s.source)
    splits = [split for split in s.source.splits_used if any(row[split] for row in rows)]
    return html_table(["class", *splits], [[row["class"], *(f"{row[split]:,}" for split in splits)] for row in rows])


def samples(s):
    "The same images as the picture has, class by class"
    items, _ = sample_items(s.source)
    shown = [photo(data_uri(thumb(o.image)), f"{visible(o.name)}: {visible(o.label)}", [shorten(visible(o.label), 22)])
             for o in items]
    return photos(shown) + paragraph("Training images, each as it is; evaluation sees its centre.")


def tables(s, to):
    "Links to the tables that are written beside the page"
    found = {table_file(to): "a row for each image"}
    if classes_to_show(class_sizes(s.source))[1]:
        found[classes_file(to)] = "a row for each class"
    return definitions({Html('<a href="{}">{}</a>').format(quote(f.name), f.name): said for f, said in found.items()})
