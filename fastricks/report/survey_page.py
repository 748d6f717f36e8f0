"""`fastricks show data`: the survey of images as a screen, a picture or a page, and the table of all images."""
from pathlib import Path
from urllib.parse import quote

from ..core.errors import UserError, plural, shorten, visible
from ..core.files import rows_to_csv, write
from ..data.account import class_sizes
from ..data.source import describe
from ..data.survey import rows, survey
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
from .survey import (
    class_counts,
    classes_file,
    classes_to_show,
    draw_survey,
    facts_told,
    next_training,
    sample_items,
    screen,
    table_file,
    thumb,
)


def survey_page(s, to):
    "The whole page of a Survey; `to`: where it will lie, beside its tables"
    classes = plural(len(s.source.classes), "class", "classes")
    top = paragraph(f"{plural(len(s.source.items), 'image')}, {classes}", "big") + paragraph(describe(s.source), "of")
    told = list(facts_told(s))
    wrong = [f"{head.capitalize()}: {text}" for head, text in told if head.isupper()]
    sections = {
        "Classes": class_table(s), "Images": definitions({head: visible(text) for head, text in told
                                                          if not head.isupper()}),
        "Samples": samples(s), "Files": tables(s, to), "Next": code_block([next_training(s)])}
    return page(f"Images of {s.source.name}", band(top) + warnings(wrong), sections)


def class_table(s):
    "Images of each class and split, the fewest training images first"
    rows = class_counts(s.source)
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


def show_survey(recipe, to, width=80, height=24, say=print):
    "Print the screen; write the picture or the page, and beside it the table of all images"
    s = survey(recipe, say)
    write_survey(s, to)
    write(table_file(to), rows_to_csv(list(rows(s))))
    if classes_to_show(s.account.classes)[1]:
        write(classes_file(to), rows_to_csv(class_counts(s.source)))
    for line in screen(s, to, width, height):
        say(line)


def write_survey(s, to):
    "The picture, or for NAME.html the page"
    if Path(to).suffix.lower() != ".html":
        from .plots import save_to
        return save_to(draw_survey(s), to)
    try:
        Path(to).parent.mkdir(parents=True, exist_ok=True)
        write(to, survey_page(s, to))
    except OSError as e:
        raise UserError(f"--to {to}: can't be written ({e.strerror})") from None
