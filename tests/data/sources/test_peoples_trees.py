"""Trees of images as data sets on the web, phones and other programs leave them."""
import os

import pytest
from support.data_trees import class_tree, files, jpeg, says, splits

from fastricks.data.sources.open import open_source
from fastricks.data.sources.split_words import folder_splits, plain_split
from fastricks.use.predict import below


def counts(source): return [len(source.of(o)) for o in ("train", "valid", "test")]


# -- splits in others' words

@pytest.mark.parametrize("train, valid, test", [
    ("training_set", "validation_set", "test_set"), ("train_set", "dev", "testset"),
    ("Train_Data", "eval", "Test_Data"),
    ("train_images", "val_images", "test_images"), ("trainset", "valset", "testing_data"),
    ("seg_train", "seg_val", "seg_test"),
    ("TrainingImages", "ValidationImages", "TestImages"), ("train2017", "val2017", "test2017"),
    ("flowers-train", "flowers-dev", "flowers-test"),
    ("seg_train/seg_train", "seg_val/seg_val", "seg_test/seg_test"), ("train/images", "val/images", "test/images"),
    ("train", "development", "test"), ("1 train", "1 valid", "1 test")])
def test_splits_are_known_in_others_words(tmp_path, train, valid, test):
    for o, n in ((train, 9), (valid, 3), (test, 5)): class_tree(tmp_path/o, cat=n, dog=n)
    source = open_source(tmp_path)
    assert source.classes == ("cat", "dog") and counts(source) == [18, 6, 10]
    assert source.splits.startswith("folders ")


@pytest.mark.parametrize("names", [("test_tube", "train_station"), ("crash_test", "bus"),
                                   ("bullet_train", "passenger_train"), ("train", "tram"),
                                   ("dev", "ops"), ("evaluation", "bus"), ("train_set", "bus")])
def test_classes_that_only_sound_so_stay_classes(tmp_path, names):
    source = open_source(class_tree(tmp_path, **dict.fromkeys(names, 5)))
    assert {*source.classes} == {*names} and counts(source)[2] == 0


@pytest.mark.parametrize("word, split", [("TRAIN", "train"), ("Training Set", "train"), ("validate", None),
                                         ("PublicTest", "valid"),
                                         ("PrivateTest", "test"), ("data_test", "test"), ("", None),
                                         ("train_test", None), ("0", None)])
def test_words(word, split): assert plain_split(word) == split


def test_the_plainest_name_is_the_split():
    assert folder_splits(["train_images", "train", "test_set", "test"]) == {"train": "train", "test": "test"}


@pytest.mark.parametrize("folders", [("2023", "2024"), ("left", "right", "top")])
@pytest.mark.parametrize("below", [("cat", "dog"), ("images", "masks"), ("train", "test")])
def test_class_folders_with_the_same_folders_in_them_are_asked_about(tmp_path, folders, below):
    for o in folders: class_tree(tmp_path/o, **dict.fromkeys(below, 4))
    with says("every class folder of", below[0], below[1], f"--data {tmp_path/folders[0]}",
              f"--classes {','.join(folders)}"):
        open_source(tmp_path)
    assert open_source(tmp_path, ",".join(folders)).classes == folders


def test_one_folder_in_each_class_is_as_tiny_imagenet_has_it(tmp_path):
    for k in ("n01", "n02"): class_tree(tmp_path/k, images=4)
    assert open_source(tmp_path).classes == ("n01", "n02")


def test_flat_splits_are_not_two_classes(tmp_path):
    files(tmp_path, *(f"{k}/{i}.jpg" for k in ("train_images", "test_images") for i in range(4)))
    with says(tmp_path/"train_images", "has images but no class folders"): open_source(tmp_path)


def test_an_empty_split_is_told(tmp_path):
    class_tree(tmp_path/"train", a=8, b=8)
    for o in ("valid/a", "valid/b", "test"): (tmp_path/o).mkdir(parents=True)
    notes = open_source(tmp_path).notes
    assert "valid has no images: it counts as none" in notes and "test has no images: it counts as none" in notes


# -- what other programs leave

def test_the_runs_folder_is_no_class(tmp_path):
    class_tree(tmp_path, a=4, b=4)
    before = splits(open_source(tmp_path))
    files(tmp_path, *(f"runs/{r}/{f}" for r in ("r-s0", "r-s1")
                      for f in ("recipe.json", "status.json", "lr.png", "batch.png")), "runs/page.png",
          "wandb/media/1.png", "__pycache__/x.png", "a/nested-run/recipe.json", "a/nested-run/status.json",
          "a/nested-run/targets.png")
    source = open_source(tmp_path)
    assert splits(source) == before and source.classes == ("a", "b") and any("runs left out" in o for o in source.notes)


def test_a_class_may_have_a_recipe(tmp_path):
    files(class_tree(tmp_path, cake=4, soup=4), "cake/recipe.json")
    assert open_source(tmp_path).classes == ("cake", "soup")


def test_only_one_class_with_images_is_said(tmp_path):
    files(class_tree(tmp_path, cat=3), "models/x.pth")
    with says("has only one class, 'cat'"): open_source(tmp_path)


# -- links

def test_links_that_lead_out_are_followed_once(tmp_path):
    class_tree(tmp_path/"data", a=3, b=3)
    class_tree(tmp_path/"nas", y2023=4)
    for name in ("more", "again"): (tmp_path/"data/a"/name).symlink_to(tmp_path/"nas/y2023")
    (tmp_path/"nas/y2023/back").symlink_to(tmp_path/"nas")
    (tmp_path/"data/a/other class").symlink_to(tmp_path/"data/b")
    (tmp_path/"data/b/up").symlink_to(tmp_path)
    source = open_source(tmp_path/"data")
    assert len(source.items) == 10 and sum(o.label == "a" for o in source.items) == 7
    assert "4 links to folders not followed: they lead into the data, or twice to one place" in source.notes
    want = {*(f"a/{i}.jpg" for i in range(3)), *(f"a/again/{i}.jpg" for i in range(4))}
    assert {o.name for o in source.items if o.label == "a"} == want


# -- endings

@pytest.mark.parametrize("name", ["photo", "x.jpg_large", "x.pjpeg", "x.image", "x.jpg!d", "x.7", "x.jpg~orig"])
def test_an_image_is_known_by_its_content(tmp_path, name):
    class_tree(tmp_path, a=3, b=3)
    (tmp_path/"a"/name).write_bytes(jpeg())
    source = open_source(tmp_path)
    assert f"a/{name}" in splits(source)
    assert any(o.startswith("1 image without the ending of one found by content: 1 ") for o in source.notes)
    assert str(tmp_path/"a"/name) in below(str(tmp_path/"a"))


@pytest.mark.parametrize("name, data", [("x.cr2", b"II*\0 raw"), ("x.thm", jpeg()), ("x.txt", jpeg()),
                                        ("x.part", jpeg()), ("x", b"text"), ("x", b""),
                                        ("x.mp4", b"\0\0\0\x18ftypheic" + b"x" * 40)])
def test_what_is_no_photo_is_counted(tmp_path, name, data):
    class_tree(tmp_path, a=3, b=3)
    (tmp_path/"a"/name).write_bytes(data)
    source = open_source(tmp_path)
    assert len(source.items) == 6 and sum(source.ignored.values()) == 1


# -- names

@pytest.mark.parametrize("name", ["two words", "a,b", "c++", "k:v", "x=1", "it's", '"quoted"', "né", "ne\u0301", "100%",
                                  "#1", "-x", "猫"])
def test_any_name_is_a_class(tmp_path, name):
    source = open_source(class_tree(tmp_path, **{name: 4, "other": 4}))
    assert {*source.classes} == {name, "other"}
    (tmp_path/"names.txt").write_text(f"{name}\nother\n", encoding="utf-8")
    assert open_source(tmp_path, str(tmp_path/"names.txt")).classes == source.classes


def test_a_class_with_a_comma_stands_in_quotes(tmp_path):
    class_tree(tmp_path, **{"Doe, Jane": 4, "Roe": 4, "x": 4})
    assert open_source(tmp_path, '"Doe, Jane",Roe').classes == ("Doe, Jane", "Roe")


def test_a_broken_link_is_no_folder(tmp_path):
    class_tree(tmp_path, a=3, b=3)
    os.symlink(tmp_path/"gone", tmp_path/"a/sub")
    assert len(open_source(tmp_path).items) == 6
