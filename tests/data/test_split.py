import pytest
from support.data_trees import class_tree, files, says, splits

from fastricks.data.source import Item
from fastricks.data.sources.open import open_source
from fastricks.data.split import cap, count_of_share, hold_out, items_by_class, place_in_order


def items(n, label="a", split="train"): return [Item(f"{label}/{i}.jpg", label, split, None) for i in range(n)]


def test_place_is_fixed_for_ever(): assert place_in_order("valid", "images/ramen/1.jpg").hex() == "ac37fc91a4664898"
def test_orders_of_two_salts_differ(): assert place_in_order("valid", "x") != place_in_order("per_class", "x")


@pytest.mark.parametrize("frac, n, want", [(.1, 10, 1), (.1, 2, 1), (.1, 1, 0), (.1, 0, 0), (.99, 10, 9), (.25, 10, 2),
                                           (0, 10, 0), (.5, 2, 1), (.1, 750, 75)])
def test_share_is_at_least_one_and_never_all(frac, n, want): assert count_of_share(frac, n) == want


def test_hold_out_takes_the_same_part_of_each_class():
    got = hold_out(items(20) + items(40, "b") + items(1, "c"), .1, "valid")
    assert {k: sum(o.split == "valid" for o in g) for k, g in items_by_class(got).items()} == {"a": 2, "b": 4, "c": 0}


def test_hold_out_leaves_the_test_alone():
    assert [o.split for o in hold_out(items(5, split="test"), .5, "valid")] == ["test"]*5


def test_hold_out_of_an_image_hardly_depends_on_other_images():
    held = [{o.name for o in hold_out(items(n), .1, "valid") if o.split == "valid"} for n in (1000, 1010)]
    assert len(held[0] & held[1]) >= 95


def test_cap_keeps_the_first_of_a_fixed_order():
    few, more = ({o.name for o in cap(items(50), n)} for n in (5, 10))
    assert len(few) == 5 and len(more) == 10 and few < more


def test_cap_leaves_other_splits_alone():
    assert len(cap(items(9) + items(9, "b", "test") + items(9, "b", "valid"), 2)) == 2 + 18


def test_per_class_takes_the_same_images_whatever_else_is_asked(tmp_path):
    class_tree(tmp_path, cat=30, dog=30, owl=30)
    sets = [splits(open_source(tmp_path, per_class=8, **o)) for o in ({}, {"valid": .5}, {"classes": "cat,dog"})]
    assert len(sets[0]) == 24 and sets[0].keys() == sets[1].keys()
    assert {o for o in sets[0] if o[:3] != "owl"} == sets[2].keys()


def test_the_validation_of_a_class_does_not_depend_on_other_classes(tmp_path):
    class_tree(tmp_path, cat=30, dog=30, owl=30)
    both, three = splits(open_source(tmp_path, "cat,dog")), splits(open_source(tmp_path))
    assert both == {k: v for k, v in three.items() if k[:3] != "owl"}
    assert sum(o == "valid" for o in three.values()) == 9


# -- groups

@pytest.fixture
def patients(tmp_path):
    "Class folders with ten images of each of six patients"
    return files(tmp_path/"d", *(f"{k}/p{p}-{i}.jpg" for k in ("ill", "well") for p in range(12) for i in range(5)
                                 if (p % 2) == (k == "ill")))


def test_a_group_stays_on_one_side(patients):
    got = splits(open_source(patients, group_by=r"p(\d+)-"))
    sides = {}
    for name, split in got.items(): sides.setdefault(name.partition("-")[0], set()).add(split)
    assert all(len(o) == 1 for o in sides.values()) and sum(o == "valid" for o in got.values()) == 10


def test_groups_by_a_column(patients):
    rows = [o.relative_to(patients).as_posix() for o in sorted(patients.rglob("*.jpg"))]
    lines = [f"{o},{o.partition('/')[0]},{o.split('/')[1].split('-')[0]},3" for o in rows]
    (patients/"l.csv").write_text("\n".join(["path,label,patient,age", *lines]))
    source = open_source(patients/"l.csv", group_by="patient")
    sides = {(o.name.partition("-")[0], o.split) for o in source.items}
    assert len(sides) == 12 and source.notes[:2] == ("columns of l not used: age", "12 groups, each in one split")


def test_no_class_is_left_without_training(tmp_path):
    files(tmp_path, *(f"{k}/{k}-{i}.jpg" for k in "ab" for i in range(4)))
    with says("leaves nothing to evaluate on"): open_source(tmp_path, group_by="^.")


@pytest.mark.parametrize("group_by, words", [("(", ["neither a column nor a regular expression"]),
                                             ("zzz", ["fits no image's name, as"])])
def test_wrong_groups(patients, group_by, words):
    with says(f"--group-by {group_by}", *words): open_source(patients, group_by=group_by)


def test_splits_that_part_groups_are_told(tmp_path):
    files(tmp_path, *(f"{s}/{k}/p{p}.jpg" for s in ("train", "test") for k in "ab" for p in range(4)))
    assert "4 groups; 4 in more than one split" in open_source(tmp_path, valid=0, group_by=r"p\d").notes
