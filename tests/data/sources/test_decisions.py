"""A table of decisions as --data: dropped photos are left out and counted, relabelled ones have the new label."""
import pytest
from support.data_trees import class_tree

from fastricks import UserError
from fastricks.data.account import account_of
from fastricks.data.sources.open import open_source


@pytest.fixture
def table(tmp_path):
    "Writes a table of eight photos whose first rows have these decisions: (suggested, decision)"
    class_tree(tmp_path, cat=4, dog=4)
    def write(*decided, head="path,label,split,suggested,score,decision"):
        names = [(k, i) for k in ("cat", "dog") for i in range(4)]
        decided = [*decided, *[("", "keep")] * (8 - len(decided))]
        rows = [f"{k}/{i}.jpg,{k},{'train' if i < 3 else 'test'},{suggested},.1,{word}"
                for (k, i), (suggested, word) in zip(names, decided, strict=True)]
        (tmp_path / "labels.csv").write_text("\n".join([head, *rows]))
        return tmp_path / "labels.csv"
    return write


def test_drop_and_relabel(table):
    source = open_source(table(("dog", "drop"), ("dog", "Relabel"), ("dog", "keep"), ("", "")))
    labels = {o.name: o.label for o in source.items}
    assert "cat/0.jpg" not in labels and len(labels) == 7
    assert labels["cat/1.jpg"] == "dog" and labels["cat/2.jpg"] == "cat"
    assert "decisions: 1 image dropped, 1 relabelled" in source.notes
    assert not any("not used" in o for o in source.notes)


def test_the_account_counts_them(table):
    account = account_of(open_source(table(("", "drop"), ("", "drop"))))
    assert account.ignored["dropped by the table's decisions"] == 2 and sum(account.used.values()) == 6
    assert account.found == sum(account.used.values()) + sum(account.ignored.values())
    assert "2 dropped by the table's decisions" in account.files_line


def test_without_decisions_it_is_the_same_data(table, tmp_path):
    plain = tmp_path / "plain.csv"
    plain.write_text("\n".join(",".join(o.split(",")[:3]) for o in table().read_text().splitlines()))
    with_columns, without = open_source(table(), valid=.3), open_source(plain, valid=.3)
    assert with_columns.items == without.items and not with_columns.notes


@pytest.mark.parametrize("decided, says", [
    (("dog", "dorp"), "line 2 .*decision 'dorp' is none of keep, drop, relabel; did you mean 'drop'"),
    (("dgo", "relabel"), "line 2 .*'dgo' is no row's label; did you mean 'dog'"),
    (("", "relabel"), "takes the new label from the column suggested")])
def test_what_is_no_decision(table, decided, says):
    with pytest.raises(UserError, match=says): open_source(table(decided))


def test_a_table_of_others_with_a_column_decision(table):
    "is read as ever"
    source = open_source(table(("x", "maybe"), head="path,label,split,mood,score,decision"))
    assert len(source.items) == 8 and any("mood, score, decision" in o for o in source.notes)
