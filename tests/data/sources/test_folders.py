import os

import pytest
from support.data_trees import all_files, class_tree, files, says, splits

from fastricks.data.source import fingerprint
from fastricks.data.sources.open import open_source


def test_class_folders(tmp_path):
    source = open_source(class_tree(tmp_path/"pets", owl=10, cat=20))
    assert source.name == "pets" and source.classes == ("cat", "owl") and not source.has_test and not source.notes
    assert [len(source.of(o)) for o in ("train", "valid", "test")] == [27, 3, 0]
    assert [o.name for o in source.items] == sorted(all_files(tmp_path/"pets"))
    o = source.items[0]
    assert (o.name, o.label, o.image, o.size) == ("cat/0.jpg", "cat", tmp_path/"pets/cat/0.jpg", 10)


def test_images_are_found_below_in_any_case_and_nothing_else(tmp_path):
    class_tree(tmp_path, cat=2, dog=2)
    files(tmp_path, "cat/a/b/1.JPG", "cat/2.Webp", "cat/3.tiff", "cat/4.txt", "cat/.5.jpg", "cat/.git/6.jpg",
          ".h/7.jpg")
    assert [o for o in splits(open_source(tmp_path)) if o[:3] == "cat"] == [
        "cat/0.jpg", "cat/1.jpg", "cat/2.Webp", "cat/3.tiff", "cat/a/b/1.JPG"]


@pytest.mark.parametrize("end", ["jpg", "jpeg", "png", "bmp", "gif", "webp", "tif", "tiff", "ppm", "PNG"])
def test_extensions(tmp_path, end):
    files(tmp_path, f"cat/1.{end}", f"cat/2.{end}", f"dog/1.{end}", "dog/2.pdf")
    assert len(open_source(tmp_path).items) == 3


def test_links_to_folders_are_not_followed_but_class_folders_may_be_links(tmp_path):
    class_tree(tmp_path/"real", cat=3, dog=3)
    (tmp_path/"real/cat/loop").symlink_to(tmp_path/"real")
    (tmp_path/"real/cat/loop.jpg").symlink_to(tmp_path/"real")
    files(tmp_path, "else/1.jpg")
    (tmp_path/"real/owl").symlink_to(tmp_path/"else")
    names = [f"{k}/{i}.jpg" for k in ("cat", "dog") for i in range(3)]
    assert list(splits(open_source(tmp_path/"real"))) == [*names, "owl/1.jpg"]


def test_a_link_to_nowhere_is_listed_for_the_scan_to_find(tmp_path):
    class_tree(tmp_path, cat=3, dog=3)
    (tmp_path/"cat/9.jpg").symlink_to(tmp_path/"gone.jpg")
    assert [o.size for o in open_source(tmp_path).items if o.name == "cat/9.jpg"] == [0]


def test_names_that_are_no_utf8(tmp_path):
    class_tree(tmp_path, cat=3, dog=3)
    try: files(tmp_path, os.fsdecode(b"cat/\xff.jpg"))
    except OSError: pytest.skip("a disk that takes only UTF-8")
    source = open_source(tmp_path)
    odd = next(o for o in source.items if "\\" in o.name)
    assert odd.name == "cat/\\udcff.jpg" and odd.image.exists() and fingerprint(source)


def test_train_valid_test(tmp_path):
    for split, n in dict(train=10, valid=4, test=6).items(): class_tree(tmp_path/split, cat=n, dog=n)
    source = open_source(tmp_path, valid=.5)
    assert [len(source.of(o)) for o in ("train", "valid", "test")] == [20, 8, 12] and not source.notes
    assert {o.name.split("/")[0] for o in source.of("valid")} == {"valid"}
    assert splits(open_source(tmp_path, valid=0)) == splits(source)


def test_val_is_valid(tmp_path):
    for split in ("train", "val"): class_tree(tmp_path/split, cat=3, dog=3)
    source = open_source(tmp_path)
    assert not source.has_test
    assert {o.name for o in source.of("valid")} == {f"val/{k}/{i}.jpg" for k in ("cat", "dog") for i in range(3)}


def test_train_and_test_without_valid_holds_some_out(tmp_path):
    for split in ("train", "test"): class_tree(tmp_path/split, cat=10, dog=10)
    source = open_source(tmp_path)
    assert [len(source.of(o)) for o in ("train", "valid", "test")] == [18, 2, 20]
    assert [len(open_source(tmp_path, valid=0).of(o)) for o in ("train", "valid", "test")] == [20, 0, 20]


def test_per_class_leaves_the_data_s_own_splits_alone(tmp_path):
    for split in ("train", "valid", "test"): class_tree(tmp_path/split, cat=10, dog=10)
    source = open_source(tmp_path, per_class=3)
    assert [len(source.of(o)) for o in ("train", "valid", "test")] == [6, 20, 20]


def test_a_test_class_unknown_to_training(tmp_path):
    class_tree(tmp_path/"train", cat=3, dog=3, owl=3)
    class_tree(tmp_path/"test", cat=3, dogs=3)
    with says("test class 'dogs' of", "did you mean 'dog'?"): open_source(tmp_path)
    assert open_source(tmp_path, "cat,owl").has_test


def test_a_valid_class_unknown_to_training(tmp_path):
    class_tree(tmp_path/"train", cat=3, dog=3)
    class_tree(tmp_path/"valid", cat=3, dog=3, emu=1)
    with says("valid class 'emu' of", tmp_path): open_source(tmp_path)


def test_a_test_with_fewer_classes_is_a_note(tmp_path):
    class_tree(tmp_path/"train", a=3, b=3, c=3, d=3, e=3)
    class_tree(tmp_path/"test", a=3)
    (tmp_path/"test/b").mkdir()
    assert open_source(tmp_path).notes == ("test has no images of 4 classes: b, c, d, …",)


def test_other_folders_beside_train_are_a_note(tmp_path):
    for o in ("train", "test", "models"): class_tree(tmp_path/o, cat=3, dog=3)
    assert open_source(tmp_path).notes == (f"only train, test of {tmp_path} used, not models",)


def test_a_class_may_be_called_train(tmp_path):
    assert open_source(class_tree(tmp_path, bus=3, train=3)).classes == ("bus", "train")


def test_a_loose_image_is_a_note(tmp_path):
    files(class_tree(tmp_path, cat=3, dog=3), "readme.jpg")
    assert open_source(tmp_path).notes == (f"1 image directly in {tmp_path} left out: no class folder",)
    files(tmp_path/"s", "train/loose.jpg", "train/a/1.jpg", "train/a/2.jpg", "train/b/1.jpg", "test/a/1.jpg",
          "test/b/1.jpg")
    assert open_source(tmp_path/"s").notes[0].startswith("1 image directly in")


def test_images_without_class_folders(tmp_path):
    files(tmp_path, "1.jpg", "2.png")
    with says("has images but no class folders", tmp_path/"cat"): open_source(tmp_path)


def test_train_and_test_without_class_folders(tmp_path):
    files(tmp_path, "train/1.jpg", "test/2.png")
    with says(tmp_path/"train", "has images but no class folders"): open_source(tmp_path)


def test_an_empty_folder(tmp_path):
    with says(tmp_path, "has no class folders: give a folder with one folder of images for each class"):
        open_source(tmp_path)


def test_a_single_class(tmp_path):
    with says("has only one class, 'cat': give at least two"): open_source(class_tree(tmp_path, cat=3))


@pytest.mark.parametrize("below", ["", "train/"])
def test_a_class_folder_without_images(tmp_path, below):
    class_tree(tmp_path/below, cat=3, dog=3, fox=3)
    files(tmp_path, f"{below}models/x.pth", f"{below}owl/x.txt")
    source = open_source(tmp_path)
    assert source.classes == ("cat", "dog", "fox") and "2 folders without images left out: models, owl" in source.notes
    with says("class 'owl' of", "has no training images"): open_source(tmp_path, "cat,owl")
    assert open_source(tmp_path, "cat,dog").classes == ("cat", "dog")


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    class_tree(tmp_path, cat=3, dog=3)
    def denied(path): raise PermissionError(13, "Permission denied", str(path))
    monkeypatch.setattr(os, "scandir", denied)
    with says(f"cannot read {tmp_path}: Permission denied"): open_source(tmp_path)
