import pytest
from support.data_trees import class_tree, files, says, splits

from fastricks.data.sources.open import open_source


@pytest.fixture
def table(tmp_path):
    class_tree(tmp_path, cat=4, dog=4)
    def write(text, name="pets.csv", **kw):
        (tmp_path/name).write_text(text, **{"encoding": "utf-8", **kw})
        return tmp_path/name
    return write


ROWS = "".join(f"{k}/{i}.jpg,{k}\n" for k in ("cat", "dog") for i in range(4))
SPLIT = "".join(f"{k}/{i}.jpg,{k},{s}\n" for k in ("cat", "dog")
                for i, s in enumerate(["train", "train", "val", "test"]))


@pytest.mark.parametrize("head", ["", "path,label\n", "Filename, Class\n", "\n\n"])
def test_path_and_label_with_or_without_a_header(table, head):
    source = open_source(table(head + ROWS))
    assert source.name == "pets" and source.classes == ("cat", "dog") and not source.notes
    assert [len(source.of(o)) for o in ("train", "valid", "test")] == [6, 2, 0]
    assert (source.items[0].name, source.items[0].size) == ("cat/0.jpg", 10)


@pytest.mark.parametrize("head", ["", "path,label,split\n"])
def test_splits(table, head):
    source = open_source(table(head + SPLIT))
    assert [len(source.of(o)) for o in ("train", "valid", "test")] == [4, 2, 2]


def test_columns_in_another_order(table):
    text = "id,label,split,image\n" + "".join(f"7,{k},train,{k}/{i}.jpg\n" for k in ("cat", "dog") for i in range(4))
    assert len(open_source(table(text)).items) == 8


def test_what_spreadsheets_write(table):
    want = splits(open_source(table(ROWS)))
    assert splits(open_source(table(ROWS.replace(",", ";").replace("\n", "\r\n"), encoding="utf-8-sig"))) == want
    assert splits(open_source(table(ROWS.replace("/", "\\").replace(",", "\t"), "b.CSV"))) == want
    assert splits(open_source(table("".join(f'"./{o}\n' for o in ROWS.replace(",", '",').split())))) == want


def test_missing_images_are_a_note_unless_all_are(table):
    assert open_source(table(ROWS + "cat/77.jpg,cat\n")).notes == ("1 of 9 listed images are not there",)
    with says("none of the 2 images that", "pets.csv lists is there"): open_source(table("x.jpg,cat\ny.jpg,dog\n"))


def test_absolute_paths_and_paths_beside(table, tmp_path):
    files(tmp_path, "sub/z.txt", "far/1.jpg")
    text = f"{tmp_path}/sub/../cat/0.jpg,cat\n../dog/0.jpg,dog\n../dog/1.jpg,dog\n../cat/1.jpg,cat\n"
    assert {o.label for o in open_source(table(text, "sub/t.csv")).items} == {"cat", "dog"}
    text = ROWS.replace("cat/0", f"{tmp_path}/cat/0")
    assert "cat/0.jpg" in splits(open_source(table(text)))


def test_the_same_line_twice_is_one_image(table): assert len(open_source(table(ROWS + "cat/0.jpg,cat\n")).items) == 8


@pytest.mark.parametrize("text, words", [
    (ROWS + "cat/0.jpg,dog\n", ["line 9 of", "lists cat/0.jpg again, as dog in train, after cat in train"]),
    (SPLIT + "cat/0.jpg,cat,test\n", ["line 9 of", "again, as cat in test, after cat in train"]),
    ("cat/0.jpg\n", ["line 1 of", "has no label: want path,label or path,label,split"]),
    ("cat/0.jpg,cat\n,dog\n", ["line 2 of", "has no path"]),
    ("cat/0.jpg,cat,tets\n", ["split 'tets' is none of train, valid and test", "did you mean 'test'?"]),
    ("path,label,split\ncat/0.jpg,cat\n", ["line 2 of", "split '' is none of"]),
    ("", ["lists no training images"]), ("path,label\n", ["lists no training images"]),
    ("cat/0.jpg,cat,test\n", ["lists no training images"]),
    ("cat/0.jpg,cat\ncat/1.jpg,cat\n", ["only one class, 'cat'"]),
])
def test_wrong_lines(table, text, words):
    with says(*words): open_source(table(text))


def test_test_class_unknown_to_training(table):
    with says("test class 'cats' of", "did you mean 'cat'?"):
        open_source(table(SPLIT.replace("3.jpg,cat", "3.jpg,cats")))


def test_not_text(table, tmp_path):
    (tmp_path/"x.csv").write_bytes(b"\xff\xfe\x00,\x81\n")
    with says("x.csv is not a CSV file in UTF-8"): open_source(tmp_path/"x.csv")
    with says("pets.csv is not a CSV file in UTF-8"): open_source(table('"a.jpg"b,cat\n'))


def test_nul_bytes_are_missing_files(table):
    with says("pets.csv"): open_source(table("a\0.jpg,cat\nb\0.jpg,dog\n"))


def test_classes(table):
    assert {o.label for o in open_source(table(ROWS + "x/1.jpg,emu\n"), "cat,dog").items} == {"cat", "dog"}
