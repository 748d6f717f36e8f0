"""How dense the code is, and whether a name says where it stands: figures over the whole package."""
import ast
import io
import tokenize
from collections import defaultdict

import pytest
from support.paths import ROOT

PACKAGE = ROOT / "fastricks"
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
DOCUMENTED = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef


def docstring_lines(tree):
    "Lines of docstrings; one that stands on the line of its `def` is code"
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, DOCUMENTED) or ast.get_docstring(node) is None:
            continue
        text = node.body[0]
        if text.lineno != getattr(node, "lineno", 0):
            found |= {*range(text.lineno, text.end_lineno + 1)}
    return found


def density(file):
    "(statements and expressions, lines of code: neither blank, comment nor docstring) of a file"
    text = file.read_text()
    tree = ast.parse(text)
    left_out = docstring_lines(tree)
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.stmt | ast.expr) and n.lineno not in left_out]
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines |= {*range(token.start[0], token.end[0] + 1)}
    return len(nodes), len(lines - left_out)


def names_of(file):
    "Functions, classes and constants at the top of a file, those of Python's own meaning left out"
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            stored = (n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))
            yield from (n.id for n in stored if isinstance(n.ctx, ast.Store) and not n.id.startswith("__"))


@pytest.mark.parametrize("room, most", [
    ("", 6.5),
    ("report", 7.5),  # what speaks to people
    ("cli", 7.5),
])
def test_a_line_of_code_has_few_syntax_nodes(room, most):
    found = {f: density(f) for f in (PACKAGE / room).rglob("*.py")}
    nodes, lines = (sum(o) for o in zip(*found.values(), strict=True))
    densest = sorted((f for f in found if found[f][1]), key=lambda f: most * found[f][1] - found[f][0])
    assert nodes / lines <= most, [str(f.relative_to(PACKAGE)) for f in densest[:5]]


def test_a_name_stands_in_one_file():
    files_of = defaultdict(set)
    for file in PACKAGE.rglob("*.py"):
        for name in names_of(file):
            files_of[name].add(file.relative_to(PACKAGE).as_posix())
    several = {name: sorted(files) for name, files in files_of.items() if len(files) > 1}
    share = sum(map(len, several.values())) / sum(map(len, files_of.values()))
    assert share < .08, several
