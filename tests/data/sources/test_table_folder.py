"""Folders whose images are listed in a table."""
import os

import pytest
from support.data_trees import class_tree, files, splits

from fastricks.data.account import account_of
from fastricks.data.sources.open import open_source


def counts(source): return [len(source.of(o)) for o in ("train", "valid", "test")]
def rows(head, *names): return head + "\n" + "".join(f"{o},{'ab'[i % 2]}\n" for i, o in enumerate(names))


def adds_up(source, root):
    account = account_of(source)
    accounted = sum(account.used.values()) + sum(account.ignored.values())
    return account.found == accounted == sum(len(files) for _, _, files in os.walk(root))


@pytest.mark.parametrize("train, test", [("train", "test"), ("train_images", "test_images"), ("images", "images")])
def test_train_and_test_tables(tmp_path, train, test):
    files(tmp_path, *(f"{train}/{i}.jpg" for i in range(20)), *(f"{test}/t{i}.jpg" for i in range(6)))
    (tmp_path/"train.csv").write_text(rows("id,label", *(str(i) for i in range(20))))
    (tmp_path/"test.csv").write_text(rows("id,label", *(f"t{i}" for i in range(6))))
    source = open_source(tmp_path)
    assert counts(source) == [18, 2, 6] and source.splits.startswith("tables train.csv, test.csv")
    assert adds_up(source, tmp_path)


def test_a_contest_s_test_table_has_no_labels(tmp_path):
    files(tmp_path, *(f"train/{i}.jpg" for i in range(20)), *(f"test/t{i}.jpg" for i in range(6)))
    (tmp_path/"train.csv").write_text(rows("id,label", *(str(i) for i in range(20))))
    (tmp_path/"test.csv").write_text("id\n" + "".join(f"t{i}\n" for i in range(6)))
    source = open_source(tmp_path)
    assert counts(source) == [18, 2, 0]
    assert any(o.startswith("test.csv not used: ") for o in source.notes)
    assert adds_up(source, tmp_path)


@pytest.mark.parametrize("names", [("train", "validation", "test"), ("train", "val")])
def test_hugging_face_s_imagefolder(tmp_path, names):
    for o in names:
        files(tmp_path/o, *(f"{i}.jpg" for i in range(8)))
        (tmp_path/o/"metadata.csv").write_text(rows("file_name,label", *(f"{i}.jpg" for i in range(8))))
    source = open_source(tmp_path)
    assert counts(source) == [8, 8, 8 * (len(names) > 2)] and "train/0.jpg" in splits(source)
    assert adds_up(source, tmp_path)


@pytest.mark.parametrize("table, folder", [("metadata.csv", ""), ("labels.csv", "images/"), ("anything.tsv", "pics/")])
def test_one_table_and_its_images(tmp_path, table, folder):
    files(tmp_path, *(f"{folder}{i}.jpg" for i in range(20)))
    text = rows("file_name,label", *(f"{i}.jpg" for i in range(20)))
    (tmp_path/table).write_text(text.replace(",", "\t") if table.endswith("tsv") else text)
    source = open_source(tmp_path)
    assert counts(source) == [18, 2, 0] and source.classes == ("a", "b") and adds_up(source, tmp_path)


def test_class_folders_come_before_a_table(tmp_path):
    files(class_tree(tmp_path, cat=3, dog=3), "metadata.csv", "train.csv")
    assert open_source(tmp_path).classes == ("cat", "dog")
    for o in ("train", "test"): files(class_tree(tmp_path/"s"/o, cat=3, dog=3), "metadata.csv")
    assert open_source(tmp_path/"s").classes == ("cat", "dog")
