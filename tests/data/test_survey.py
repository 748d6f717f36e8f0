"""What `fastricks show data` says of folders as people have them."""
import csv
import io
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from rich.cells import cell_len
from support.data_trees import class_tree, files, photo, says

from fastricks.cli.app import run
from fastricks.data.facts import Fact, copies, header, look_at_images
from fastricks.data.pixels.image import HEIC, load_rgb
from fastricks.data.source import fingerprint
from fastricks.data.sources.open import open_source
from fastricks.data.survey import rows, survey
from fastricks.recipe.recipe import resolve
from fastricks.report.survey import screen


def tree(root, *classes, n=4, splits=("train", "valid", "test"), size=(40, 30), end="jpg"):
    "root/<split>/<class>/<i>.jpg, each another photo"
    for s, split in enumerate(splits):
        for k, c in enumerate(classes):
            for i in range(n): photo(root/split/c/f"{i}.{end}", 1 + i + 100*k + 100_000*s, size)
    return root


def look_at(root, **given): return survey(resolve({"data": str(root), "size": 16, **given}))
def shown(root, width=80, height=24, **given): return screen(look_at(root, **given), "show-data.png", width, height)
def line(lines, head): return " ".join(o[11:] for o in part(lines, head))


def part(lines, head):
    "The lines that are under one head"
    i = next(i for i, o in enumerate(lines) if o[:11].strip() == head)
    return [lines[i], *lines[i + 1:i + 1 + next((j for j, o in enumerate(lines[i + 1:]) if o[:11].strip()), 0)]]


# -- folders as people have them

@pytest.mark.parametrize("names", [("Train", "VAL", "Test"), ("TRAIN", "Validation", "TESTING"),
                                   ("training", "valid", "test")])
def test_splits_in_any_writing(tmp_path, names):
    for o, n in zip(names, (10, 3, 5), strict=True): class_tree(tmp_path/o, cat=n, dog=n)
    source = open_source(tmp_path)
    assert [len(source.of(o)) for o in ("train", "valid", "test")] == [20, 6, 10]
    assert source.classes == ("cat", "dog") and not source.notes
    assert {o.name.split("/")[0] for o in source.items} == set(names)


def test_of_two_folders_for_a_split_one_is_taken_and_told(tmp_path):
    for o in ("train", "Train", "val", "valid"): class_tree(tmp_path/o, cat=3, dog=3)
    if len(list(tmp_path.iterdir())) < 4: pytest.skip("a disk that ignores case")
    source = open_source(tmp_path)
    assert source.notes == (f"only train, valid of {tmp_path} used, not Train, val",)
    assert {o.name.split("/")[0] for o in source.items} == {"train", "valid"}


@pytest.mark.parametrize("junk", ["__MACOSX", ".ipynb_checkpoints", "@eaDir", "$RECYCLE.BIN", ".Trash-1000"])
def test_what_archives_and_disks_leave_is_no_class(tmp_path, junk):
    class_tree(tmp_path, cat=3, dog=3)
    files(tmp_path, f"{junk}/1.jpg", f"cat/{junk}/2.jpg")
    source = open_source(tmp_path)
    assert source.classes == ("cat", "dog") and len(source.items) == 6


@pytest.mark.parametrize("around", ["pets", "download/pets"])
def test_a_folder_around_the_folder(tmp_path, around):
    class_tree(tmp_path/"all"/around, cat=3, dog=3)
    files(tmp_path/"all", "readme.txt", "__MACOSX/x.jpg")
    source = open_source(tmp_path/"all")
    assert source.classes == ("cat", "dog") and source.name == "pets"
    assert source.notes == (f"taken from {tmp_path/'all'/around}, the only folder in {tmp_path/'all'}",)
    assert fingerprint(source) == fingerprint(open_source(tmp_path/"all"/around))
    with says("has only one class, 'cat': give at least two"): open_source(class_tree(tmp_path/"one", cat=3))


@pytest.mark.parametrize("other", ["Cat", "cat ", "CAT"])
def test_a_class_that_is_written_otherwise_in_the_test(tmp_path, other):
    class_tree(tmp_path/"train", cat=3, dog=3)
    class_tree(tmp_path/"test", **{other: 3})
    with says(f"test class {other!r}", "'cat' is written otherwise (case, spaces or encoding), rename one of them"):
        open_source(tmp_path)


def test_two_encodings_of_a_letter(tmp_path):
    class_tree(tmp_path/"train", dog=3, **{"caf\u00e9": 3})
    class_tree(tmp_path/"test", **{"cafe\u0301": 3})
    for wanted in (None, "dog,caf\u00e9", "dog,cafe\u0301"):
        source = open_source(tmp_path, wanted)
        assert source.classes == ("caf\u00e9", "dog") and [o.label for o in source.of("test")] == ["caf\u00e9"] * 3


def test_two_classes_that_a_person_takes_for_one_are_a_note(tmp_path):
    class_tree(tmp_path, cat=3, Cat=3)
    assert open_source(tmp_path).notes == ("classes 'Cat' and 'cat' are two: only their writing differs",)


@pytest.mark.parametrize("end", ["jpe", "JFIF", "avif", "Heic", "heif", "jp2", "pgm"])
def test_more_endings(tmp_path, end):
    files(class_tree(tmp_path, cat=3, dog=3), f"cat/9.{end}")
    assert len(open_source(tmp_path).items) == 7


# -- facts

def test_facts_of_every_format(tmp_path):
    kinds = dict(jpg="JPEG", png="PNG", webp="WEBP", gif="GIF", bmp="BMP", tiff="TIFF", ppm="PPM", avif="AVIF")
    for i, end in enumerate(kinds):
        photo(tmp_path/"a"/f"{i}.{end}", i, (40, 30))
        photo(tmp_path/"b"/f"{i}.{end.upper()}", 50 + i, (40, 30))
    facts = look_at(tmp_path).facts
    assert len(facts) == 16 and all(f[:2] == (40, 30) for f in facts.values())
    assert [facts[f"a/{i}.{end}"].format for i, end in enumerate(kinds)] == [*kinds.values()]
    assert facts["a/3.gif"].mode == "P"


def test_a_turned_photo_s_size_is_as_it_is_seen(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    tree(tmp_path, "a", "b", splits=[""])
    Image.new("RGB", (40, 30)).save(tmp_path/"a/turned.jpg", exif=exif)
    assert look_at(tmp_path).facts["a/turned.jpg"][:2] == (30, 40)


@pytest.mark.parametrize("end", ["tif", "png", "webp", "jpg", "avif"])
def test_a_turned_file_s_size_is_that_of_its_pixels(tmp_path, end):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(tmp_path/f"t.{end}", exif=exif)
    assert header(tmp_path/f"t.{end}")[:2] == load_rgb(tmp_path/f"t.{end}").size == (30, 40)


def test_facts_are_remembered_until_a_file_changes(tmp_path, monkeypatch):
    source = open_source(tree(tmp_path/"x", "a", "b", splits=[""]))
    first = look_at_images(source.items, cache=tmp_path/"c")
    monkeypatch.setattr("fastricks.data.facts.fact_of", lambda image: pytest.fail("looked again"))
    assert look_at_images(source.items, cache=tmp_path/"c") == first
    assert all(isinstance(f, Fact) for f in first.values())
    monkeypatch.undo()
    (tmp_path/"x/a/0.jpg").write_bytes(b"\xff\xd8 no more")
    again = look_at_images(open_source(tmp_path/"x").items, cache=tmp_path/"c")
    assert isinstance(again.pop("a/0.jpg"), str) and again == {k: v for k, v in first.items() if k != "a/0.jpg"}


@pytest.mark.parametrize("kept", ["[]", '{"a/0.jpg": [1, 2]}', '{"a/0.jpg": [-1, 2, "JPEG", "RGB", "x"]}',
                                  '{"a/0.jpg": ["1", 2, "J", "R", "x"]}',
                                  "{"])
def test_a_broken_memory_is_made_again(tmp_path, kept):
    source = open_source(tree(tmp_path/"x", "a", "b", splits=[""]))
    first = look_at_images(source.items, cache=tmp_path/"c")
    [file] = (tmp_path/"c/facts").iterdir()
    file.write_text(kept)
    assert look_at_images(source.items, cache=tmp_path/"c") == first


def test_copies_are_of_pixels_not_of_files(tmp_path):
    tree(tmp_path, "a", "b", splits=[""], end="png")
    with Image.open(tmp_path/"a/0.png") as im:
        im.save(tmp_path/"b/other format.bmp")
        im.save(tmp_path/"b/lossy.jpg", quality=50)
    data = (tmp_path/"b/lossy.jpg").read_bytes()
    (tmp_path/"a/with a comment.jpg").write_bytes(data[:2] + b"\xff\xfe\x00\x06four" + data[2:])
    source = open_source(tmp_path)
    groups = [sorted(o.name for o in g) for g in copies(source.items, look_at_images(source.items))]
    assert sorted(groups) == [["a/0.png", "b/other format.bmp"], ["a/with a comment.jpg", "b/lossy.jpg"]]


def test_pictures_that_only_look_the_same_at_an_eighth_are_no_copies(tmp_path):
    x = np.full((64, 64, 3), 128, np.uint8)
    y = x.copy()
    y[::2, ::2], y[1::2, 1::2] = 129, 127
    tree(tmp_path, "a", "b", splits=[""])
    for k, o in dict(a=x, b=y).items(): Image.fromarray(o).save(tmp_path/k/"flat.jpg", quality=100, subsampling=0)
    source = open_source(tmp_path)
    facts = look_at_images(source.items)
    assert facts["a/flat.jpg"].print == facts["b/flat.jpg"].print and copies(source.items, facts) == []


# -- the screen

def test_leaks_and_contradictions_are_named(tmp_path):
    tree(tmp_path, "cat", "dog")
    for a, b in (("train/cat/0", "test/cat/x"), ("train/cat/1", "test/cat/y"), ("train/dog/2", "valid/dog/z"),
                 ("train/cat/3", "train/dog/odd"),
                 ("train/dog/1", "train/dog/again")):
        shutil.copy(tmp_path/f"{a}.jpg", tmp_path/f"{b}.jpg")
    lines = shown(tmp_path, 200)
    leaks = [o for o in lines if o.startswith("LEAK")]
    assert leaks[0].startswith("LEAK       2 of 10 test images are in train too: test/cat/x.jpg = train/cat/0.jpg")
    assert leaks[1].startswith("LEAK       1 of 9 valid images is in train too: valid/dog/z.jpg =") and len(leaks) == 2
    assert line(lines, "LABELS") == "1 picture has several labels: train/cat/3.jpg = train/dog/odd.jpg"
    assert line(lines, "copies").startswith("1 more; resized or re-saved ones are not looked for")


def test_without_copies_it_says_so(tmp_path):
    lines = shown(tree(tmp_path, "cat", "dog"), 200)
    assert line(lines, "copies") == "none; resized or re-saved ones are not looked for"
    assert not any(o[:4].isupper() for o in lines)
    assert lines[0] == f"data       {tmp_path.name}: 2 classes; 8 train, 8 validation and 8 test images"
    assert line(lines, "next") == f"fastricks train --data {tmp_path} --size 16"


def test_unreadable_files_are_named_with_their_reasons(tmp_path):
    tree(tmp_path, "cat", "dog", n=30)
    (tmp_path/"train/cat/0.jpg").write_bytes((tmp_path/"train/cat/1.jpg").read_bytes()[:300])
    lines = shown(tmp_path)
    assert line(lines, "unreadable") == "1 of 180 (0.6%), left out: train/cat/0.jpg (truncated)"
    assert lines[0].startswith(f"data       {tmp_path.name}: 2 classes; 59 train")
    (tmp_path/"test/cat/phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 100)
    for o in ("none", "nil", "nought", "zero"): (tmp_path/f"test/cat/{o}.png").write_bytes(b"")
    s = look_at(tmp_path)
    assert dict(s.bad)["test/cat/none.png"] == "empty file" and s.refused
    if not heif(): assert dict(s.bad)["test/cat/phone.HEIC"] == HEIC
    lines = shown(tmp_path)
    unreadable = line(lines, "UNREADABLE")
    assert unreadable.startswith("6 of 185 (3.2%), more than --max-bad 0.01: test/cat/nil.png (empty file)")
    assert "fix or delete" in line(lines, "next") and "--max-bad 0.033" in line(lines, "next")


def heif():
    from importlib.util import find_spec
    return find_spec("pillow_heif")


@pytest.mark.skipif(not heif(), reason="pillow-heif is not installed")
def test_heic_is_read_where_pillow_heif_is(tmp_path):
    import pillow_heif
    tree(tmp_path, "a", "b", splits=[""])
    pillow_heif.from_pillow(Image.new("RGB", (40, 30), "red")).save(tmp_path/"a/phone.heic")
    assert look_at(tmp_path).facts["a/phone.heic"][:3] == (40, 30, "HEIF")


def test_nothing_left_to_train_on_is_one_sentence(tmp_path):
    tree(tmp_path, "cat", "dog", splits=[""])
    for o in (tmp_path/"dog").iterdir(): o.write_bytes(b"x")
    with says("no training image of class 'dog' of", "can be read"): look_at(tmp_path)


def test_imbalance_sizes_shapes_and_small_ones(tmp_path):
    tree(tmp_path, "cat", n=20, splits=["train"], size=(60, 30))
    tree(tmp_path, "dog", n=2, splits=["train"], size=(30, 60))
    photo(tmp_path/"train/dog/small.png", 7, (12, 12))
    lines = shown(tmp_path, valid=.1)
    assert line(lines, "balance") == ("IMBALANCED: 9 times as many 'cat' (18) as 'dog' (2); for it: "
                                     "-t class_weights or -t logit_adjustment")
    assert line(lines, "next").endswith("-t class_weights")
    assert line(lines, "sizes") == "shorter side 12–30 (median 30) pixels; most often 60×30 (87%)"
    assert line(lines, "shapes") == "width/height 0.50–2.00 (median 2.00); 9% tall, 4% square, 87% wide"
    assert line(lines, "types") == "JPEG 22, PNG 1; colour 23"
    assert line(lines, "small") == "1 of 23 (4.3%) has a shorter side below --size 16: enlarged"


def test_files_that_are_no_images_are_counted(tmp_path):
    files(tree(tmp_path, "cat", "dog"), "train/cat/a.txt", "train/cat/b.TXT", "notes.md", "train/dog/c.CR2",
          "train/dog/d")
    assert line(shown(tmp_path, 200), "files") == (
        "29 found = 24 used (8 train, 8 validation, 8 test) + 5 ignored (5 not named as images are: 2 .txt, 1 .cr2, 1 "
        ".md, 1 no ending)")


ODD = ["-owl", " two  words ", "né\nw", "猫と犬と鳥と牛と馬と羊と豚と鶏と魚と虫と花と木",
       "a$b$c", "[red]x[/]", "\x1b[31mred", "..dots", "=1+1"]


@pytest.mark.parametrize("n", [2, 5, 6, 101])
@pytest.mark.parametrize("width, height", [(80, 24), (100, 40)])
def test_it_fits_one_screen_with_everything_there_is_to_say(tmp_path, n, width, height):
    classes = [f"{ODD[i % 9]} {i:03}" if i < 9 else f"class {i:03}" for i in range(n)]
    tree(tmp_path, *classes, n=2, size=(12, 9), end="png")
    a, b = classes[:2]
    for x, y in ((f"train/{a}/0", f"test/{a}/x"), (f"train/{a}/1", f"valid/{a}/y"), (f"valid/{a}/0", f"test/{b}/z"),
                 (f"train/{a}/1", f"train/{b}/x")):
        shutil.copy(tmp_path/f"{x}.png", tmp_path/f"{y}.png")
    long = f"train/{a}/a very long name of a file that is no image"
    files(tmp_path, *(f"{long} {i}.png" for i in range(6 if n < 101 else 1)), "train/loose.jpg", "more/x.txt",
          f"train/{a}/a.txt")
    lines = shown(tmp_path, width, height)
    assert len(lines) < height and all(cell_len(o) < width for o in lines[:-1]) and all(o.isprintable() for o in lines)
    assert {"LEAK", "LABELS", "unreadable" if n == 101 else "UNREADABLE", "warnings"} <= {o[:11].strip() for o in lines}
    assert sum(o.startswith("LEAK") for o in lines) == 3


# -- the command

def show_data(capsys, *words):
    code = run(["show", "data", *map(str, words)])
    return code, *capsys.readouterr()


def test_the_command_writes_a_picture_and_a_table(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree(tmp_path/"pets", "cat", "d\no\ng")
    shutil.copy(tmp_path/"pets/train/cat/0.jpg", tmp_path/"pets/test/cat/x.jpg")
    (tmp_path/"pets/test/cat/broken.jpg").write_bytes(b"")
    code, out, err = show_data(capsys, "pets", "--size", 16)
    assert (code, err) == (0, "") and "picture    show-data.png\n" in out and "table      show-data-files.csv" in out
    rows = list(csv.DictReader((tmp_path/"show-data-files.csv").read_text().splitlines()))
    assert len(rows) == 26 and rows[-1]["unreadable"] == "empty file"
    assert (rows[-1]["label"], rows[-1]["split"]) == ("cat", "test")
    assert {o["split"] for o in rows} == {"train", "valid", "test"}
    assert len({(o["split"], o["label"]) for o in rows}) == 6
    assert {o["label"] for o in rows} == {"cat", r"d\no\ng"}
    copies = {o["image"]: o["copy_of"] for o in rows if o["copy_of"]}
    assert copies == {"test/cat/x.jpg": "train/cat/0.jpg", "train/cat/0.jpg": "test/cat/x.jpg"}
    first = (tmp_path/"show-data.png").read_bytes()
    with Image.open(io.BytesIO(first)) as im: assert im.format == "PNG" and im.width > 800
    assert show_data(capsys, "--data", "pets", "--size", 16, "--to", "again.png")[0] == 0
    assert (tmp_path/"again.png").read_bytes() == first and (tmp_path/"again-files.csv").exists()


def test_the_command_takes_what_a_training_takes(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert show_data(capsys)[1].startswith("data       digits: 10 classes; 1,295 train")
    out = show_data(capsys, "digits", "--classes", "3,8", "--per-class", 5, "--valid", .4)[1]
    assert out.startswith("data       digits: 2 classes; 6 train, 4 validation and")
    assert "fastricks train --classes 3,8 --per-class 5 --valid 0.4" in out
    for i in range(8): photo(tmp_path/f"{i}.png", i)
    (tmp_path/"t.csv").write_text("path,label\n" + "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(8)))
    assert show_data(capsys, "t.csv")[1].startswith("data       t: 2 classes; 6 train and 2 validation images")


@pytest.mark.parametrize("words, text", [
    (["nowhere"], "no such folder or file"), (["digits", "--data", "digits"], "PATH and --data: give one of them"),
    (["digits", "--to", "x.jpg"], "ends in .png"), (["digits", "--classes", "3"], "at least two"),
    (["empty"], "no class folders")])
def test_errors_are_one_sentence(tmp_path, capsys, monkeypatch, words, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path/"empty").mkdir()
    code, out, err = show_data(capsys, *words)
    assert (code, out) == (2, "") and err.count("\n") == 1 and text in err
    assert [o.name for o in tmp_path.iterdir()] == ["empty"]


def test_it_imports_no_torch():
    import subprocess
    import sys
    code = ("import sys, fastricks.report.survey; print([o for o in ('torch', 'fastai', 'matplotlib', 'pandas') if o "
            "in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_many_classes_stay_small_and_each_is_in_a_file(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree(tmp_path/"many", *(f"k{i:03}" for i in range(200)), n=1, splits=["train", "valid"])
    out = show_data(capsys, "many", "--size", 16)[1]
    assert out.count("\n") < 24 and "… 196 more: show-data-classes.csv" in out
    assert "200 classes have fewer than 5 training images: 'k000' 1, 'k001' 1, 'k002' 1, …" in " ".join(out.split())
    rows = list(csv.DictReader((tmp_path/"show-data-classes.csv").read_text().splitlines()))
    assert len(rows) == 200 and rows[0] == {"class": "k000", "train": "1", "valid": "1", "test": "0"}
    with Image.open(tmp_path/"show-data.png") as im: assert im.width < 2000 and im.height < 2000


@pytest.mark.parametrize("there", [True, False])
def test_the_trick_against_imbalance_is_named_where_there_is_one(tmp_path, monkeypatch, there):
    from fastricks.report import survey
    tree(tmp_path, "cat", n=20, splits=["train"])
    tree(tmp_path, "dog", n=2, splits=["train"])
    monkeypatch.setattr(survey, "registry", lambda: {"class_weights": SimpleNamespace(evens=True)} if there else {})
    assert ("-t class_weights" in line(shown(tmp_path, valid=.1), "next")) == there


def test_a_picture_that_is_there_many_times_does_not_fill_the_table(tmp_path):
    for i in range(30): photo(tmp_path/"ab"[i % 2]/f"{i:02}.png", 1)
    found = {o["image"]: o["copy_of"] for o in rows(look_at(tmp_path))}
    assert found["a/00.png"].split(" | ") == ["a/02.png", "a/04.png", "a/06.png", "a/08.png", "a/10.png", "… 24 more"]
