"""Tables of images as data sets on the web, spreadsheets and other programs have them."""
import pytest
from support.data_trees import class_tree, files, says, splits

from fastricks.data.scan import drop_unreadable
from fastricks.data.sources.open import open_source


@pytest.fixture
def table(tmp_path):
    class_tree(tmp_path/"p", cat=10, dog=10)
    def write(head, row, name="l.csv", to=open_source, **kw):
        lines = [head, *(row(k, i) for k in ("cat", "dog") for i in range(10))]
        (tmp_path/"p"/name).write_text("\n".join(o for o in lines if o), **{"encoding": "utf-8", **kw})
        return to(tmp_path/"p"/name)
    return write


def counts(source): return [len(source.of(o)) for o in ("train", "valid", "test")]
def right(source):
    return not source.missing and all(o.name.startswith(o.label) for o in source.items) and len(source.items) == 20


# -- splits

@pytest.mark.parametrize("head, yes, no, want", [
    ("fname,label,is_valid", "True", "False", [12, 8, 0]), ("path,label,is_test", "1", "0", [None, None, 8]),
    ("path,label,valid", "yes", "no", [12, 8, 0]), ("path,label,is_train", "false", "true", [12, 8, 0]),
    ("path,label,Dataset", "Testing", "Training", [None, None, 8]),
    ("path,label,data set", "validation", "train", [12, 8, 0]),
    ("path,label,Usage", "PublicTest", "Training", [12, 8, 0]), ("path,label,whatever", "val", "train", [12, 8, 0])])
def test_what_says_the_split(table, head, yes, no, want):
    source = table(head, lambda k, i: f"{k}/{i}.jpg,{k},{yes if i >= 6 else no}")
    got = counts(source)
    assert all(w in (None, g) for w, g in zip(want, got, strict=True)) and head.split(",")[2] in source.splits
    if want[1]:
        assert {o.name for o in source.of("valid")} == {f"{k}/{i}.jpg" for k in ("cat", "dog") for i in range(6, 10)}


def test_valid_and_test_columns_together(table):
    source = table("path,label,is_valid,is_test", lambda k, i: f"{k}/{i}.jpg,{k},{int(i in (6, 7))},{int(i > 7)}")
    assert counts(source) == [12, 4, 4]


def test_numbers_of_folds(table):
    source = table("path,label,fold", lambda k, i: f"{k}/{i}.jpg,{k},{i % 5}")
    assert counts(source) == [16, 4, 0] and any("fold 0 is for validation" in o for o in source.notes)


def test_columns_that_are_not_used_are_named(table):
    source = table("path,label,Age,Sex", lambda k, i: f"{k}/{i}.jpg,{k},{i},m")
    assert source.notes == ("columns of l not used: Age, Sex",) and right(source)


def test_a_column_called_test_may_be_something_else(table):
    source = table("path,label,test", lambda k, i: f"{k}/{i}.jpg,{k},{i}.5")
    assert counts(source)[2] == 0 and source.notes == ("columns of l not used: test",)


# -- headers

@pytest.mark.parametrize("head", ["id,breed", "image_id,label", "id_code,diagnosis", "Id,Category", "filename,class",
                                  "image,label", "img,lbl",
                                  "Photo Name,Kind", "x,y", "filenames,cats", "ImageID,Finding Labels"])
@pytest.mark.parametrize("end", [".jpg", ""])
def test_headers_of_others(table, head, end):
    assert right(table(head, lambda k, i: f"{k}/{i}{end},{k}"))


@pytest.mark.parametrize("head, row", [
    ("ImageID,Finding Labels,Age", "{k}/{i}.jpg,{k},30"), ("filepath,class_id,class_name", "{k}/{i}.jpg,0,{k}"),
    ("class_id,class_name,filepath", "0,{k},{k}/{i}.jpg"), ("name,path,label", "n{i},{k}/{i}.jpg,{k}"),
    (",path,label", "{i},{k}/{i}.jpg,{k}"),
    ("path;label", "{k}/{i}.jpg;{k}"), ("path\tlabel", "{k}/{i}.jpg\t{k}"), ("path|label", "{k}/{i}.jpg|{k}"),
    ('"path","label"', '"{k}/{i}.jpg","{k}"'), ("PATH , Label", "{k}/{i}.jpg , {k}")])
def test_columns_and_separators(table, head, row):
    assert right(table(head, lambda k, i: row.format(k=k, i=i)))
    assert right(table(head, lambda k, i: row.format(k=k, i=i), encoding="utf-8-sig"))


def test_a_column_for_each_class(table):
    source = table("image_id,cat,dog", lambda k, i: f"{k}/{i},{int(k == 'cat')},{int(k == 'dog')}")
    assert right(source) and any("a class each" in o for o in source.notes)


def test_several_labels_and_unknown_names_are_said(table):
    with says("header with the names path, a, b", "rename that column to label"):
        table("path,a,b", lambda k, i: f"{k}/{i}.jpg,1,1")


def test_the_first_row_is_an_image_even_if_it_is_missing(table):
    source = table("", lambda k, i: f"{k}/{i + 1}.jpg,{k}" if i else f"{k}/77.jpg,{k}")
    assert len(source.missing) == 4 and len(source.items) == 16


# -- where the images are

@pytest.mark.parametrize("path", ["/home/other/p/{k}/{i}.jpg", "C:\\\\data\\\\p\\\\{k}\\\\{i}.jpg", "p/{k}/{i}.jpg",
                                  "./{k}/{i}.jpg",
                                  "{k}\\\\{i}.jpg", "data/p/{k}/{i}"])
def test_paths_of_another_place(table, path):
    path = path.replace("\\\\", "\\")
    assert right(table("path,label", lambda k, i: f"{path.format(k=k, i=i)},{k}"))


@pytest.mark.parametrize("folder", ["train", "images", "jpeg/train"])
@pytest.mark.parametrize("end", ["", ".jpg"])
def test_images_in_a_folder_beside_the_table(tmp_path, folder, end):
    files(tmp_path, *(f"{folder}/{k}{i}.jpg" for k in "ab" for i in range(6)))
    (tmp_path/"train.csv").write_text("id,breed\n" + "".join(f"{k}{i}{end},{k}\n" for k in "ab" for i in range(6)))
    source = open_source(tmp_path/"train.csv")
    assert {o.name for o in source.items} == {f"{folder}/{k}{i}.jpg" for k in "ab" for i in range(6)}
    assert f"12 images of train.csv found in {folder}/" in source.notes


def test_another_class_s_images_are_never_taken(tmp_path):
    files(tmp_path, *(f"dog/{i}.jpg" for i in range(6)))
    (tmp_path/"l.csv").write_text("path,label\n"
                                  + "".join(f"{k}/{i}.jpg,{k}\n" for k in ("cat", "dog") for i in range(6)))
    source_items = splits_or_error(tmp_path/"l.csv")
    assert all(o.startswith("dog/") for o in source_items)


def splits_or_error(file):
    from fastricks.core.errors import UserError
    try: return splits(open_source(file))
    except UserError: return {}


def test_tsv(table): assert right(table("path\tlabel", lambda k, i: f"{k}/{i}.jpg\t{k}", name="l.tsv"))


def test_parquet(table, tmp_path):
    pd, _ = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    table("path,label", lambda k, i: f"{k}/{i}.jpg,{k}")
    pd.read_csv(tmp_path/"p/l.csv").to_parquet(tmp_path/"p/l.parquet")
    assert right(open_source(tmp_path/"p/l.parquet"))


# -- missing ones count as unreadable

def test_missing_images_count_as_unreadable(tmp_path):
    from support.data_trees import jpeg
    for k in "ab":
        (tmp_path/k).mkdir()
        for i in range(10): (tmp_path/k/f"{i}.jpg").write_bytes(jpeg(i))
    def lines(n): return "path,label\n" + "".join(f"{k}/{i}.jpg,{k}\n" for k in "ab" for i in range(n))
    (tmp_path/"l.csv").write_text(lines(200))
    with says("380 of 400 images of l cannot be read", "--max-bad"):
        drop_unreadable(open_source(tmp_path/"l.csv"), cache=tmp_path/"c")
    (tmp_path/"l.csv").write_text(lines(12))
    source = drop_unreadable(open_source(tmp_path/"l.csv"), cache=tmp_path/"c")
    assert source.skipped == tuple((f"{k}/{i}.jpg", "not there") for k in "ab"
                                   for i in (10, 11)) and len(source.items) == 20
    assert splits(source) == splits(open_source(tmp_path/"l.csv"))
