import subprocess
import sys

import numpy as np
import pytest
from support.data_trees import class_tree, files, food, says, splits, tar

from fastricks.data.sources.food import FOOD_21
from fastricks.data.sources.open import open_source


def test_digits():
    source = open_source("digits")
    assert source.name == "digits" and source.classes == tuple("0123456789") and not source.notes
    assert len(source.items) == 1797 and [o.name for o in source.items[:2]] == ["digits/0000", "digits/0001"]
    x = np.stack([o.image for o in source.items])
    assert x.dtype == np.uint8 and x.shape[1:] == (8, 8) and x.min() == 0 and x.max() == 255
    test = {k: [o.label for o in source.of("test")].count(k) for k in source.classes}
    whole = {k: [o.label for o in source.items].count(k) for k in source.classes}
    assert all(abs(test[k] - .2*whole[k]) <= .5 for k in test) and source.eval_split == "test"


def test_the_test_of_digits_is_fixed():
    def test_of(**kw): return {o.name for o in open_source("digits", **kw).of("test")}
    want = test_of()
    assert want == test_of(per_class=5) == test_of(valid=.4) and len(want) == 359
    assert test_of(classes="3,8") == {o.name for o in open_source("digits").of("test") if o.label in "38"}
    source = open_source("digits", per_class=5, valid=.2)
    assert [len(source.of(o)) for o in ("train", "valid")] == [40, 10]


@pytest.mark.parametrize("classes", ["cat,dog", " dog , cat,,cat", ["cat", "dog"], "list.txt"])
def test_classes(tmp_path, monkeypatch, classes):
    monkeypatch.chdir(class_tree(tmp_path, cat=5, dog=5, owl=5))
    (tmp_path/"list.txt").write_text("dog\r\n\r\ncat\r\n")
    source = open_source(".", classes)
    assert source.classes == ("cat", "dog") and len(source.items) == 10 and source.name == tmp_path.name


@pytest.mark.parametrize("classes, words", [
    ("cat,dgo", ["has no class 'dgo'; did you mean 'dog'?"]),
    ("cat", ["--classes 'cat' names 1 class: give at least two"]),
    ("", ["names 0 classes"]), (",,", ["names 0 classes"]),
    ("food-101-2", ["names 1 class", "did you mean 'food-101-21'?"]),
    ("food-101-21", ["has no class 'apple_pie'"]),
    ("bytes.txt", ["--classes bytes.txt is no readable text"]),
])
def test_wrong_classes(tmp_path, monkeypatch, classes, words):
    monkeypatch.chdir(class_tree(tmp_path, cat=5, dog=5))
    (tmp_path/"bytes.txt").write_bytes(b"\xff\xff")
    with says(*words): open_source(".", classes)


@pytest.mark.parametrize("n", [0, -3])
def test_wrong_per_class(n):
    with says(f"--per-class {n}: give 1 or more"): open_source("digits", per_class=n)


@pytest.mark.parametrize("v", [1, -.1, 1.5, float("nan")])
def test_wrong_valid(v):
    with says(f"--valid {v}: give a fraction from 0 up to, but less than, 1"): open_source("digits", valid=v)


def test_nothing_to_evaluate_on(tmp_path):
    class_tree(tmp_path, cat=5, dog=5)
    with says("has no test set and --valid 0 leaves nothing to evaluate on: give --valid 0.1"):
        open_source(tmp_path, valid=0)
    class_tree(tmp_path/"few", cat=1, dog=1)
    with says("--valid 0.1 leaves nothing to evaluate on: give more images"): open_source(tmp_path/"few")


def test_a_class_of_one_image_has_no_validation(tmp_path):
    source = open_source(class_tree(tmp_path, cat=1, dog=5))
    assert source.notes == ("valid has no images of 1 class: cat",) and len(source.of("valid")) == 1


@pytest.mark.parametrize("name, way", [("x.tgz", "tar -xf"), ("x.tar.gz", "tar -xf"), ("X.ZIP", "python -m zipfile -e"),
                                       ("x.tar", "tar -xf"),
                                       ("a b.7z", "unpack it into a folder"), ("food-101.tgz", "fastricks prepare")])
def test_an_archive(tmp_path, name, way):
    files(tmp_path, name)
    with says("is an archive:", way, "then give --data FOLDER"): open_source(tmp_path/name)


@pytest.mark.parametrize("data, words", [
    ("digts", ["unknown --data 'digts': no such folder or file, and not digits, food-101-21, food-101; did you mean "
               "'digits'?"]),
    ("food101", ["did you mean 'food-101'?"]), ("no/such/place", ["'no/such/place': no such folder or file"]),
    ("", ["unknown --data '': no such folder"]), ("data/imags", ["did you mean 'data/images'?"]),
    ("a\0b", ["no such folder or file"]),
    ("notes.txt", ["notes.txt is a file: give a folder of images or a .csv file"]),
])
def test_nothing_of_the_sort(tmp_path, monkeypatch, data, words):
    monkeypatch.chdir(files(tmp_path, "notes.txt", "data/images/a/1.jpg"))
    with says(*words): open_source(data)


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(class_tree(tmp_path/"pets", cat=3, dog=3).parent))
    assert open_source("~/pets").name == "pets"


def test_food_tree(tmp_path):
    source = open_source(food(tmp_path/"some", train=10, test=5))
    assert source.name == "some" and source.classes == ("ramen", "steak") and source.has_test and not source.notes
    assert [len(source.of(o)) for o in ("train", "valid", "test")] == [18, 2, 10]
    assert source.items[0].name == "images/ramen/0.jpg" and source.items[0].size == 19
    assert source.items[0].image == tmp_path/"some/images/ramen/0.jpg"


@pytest.mark.parametrize("inner", ["food-101", "food-101/food-101"])
def test_a_nested_food_tree(tmp_path, inner):
    flat = open_source(food(tmp_path/"a"/inner))
    assert flat.name == "food-101" and splits(open_source(tmp_path/"a")) == splits(flat)
    files(tmp_path/"a", ".DS_Store", "readme.txt", "__MACOSX/x")
    assert splits(open_source(tmp_path/"a")) == splits(flat)


def test_missing_listed_images_are_a_note_unless_all_are(tmp_path):
    food(tmp_path/"x", train=10)
    for i in range(4): (tmp_path/f"x/images/ramen/{i}.jpg").unlink()
    assert open_source(tmp_path/"x").notes == ("4 of 24 listed images are not there",)
    with says("none of the 12 images that", "lists is there"): open_source(food(tmp_path/"none", images=False))


def test_a_class_of_which_no_image_is_there(tmp_path):
    food(tmp_path, ("ramen", "steak", "waffles"))
    (tmp_path/"images/steak").rename(tmp_path/"steak")
    with says("class 'steak' of", "has no training images"): open_source(tmp_path)
    assert open_source(tmp_path, "ramen,waffles").notes == ()


@pytest.mark.parametrize("line", ["../x", "a/b/c", "ramen", "ramen/..", "a\\b/c", "/etc/passwd", "a/\x1b[0m", ".a/b",
                                  "C:/x"])
def test_wrong_lines_in_the_lists(tmp_path, line):
    food(tmp_path)
    with open(tmp_path/"meta/train.txt", "a") as f: f.write(line + "\n")
    with says("line 9 of", "meta/train.txt is", "not class/id"): open_source(tmp_path)


def test_wrong_lists(tmp_path):
    food(tmp_path)
    (tmp_path/"meta/test.txt").write_text("ramen/0\n")
    with says("meta lists ramen/0 in both train and test"): open_source(tmp_path)
    (tmp_path/"meta/test.txt").write_bytes(b"\xff/1")
    with says("meta/test.txt is not a list in UTF-8"): open_source(tmp_path)
    (tmp_path/"meta/test.txt").unlink()
    with says("looks like Food-101 but has no meta/test.txt"): open_source(tmp_path)
    food(tmp_path, images=False)
    (tmp_path/"meta/train.txt").write_text("")
    with says("meta/train.txt lists no images"): open_source(tmp_path)


def test_exactly_the_21_classes_are_food_101_21(tmp_path):
    food(tmp_path/"x", (*FOOD_21, "pizza"), train=3, test=1)
    assert len(FOOD_21) == 21 and open_source(tmp_path/"x").name == "x"
    source = open_source(tmp_path/"x", "food-101-21")
    assert source.name == "food-101-21" and source.classes == FOOD_21


@pytest.fixture
def empty(tmp_path, monkeypatch):
    "An empty working folder, and an empty home of fastai"
    (tmp_path/"work").mkdir()
    monkeypatch.chdir(tmp_path/"work")
    monkeypatch.setenv("FASTAI_HOME", str(tmp_path/"fastai"))
    return tmp_path


@pytest.mark.parametrize("place", ["work/food-101", "work/data/food-101", "fastai/data/food-101",
                                   "work/food-101/food-101"])
def test_food_by_name_is_found_where_it_lies(empty, place):
    food(empty/place, (*FOOD_21, "pizza"), train=3, test=1)
    assert (open_source("food-101-21").name, len(open_source("food-101-21").classes)) == ("food-101-21", 21)
    assert (open_source("food-101").name, len(open_source("food-101").classes)) == ("food-101", 22)
    source = open_source("food-101-21", "ramen,steak")
    assert source.name == "food-101" and source.classes == ("ramen", "steak")


def test_food_by_name_may_be_prepared(empty):
    for o in ("train", "test"): class_tree(empty/"work/food-101-21"/o, **dict.fromkeys(FOOD_21, 3))
    assert open_source("food-101-21").has_test


def test_fastai_s_own_config_is_respected(empty):
    food(empty/"elsewhere/food-101", FOOD_21)
    files(empty, "fastai/config.ini").joinpath("fastai/config.ini").write_text(f"[DEFAULT]\ndata = {empty}/elsewhere\n")
    assert open_source("food-101-21").name == "food-101-21"
    (empty/"fastai/config.ini").write_text("no config")
    food(empty/"fastai/data/food-101", FOOD_21)
    assert open_source("food-101-21").name == "food-101-21"


def test_only_the_21_have_names_in_food_101_21():
    with says("food-101-21 has no class 'stake'; did you mean 'steak'?"): open_source("food-101-21", "ramen,stake")


def test_fastai_s_archive_is_unpacked_once(empty, capsys):
    tree = food(empty/"src", FOOD_21)
    (empty/"fastai/archive").mkdir(parents=True)
    archive = tar(empty/"fastai/archive/food-101.tgz",
                  {f"food-101/{o.relative_to(tree)}": o.read_bytes() for o in tree.rglob("*") if o.is_file()})
    first = open_source("food-101-21")
    assert "unpacking" in capsys.readouterr().out and len(first.items) == 21*6
    archive.unlink()
    assert splits(open_source("food-101-21")) == splits(first) and not capsys.readouterr().out


@pytest.mark.parametrize("name, more", [("food-101-21", "--data PATH/food-101 --classes food-101-21"),
                                        ("food-101", "--data PATH/food-101")])
def test_offline(empty, monkeypatch, capfd, name, more):
    import socket
    def nowhere(*a, **k): raise socket.gaierror(-2, "Name or service not known")
    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with says("cannot download https://", "Name or service not known", f"give a folder that has it instead, {more}"):
        open_source(name)
    assert capfd.readouterr() == ("", "") and not [o for o in empty.rglob("*") if o.is_file()]


def test_a_download_that_breaks_leaves_nothing(empty, monkeypatch):
    import fastcore.net
    import fastdownload.core
    def broken(url, dest, **kw):
        dest.parent.mkdir(parents=True)
        for o in (dest, dest.with_name(dest.name + ".part")): o.write_bytes(b"half")
        raise ConnectionResetError("reset by peer\nmore")
    monkeypatch.setattr(fastcore.net, "urlopen", lambda *a, **k: (empty/"work/x").open("w"))
    monkeypatch.setattr(fastdownload.core, "download_url", broken)
    with says("cannot download", "(reset by peer)"): open_source("food-101")
    assert not list((empty/"fastai").rglob("*.*"))


def test_a_download_is_checked_and_unpacked(empty, monkeypatch):
    import fastcore.net
    import fastdownload.core
    tree = food(empty/"src")
    members = {f"food-101/{o.relative_to(tree)}": o.read_bytes() for o in tree.rglob("*") if o.is_file()}
    def fake(url, dest, **kw):
        dest.parent.mkdir(parents=True, exist_ok=True)
        return tar(dest, members)
    monkeypatch.setattr(fastcore.net, "urlopen", lambda *a, **k: (empty/"work/x").open("w"))
    monkeypatch.setattr(fastdownload.core, "download_url", fake)
    with says("cut short or another version"): open_source("food-101")
    monkeypatch.setattr(fastdownload.core, "check", lambda *a: True)
    assert len(open_source("food-101").items) == 12 and (empty/"fastai/archive/food-101.tgz").is_file()


def test_the_address_is_fastai_s():
    from fastai.data.external import URLs

    from fastricks.data.sources.download import URL
    assert URL == URLs.FOOD


def test_nothing_heavy_is_imported():
    code = ("import sys, fastricks.data.sources.open, fastricks.data.scan, fastricks.data.sources.prepare; "
            "print([o for o in ('torch', 'fastai', 'sklearn', 'PIL', 'numpy') if o in sys.modules])")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
