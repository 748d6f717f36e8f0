import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from support.data_trees import all_files, class_tree, contents, files, food, jpeg, says, splits, tar, zipped
from support.paths import SHARED

from fastricks.core.errors import UserError
from fastricks.data.sources import prepare as module
from fastricks.data.sources.open import open_source
from fastricks.data.sources.prepare import prepare_food, unpack_food

WANT = [f"{split}/{k}/{i}.jpg" for split, ids in (("test", (100, 101)), ("train", range(4))) for k in ("ramen", "steak")
        for i in ids]


@pytest.fixture
def tree(tmp_path): return food(tmp_path/"src/food-101")


@pytest.fixture
def target(tmp_path): return tmp_path/"target"


@pytest.fixture
def said(): return []


def archives(folder, members):
    "The same members in every kind of archive"
    return [tar(folder/"a.tgz", members), tar(folder/"a.tar", members, mode="w"),
            tar(folder/"a.tar.xz", members, mode="w:xz"), zipped(folder/"a.zip", members)]


def test_a_tree_is_linked(tree, target, said):
    assert prepare_food(tree, target, say=said.append) == (8, 4)
    assert all_files(target) == WANT and said[0] == f"{target}: 8 training and 4 test images of 2 classes"
    assert all((target/o).stat().st_nlink == 2 for o in WANT)
    assert (target/"test/ramen/100.jpg").samefile(tree/"images/ramen/100.jpg")


def test_a_tree_is_copied_on_demand(tree, target, said):
    prepare_food(tree, target, copy=True, say=said.append)
    assert all_files(target) == WANT and all((target/o).stat().st_nlink == 1 for o in WANT)


def test_a_disk_without_links(tree, target, said, monkeypatch):
    def cannot(*a): raise OSError(errno.EXDEV, "Invalid cross-device link")
    monkeypatch.setattr(os, "link", cannot)
    assert prepare_food(tree, target, say=said.append) == (8, 4) and all_files(target) == WANT


def test_linked_images_of_a_tree_are_taken_themselves(tree, target, said):
    shutil.move(tree/"images/ramen/0.jpg", tree.parent/"real.jpg")
    (tree/"images/ramen/0.jpg").symlink_to(tree.parent/"real.jpg")
    prepare_food(tree, target, say=said.append)
    assert not (target/"train/ramen/0.jpg").is_symlink() and all_files(target) == WANT


@pytest.mark.parametrize("prefix", ["food-101/", "", "./food-101/", "food-101/food-101/"])
def test_archives(tree, target, said, tmp_path, prefix):
    for i, src in enumerate(archives(tmp_path, contents(tree, prefix))):
        assert prepare_food(src, target/str(i), say=said.append) == (8, 4)
        assert all_files(target/str(i)) == WANT
        assert (target/str(i)/"train/ramen/0.jpg").read_bytes() == (tree/"images/ramen/0.jpg").read_bytes()


def test_the_lists_may_come_last(tree, target, said, tmp_path):
    members = contents(tree)
    src = tar(tmp_path/"a.tgz", {k: members[k] for k in sorted(members, key=lambda o: "meta" in o)})
    assert prepare_food(src, target, say=said.append) == (8, 4)


def test_the_folder_above_a_tree(tree, target, said):
    assert prepare_food(tree.parent, target, say=said.append) == (8, 4)


@pytest.mark.parametrize("kind", ["tree", "archive"])
def test_classes(tmp_path, target, said, kind):
    src = food(tmp_path/"src", ("ramen", "steak", "waffles"))
    if kind == "archive": src = tar(tmp_path/"a.tgz", contents(src))
    assert prepare_food(src, target, "ramen,steak", say=said.append) == (8, 4) and all_files(target) == WANT
    with says("has no class 'stake'; did you mean 'steak'?"): prepare_food(src, target, "ramen,stake")
    with says("names 1 class"): prepare_food(src, target, "ramen")
    prepare_food(src, target, say=said.append)
    prepare_food(src, target, "ramen,steak", say=said.append)
    assert said[-3] == f"{target} has 1 other class from before"


def test_what_is_prepared_opens(tree, target, said):
    prepare_food(tree, target, say=said.append)
    source = open_source(target)
    assert source.has_test and source.classes == ("ramen", "steak") and len(source.items) == 12 and not source.notes


def test_missing_images_are_counted(tree, target, said, tmp_path):
    (tree/"images/ramen/0.jpg").unlink()
    for i, src in enumerate([tree, *archives(tmp_path, contents(tree))]):
        assert prepare_food(src, target/str(i), say=said.append) == (7, 4)
        assert said[-2].endswith("of 2 classes; 1 of 12 listed images are not there")
    shutil.rmtree(tree/"images/ramen")
    shutil.rmtree(tree/"images/steak")
    with says("none of the 12 listed images is there"): prepare_food(tree, target/"none")


def test_unlisted_images_are_left(tree, target, said):
    files(tree, "images/ramen/77.jpg", "images/emu/0.jpg", "images/ramen/0.png")
    prepare_food(tree, target, say=said.append)
    assert all_files(target) == WANT


class Stop(BaseException):
    "As a key press or a kill in the middle of the work"


def stop_after(monkeypatch, n, error=Stop):
    "The `n`-th file is written but not put in its place"
    left, old = [n], os.replace
    def replace(*a):
        left[0] -= 1
        if left[0] < 1: raise error
        return old(*a)
    monkeypatch.setattr(os, "replace", replace)


@pytest.mark.parametrize("kind", ["tree", "a.tgz", "a.zip"])
def test_it_goes_on_where_it_stopped(tree, target, said, tmp_path, monkeypatch, kind):
    src = tree if kind == "tree" else next(o for o in archives(tmp_path, contents(tree)) if o.name == kind)
    with monkeypatch.context() as m:
        stop_after(m, 6)
        with pytest.raises(Stop): prepare_food(src, target, copy=True)
    there = {o: (target/o).stat().st_ino for o in all_files(target)}
    assert len(there) == 5 and {*there} < {*WANT}
    assert prepare_food(src, target, copy=True, say=said.append) == (8, 4) and all_files(target) == WANT
    assert there == {o: (target/o).stat().st_ino for o in there}


def test_a_killed_run_leaves_no_half_image(tmp_path, target, said):
    members = {**contents(food(tmp_path/"src"))}
    src = tar(tmp_path/"a.tgz", members)
    code = ("import os, signal, fastricks.data.sources.prepare as m\n"
            "def die(to, data):\n"
            "    with open(to, 'xb') as f: f.write(data[:5])\n"
            "    if len(os.listdir(m_target)) > 1: os.kill(os.getpid(), signal.SIGKILL)\n"
            f"m_target = {str(target)!r}; m.write_new = die; m.prepare_food({str(src)!r}, m_target)")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == -9
    assert any(o.startswith(module.PART_PREFIX) for o in os.listdir(target))
    prepare_food(src, target, say=said.append)
    assert all_files(target) == WANT
    check_whole(target, members)


def test_an_image_of_another_size_is_written_again(tree, target, said):
    prepare_food(tree, target, copy=True, say=said.append)
    (target/"train/ramen/0.jpg").write_bytes(b"half")
    prepare_food(tree, target, copy=True, say=said.append)
    assert (target/"train/ramen/0.jpg").read_bytes() == (tree/"images/ramen/0.jpg").read_bytes()


def hostile(tmp_path, tree):
    "An archive with what none should have, beside what all have"
    members = contents(tree)
    evil = {f"food-101/../../{i}/images/ramen/0.jpg": b"climbs" for i in range(2)}
    evil |= {"/abs/images/ramen/0.jpg": b"absolute", "../evil.jpg": b"up", "food-101/images/../../x.jpg": b"up",
             "C:\\food\\images\\ramen\\0.jpg": b"windows", "..\\..\\images\\ramen\\0.jpg": b"windows",
             "food-101/images/../ramen.jpg": b"class", "food-101/images/ramen/../0.jpg": b"id",
             "food-101/images/emu/0.jpg": b"unlisted", "food-101/images/ramen/0.jpg/x": b"below",
             "food-101/images//0.jpg": b"no class", "food-101/images/ramen/.jpg": b"no id", "x/meta/extra.txt": b"list"}
    links = [("images/ramen/1.jpg", tarfile.SYMTYPE, "/etc/passwd"), ("images/steak", tarfile.SYMTYPE, "/tmp"),
             ("images/ramen/2.jpg", tarfile.LNKTYPE, "../../../etc/passwd"), ("train", tarfile.SYMTYPE, ".."),
             ("images/ramen/3.jpg", tarfile.CHRTYPE, ""), ("images/steak/0.jpg", tarfile.FIFOTYPE, ""),
             ("images/steak/1.jpg", tarfile.DIRTYPE, ""), ("meta/train.txt", tarfile.SYMTYPE, "/etc/passwd")]
    return {**evil, **members}, [(f"food-101/{name}", kind, to) for name, kind, to in links]


@pytest.mark.parametrize("todo", ["prepare", "unpack"])
@pytest.mark.parametrize("kind", ["tgz", "zip"])
def test_hostile_archives_write_nothing_else(tree, tmp_path, kind, todo):
    members, links = hostile(tmp_path, tree)
    (tmp_path/"box").mkdir()
    src = tar(tmp_path/"x.tgz", members, *links) if kind == "tgz" else zipped(tmp_path/"x.zip", members)
    before, target = all_files(tmp_path), tmp_path/"box/deep/target"
    if todo == "prepare":
        assert prepare_food(src, target, say=str) == (8, 4) and all_files(target) == WANT
    else:
        unpack_food(src, target)
        assert all_files(target) == all_files(tree)
    assert sorted(o for o in all_files(tmp_path) if not o.startswith("box/deep/target/")) == before
    images = list(target.rglob("*.jpg"))
    assert len(images) == 12 and not any(o.is_symlink() for o in target.rglob("*"))
    assert all(o.read_bytes() == (tree/f"images/{o.parent.name}/{o.name}").read_bytes() for o in images)


def test_links_in_a_zip_are_no_files(tree, target, said, tmp_path):
    members = contents(tree)
    with zipfile.ZipFile(tmp_path/"a.zip", "w") as f:
        for k, v in members.items():
            o = zipfile.ZipInfo(k)
            o.external_attr = (0o120777 if k.endswith("ramen/0.jpg") else 0o100644) << 16
            f.writestr(o, v)
    assert prepare_food(tmp_path/"a.zip", target, say=said.append) == (7, 4)


@pytest.mark.parametrize("line", ["../x", "../../etc/x", "..", "a\\..\\b/c", "ramen/..", "/abs/1", "ramen/a/b",
                                  "ra\x07men/1", "/1", "ramen/"])
def test_classes_and_ids_with_other_names(tree, target, tmp_path, line):
    members = contents(tree)
    members["food-101/meta/train.txt"] += line.encode() + b"\n"
    for i, src in enumerate(archives(tmp_path, members)):
        with says("line 9 of", "meta/train.txt is", "not class/id"): prepare_food(src, target/str(i))
    assert not target.exists()


def test_a_link_in_the_target_is_not_written_through(tree, target, tmp_path):
    for o in ("train", "train/ramen", "train/ramen/0.jpg"):
        shutil.rmtree(target, ignore_errors=True)
        (target/o).parent.mkdir(parents=True)
        outside = tmp_path/"outside"
        outside.mkdir(exist_ok=True)
        (target/o).symlink_to(outside)
        for src in (tree, tar(tmp_path/"a.tgz", contents(tree))):
            with says(target/o, "is a link: nothing is written through it"): prepare_food(src, target)
        assert not list(outside.iterdir())


def test_the_target_itself_may_be_a_link(tree, target, tmp_path, said):
    (tmp_path/"disk").mkdir()
    target.symlink_to(tmp_path/"disk")
    prepare_food(tree, target, say=said.append)
    assert all_files(tmp_path/"disk") == WANT


def test_images_and_lists_that_are_too_large(tree, target, said, tmp_path, monkeypatch):
    members = contents(tree)
    members["food-101/images/ramen/0.jpg"] = b"x"*1000
    monkeypatch.setattr(module, "MAX_IMAGE", 999)
    for i, src in enumerate(archives(tmp_path, members)):
        assert prepare_food(src, target/str(i), say=said.append) == (7, 4)
    monkeypatch.setattr(module, "MAX_META", 20)
    for src in archives(tmp_path, members):
        with says("meta/t", "bytes: no list of Food-101 is that large"): prepare_food(src, target/"x")
    assert not (target/"x").exists()


def test_no_archive(target, tmp_path, said):
    class_tree(tmp_path/"pets", cat=2, dog=2)
    (tmp_path/"text.tgz").write_text("no archive"*100)
    (tmp_path/"empty.tgz").touch()
    for name in ("text.tgz", "empty.tgz"):
        with says(f"{name} is not a tar or zip archive"): prepare_food(tmp_path/name, target)
    with says("nothing.tgz is not there"): prepare_food(tmp_path/"nothing.tgz", target)
    for src in archives(tmp_path, contents(tmp_path/"pets")):
        with says(src, "has no meta/train.txt and meta/test.txt: give Food-101's archive"): prepare_food(src, target)
    with says("pets has no images/ with meta/train.txt and meta/test.txt"): prepare_food(tmp_path/"pets", target)
    assert not target.exists()


def noisy(tree):
    for o in tree.rglob("*.jpg"): o.write_bytes(os.urandom(3000))
    return contents(tree)


def check_whole(target, members):
    for o in all_files(target): assert (target/o).read_bytes() == members[f"food-101/images/{o.split('/', 1)[1]}"]


@pytest.mark.parametrize("part", [.3, .6, .85])
def test_an_archive_cut_short(tree, target, tmp_path, part):
    whole = noisy(tree)
    for i, src in enumerate(archives(tmp_path, whole)):
        data = src.read_bytes()
        src.write_bytes(data[:int(len(data)*part)])
        with says(src): prepare_food(src, target/str(i))
        check_whole(target/str(i), whole)


def test_a_broken_archive(tree, target, tmp_path):
    whole = noisy(tree)
    whole = {k: whole[k] for k in sorted(whole, key=lambda o: "images" in o)}
    for i, src in enumerate(archives(tmp_path, whole)):
        data = bytearray(src.read_bytes())
        # in the plain tar a header, in the others compressed data
        at = data.index(b"food-101/images/steak/1.jpg") if src.name == "a.tar" else len(data)//2
        data[at:at+200] = bytes(o ^ 255 for o in data[at:at+200])
        src.write_bytes(data)
        with says(src.name, "is corrupt or cut short (", "remove it and get it again"): prepare_food(src, target/str(i))


def test_a_locked_zip(tree, target, tmp_path):
    src = zipped(tmp_path/"a.zip", contents(tree))
    data = bytearray(src.read_bytes())
    for mark, at in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        i = data.find(mark)
        while i >= 0: data[i+at], i = data[i+at] | 1, data.find(mark, i+1)
    src.write_bytes(data)
    with says("is corrupt or cut short", "encrypted"): prepare_food(src, target)


def test_wrong_targets(tree, tmp_path):
    (tmp_path/"file").touch()
    with says("file is a file: give a folder to write to"): prepare_food(tree, tmp_path/"file")
    with says("lies in", "itself: give a folder outside of it"): prepare_food(tree, tree/"images/x")
    with says("itself"): prepare_food(tree, tree)
    with says("cannot write"): prepare_food(tree, tmp_path/"file/x")
    files(tmp_path, "t/train/ramen/0.jpg/x")
    with says("cannot write"): prepare_food(tree, tmp_path/"t")


@pytest.mark.parametrize("where", ["replace", "write"])
def test_a_full_disk(tree, target, said, tmp_path, monkeypatch, where):
    src = tar(tmp_path/"a.tgz", contents(tree))
    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as m:
        if where == "replace": stop_after(m, 4, full)
        else:
            def write(to, data):
                to.write_bytes(data[:3])
                raise full
            m.setattr(module, "write_new", write)
        with says(f"no space left on the disk of {target}", "it goes on where it stopped"): prepare_food(src, target)
    assert len(all_files(target)) == (3 if where == "replace" else 0)
    assert prepare_food(src, target, say=said.append) == (8, 4) and all_files(target) == WANT


def test_what_may_not_be_read(tree, target, tmp_path, monkeypatch):
    def denied(path): raise PermissionError(13, "Permission denied", str(path))
    monkeypatch.setattr(Path, "read_bytes", denied)
    with says("cannot read", "meta/train.txt: Permission denied"): prepare_food(tree, target)
    monkeypatch.setattr(module, "is_zip", denied)
    for todo in (prepare_food, unpack_food):
        with says("cannot read", "a.tgz: Permission denied"): todo(files(tmp_path, "a.tgz")/"a.tgz", target)
    assert not target.exists()


def test_progress_is_said(tmp_path, target, said):
    src = food(tmp_path/"src", [f"c{i}" for i in range(101)], train=99, test=1)
    prepare_food(src, target, say=said.append)
    assert said[:-1] == ["10,000 of 10,100 images", f"{target}: 9,999 training and 101 test images of 101 classes"]


def test_unpack_recreates_the_tree(tree, target, tmp_path):
    for i, src in enumerate(archives(tmp_path, contents(tree, "food-101/food-101/"))):
        unpack_food(src, target/str(i))
        assert contents(target/str(i)) == contents(tree)
        assert splits(open_source(target/str(i))) == splits(open_source(tree))


def test_a_tree_with_lists_is_whole(tree, target, tmp_path, monkeypatch):
    src = tar(tmp_path/"a.tgz", contents(tree))
    with monkeypatch.context() as m:
        stop_after(m, 10)
        with pytest.raises(Stop): unpack_food(src, target)
    assert len(all_files(target)) == 9 and not (target/"meta").exists()
    unpack_food(src, target)
    assert contents(target) == contents(tree)


def test_readable_by_others(tree, target, said, tmp_path):
    archive = tar(tmp_path/"a.tgz", {**contents(tree), "food-101/images/ramen/0.jpg": jpeg()})
    prepare_food(archive, target, say=said.append)
    mask = os.umask(0)
    os.umask(mask)
    assert (target/"train/ramen/0.jpg").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.skipif(not (SHARED/"data/food-101-21-64px.tgz").is_file(),
                    reason="needs the shared archive of 64-pixel photos")
def test_the_real_archive(target, said):
    assert prepare_food(SHARED/"data/food-101-21-64px.tgz", target, "ramen,steak", say=said.append) == (1499, 500)
    source = open_source(target)
    assert [len(source.of(o)) for o in ("train", "valid", "test")] == [1349, 150, 500]
    from fastricks.data.scan import drop_unreadable
    assert drop_unreadable(source, cache=target/"cache") is source


# -- a list, and photos brought down

HEAD = "image,label,split\n"
LISTED = HEAD + "".join(f"images/ramen/{i}.jpg,ramen,train\n"
                        for i in (3, 1)) + "images/ramen/100.jpg,ramen,test\nimages/steak/0.jpg,steak,train\n"


@pytest.fixture
def photos(tmp_path):
    def make(text=LISTED):
        (tmp_path/"public.csv").write_text(text)
        return tmp_path/"public.csv"
    return make


def test_a_list_says_which_photos_and_splits(tree, target, photos, said):
    assert prepare_food(tree, target, photos=photos(), say=said.append) == (3, 1)
    assert all_files(target) == ["test/ramen/100.jpg", "train/ramen/1.jpg", "train/ramen/3.jpg", "train/steak/0.jpg"]


def test_a_list_and_classes_are_both_kept_to(tmp_path, target, photos, said):
    tree = food(tmp_path/"three/food-101", classes=("pizza", "ramen", "steak"))
    more = LISTED + "images/pizza/2.jpg,pizza,train\n"
    assert prepare_food(tree, target, "pizza,steak", photos=photos(more), say=said.append) == (2, 0)
    assert all_files(target) == ["train/pizza/2.jpg", "train/steak/0.jpg"]
    with pytest.raises(UserError, match=r"public.csv has no class 'pizza'"):
        prepare_food(tree, target, "pizza,steak", photos=photos())


def test_its_names_have_a_fingerprint_whatever_size_and_layout(tree, tmp_path, photos, said):
    prepare_food(tree, tmp_path/"a", photos=photos(), say=said.append)
    prepare_food(tar(tmp_path/"a.tgz", contents(tree)), tmp_path/"b", photos=photos(), side=16, say=said.append)
    prepare_food(tree, tmp_path/"c", say=said.append)
    a, b, c = [line for line in said if line.startswith("fingerprint")]
    lines = ["ramen/1\ttrain\n", "ramen/100\ttest\n", "ramen/3\ttrain\n", "steak/0\ttrain\n"]
    assert a == b != c and a.split()[-1] == hashlib.sha256("".join(lines).encode()).hexdigest()[:12]


@pytest.mark.parametrize("text, words", [
    ("file,label\n", "its columns must be image,label,split"),
    (HEAD + "images/ramen/9.jpg,ramen,train\n", "lists ramen/9, which"),
    (HEAD + "images/ramen/1.jpg,ramen,valid\n", "split 'valid' is neither train nor test"),
    (HEAD + "images/ramen/1.jpg,steak,train\n", "line 2 .*label 'steak' is not the image's folder"),
    (HEAD + "../ramen/1.jpg,ramen,train\n", "is not images/<class>/<id>.jpg"),
    (HEAD + "images/ramen/100.jpg,ramen,test\n", "no training images"),
    (LISTED + "images/ramen/1.jpg,ramen,test\n", "line 6 .*both train and test")])
def test_a_list_that_is_none(tree, target, photos, text, words):
    with pytest.raises(UserError, match=words): prepare_food(tree, target, photos=photos(text))
    assert not target.exists()


def sized(path):
    with Image.open(path) as im: return im.size


def test_photos_are_brought_down_once(tree, target, said):
    wide = tree/"images/ramen/0.jpg"
    Image.new("RGB", (90, 60), "red").save(wide)
    upright = Image.Exif()
    upright[0x112] = 6
    Image.new("RGB", (80, 60), "blue").save(tree/"images/ramen/1.jpg", exif=upright)
    prepare_food(tree, target, side=30, say=said.append)
    assert sized(wide) == (90, 60)  # the source is what it was
    assert sized(target/"train/ramen/0.jpg") == (45, 30) and sized(target/"train/ramen/1.jpg") == (30, 40)
    before = (target/"train/ramen/0.jpg").stat().st_mtime_ns
    prepare_food(tree, target, side=30, say=said.append)
    assert (target/"train/ramen/0.jpg").stat().st_mtime_ns == before
    prepare_food(tree, target, side=20, say=said.append)
    assert sized(target/"train/ramen/0.jpg") == (30, 20)
    prepare_food(tree, target, say=said.append)
    assert sized(target/"train/ramen/0.jpg") == (90, 60)
