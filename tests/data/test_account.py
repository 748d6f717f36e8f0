"""The account of the data: its numbers are those of the files that are there, whatever tree or list it is."""
import os
import random
import shutil
import time

import pytest
from support.data_trees import class_tree, files, jpeg, photo, says

from fastricks.core.errors import UserError
from fastricks.core.words import silent
from fastricks.data.account import account_of
from fastricks.data.checked import open_data
from fastricks.data.sources.open import open_source
from fastricks.data.survey import survey
from fastricks.recipe.recipe import resolve

SPLITS = (
    ("train", "val", "test"),
    ("training_set", "dev", "test_set"),
    ("seg_train", "seg_valid", "seg_test"),
    ("Train", "Test"),
    (),
)
ENDINGS = ".jpg", ".JPG", ".jpeg", ".png", "", ".jpg_large", ".txt", ".cr2", ".json"
CLASSES = "a", "b c", "d,e", "f+g", "h=i", "né", "1", "22", "'q'", "x:y"


def on_disk(root): return sum(len(names) for _, _, names in os.walk(root))


def write(rng, path):
    "A photo, something broken, or no photo at all"
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = rng.random()
    path.write_bytes(jpeg(rng.randrange(10**6)) if kind < .93 else b"" if kind < .95 else b"x" * 50)


def generated_tree(rng, root):
    """A tree as people have them: split folders or none, odd endings and names, hidden files, junk, empty folders,
    other programs'
    """
    splits, classes = rng.choice(SPLITS), rng.sample(CLASSES, rng.randint(2, 5))
    for k in classes:
        for split in splits or [""]:
            for i in range(rng.randint(6, 14)): photo(root/split/k/f"{i}.png", rng.randrange(10**6))
            for i in range(rng.randint(0, 4)):
                write(rng, root/split/k/rng.choice(["", "deep/er"])/f"more{i}{rng.choice(ENDINGS)}")
    extras = ["readme.md", "loose.jpg", ".DS_Store", ".git/objects/1", "__MACOSX/._x.jpg", "models/m.pth",
              "wandb/r/x.png", "a.csv.txt"]
    for o in rng.sample(extras, rng.randint(0, len(extras))): write(rng, root/o)
    if rng.random() < .5: files(root, "runs/r-s0/recipe.json", "runs/r-s0/status.json", "runs/r-s0/batch.png")
    if rng.random() < .3: (root/(splits[0] if splits else "")/"empty").mkdir()
    if rng.random() < .5: copies(rng, root)
    return root


def copies(rng, root):
    "Some photos once more, in other splits or classes or under another name"
    there = sorted(o for o in root.rglob("*.png") if o.parent.name in CLASSES)
    for i in range(rng.randint(1, 4)): shutil.copy(rng.choice(there), rng.choice(there).parent/f"copy{i}.png")


def generated_list(rng, root):
    "A tree with a table of some of its images, and of some that are not there"
    generated_tree(rng, root)
    images = sorted(o for o in root.rglob("*.png") if "runs" not in o.parts and "wandb" not in o.parts)
    rows = [(o.relative_to(root).as_posix(), f"k{i % 3}") for i, o in enumerate(images) if rng.random() < .7]
    rows += [(f"gone/{i}.png", "k0") for i in range(rng.randint(0, 3))]
    c, split = rng.choice(",;\t"), rng.random() < .5
    more = [(f"p{i // 4}", *([("train", "train", "valid", "test")[i % 4]] if split else [])) for i in range(len(rows))]
    names = "path", "label", "patient", *(["split"] if split else [])
    lines = [c.join(names), *(c.join([f'"{a}"', b, *rest]) for (a, b), rest in zip(rows, more, strict=True))]
    (root/"list.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    return root/"list.csv"


def check_sums(account):
    assert account.found == sum(account.used.values()) + sum(account.ignored.values())
    assert account.used == {s: sum(n[s] for n in account.classes.values()) for s in account.used}
    assert sum(account.endings.values()) == account.ignored.get("not named as images are", 0)


@pytest.mark.parametrize("seed", range(24))
def test_the_numbers_of_a_tree_add_up(tmp_path, seed):
    rng = random.Random(seed)
    root = generated_tree(rng, tmp_path/"data")
    source = open_data(resolve({"data": str(root), "max_bad": .5, "per_class": rng.choice([None, 5]),
                                "drop_duplicates": seed % 3 == 0,
                                "group_by": rng.choice([None, r"(\w)\.png"])}), say=silent)
    account = account_of(source)
    check_sums(account)
    assert account.found == on_disk(root) and account.ignored.get("unreadable", 0) == len(source.skipped)
    if seed % 3 == 0: assert not any(pair.endswith(" in train") for pair in account.copies)


@pytest.mark.parametrize("seed", range(24))
def test_the_numbers_of_a_list_add_up(tmp_path, seed):
    rng = random.Random(100 + seed)
    file = generated_list(rng, tmp_path/"data")
    source = open_data(resolve({"data": str(file), "max_bad": .5, "classes": rng.choice([None, "k0,k1"]),
                                "drop_duplicates": seed % 3 == 0,
                                "group_by": rng.choice([None, "patient"])}), say=silent)
    account = account_of(source)
    check_sums(account)
    assert account.found == on_disk(file.parent)
    assert account.missing == len(source.missing) and {*source.missing} <= {*source.skipped}


def test_it_is_the_same_before_a_training_and_in_show_data(tmp_path):
    root = generated_tree(random.Random(5), tmp_path/"data")
    recipe = resolve({"data": str(root), "max_bad": .5})
    assert survey(recipe, silent).account == account_of(open_data(recipe, say=silent))


def test_a_folder_around_and_classes_that_are_left_out_count_too(tmp_path):
    class_tree(tmp_path/"all/pets", cat=3, dog=4, owl=5)
    files(tmp_path/"all", "readme.txt", "__MACOSX/x")
    account = account_of(open_source(tmp_path/"all", "cat,dog"))
    check_sums(account)
    assert account.found == on_disk(tmp_path) == 14 and account.ignored["of classes that --classes leaves out"] == 5


def test_copies_across_splits_are_told(tmp_path):
    for i in range(8):
        photo(tmp_path/f"train/{'ab'[i % 2]}/{i}.png", i)
        photo(tmp_path/f"test/{'ab'[i % 2]}/{i}.png", 50 + i)
    shutil.copy(tmp_path/"train/a/0.png", tmp_path/"test/a/0.png")
    account = account_of(open_source(tmp_path, valid=0))
    assert account.copies == {"test in train": 1}
    assert "copies: 1 of 8 test images in train too (the same bytes)" in account.lines


def test_many_classes_have_short_lines(tmp_path):
    class_tree(tmp_path, **{f"k{i}": 2 for i in range(300)})
    lines = account_of(open_source(tmp_path)).lines
    assert len(lines) == 4 and all(len(o) < 200 for o in lines)


@pytest.mark.parametrize("wanted", [False, True])
def test_thousands_of_classes_take_seconds(tmp_path, wanted):
    "Nothing is done for each class with all the others: that took minutes"
    names = [f"k {i}" for i in range(3000)]
    class_tree(tmp_path, **dict.fromkeys(names, 2))
    start = time.process_time()
    source = open_source(tmp_path, names if wanted else None)
    account = account_of(source)
    assert time.process_time() - start < 10 and len(account.classes) == 3000 and account.found == 6000


@pytest.mark.parametrize("sizes, few", [
    ({"a": 1, "b": 2, "c": 40}, "few: 2 classes have fewer than 5 training images: 'a' 1, 'b' 1; 1 class has no "
                                "validation image"),
    ({"a": 5, "b": 40}, "few: 1 class has fewer than 5 training images: 'a' 4"),
    ({"a": 1, "b": 1, "c": 1, "d": 1, "e": 40},
     "few: 4 classes have fewer than 5 training images: 'a' 1, 'b' 1, 'c' 1, …; 4 classes have no validation image"),
    ({"a": 6, "b": 40}, None)])
def test_classes_of_few_images_keep_one_in_training_and_are_told(tmp_path, sizes, few):
    a = account_of(open_source(class_tree(tmp_path, **sizes)))
    assert all(n["train"] >= 1 and sum(n.values()) == sizes[k] for k, n in a.classes.items())
    assert next((o for o in a.lines if o.startswith("few: ")), None) == few


def test_all_missing_is_one_sentence(tmp_path):
    (tmp_path/"l.csv").write_text("path,label\nx/1.jpg,a\nx/2.jpg,b\n")
    with says("none of the 2 images that", "is no file"): open_source(tmp_path/"l.csv")
    with pytest.raises(UserError): open_source(tmp_path/"nowhere.csv")


def test_copies_can_be_left_out_of_training(tmp_path):
    for i in range(8):
        photo(tmp_path/f"train/{'ab'[i % 2]}/{i}.png", i)
        photo(tmp_path/f"test/{'ab'[i % 2]}/{i}.png", 50 + i)
    shutil.copy(tmp_path/"train/a/0.png", tmp_path/"test/a/0.png")
    shutil.copy(tmp_path/"train/a/2.png", tmp_path/"train/a/9.png")
    account = account_of(open_data(resolve({"data": str(tmp_path), "valid": 0, "drop_duplicates": True}), say=silent))
    check_sums(account)
    assert account.copies == {} and account.used["train"] == 8 and account.found == on_disk(tmp_path)
    assert account.ignored == {"copies that --drop-duplicates leaves out": 1}
