"""README and the written pages of docs/: their commands, their snippets, their links, and why some are not run."""
import re
import shlex
from dataclasses import dataclass

from support.paths import ROOT

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```(?:\n\s*<!-- not run: (.+?) -->)?", re.M | re.S)
OURS = re.compile(r"(?:(?:python|torchrun\b.*) (?P<train>train\.py)\b(?P<options>.*)|fastricks (?P<words>.+))")


@dataclass(frozen=True)
class Block:
    "A block of code: the page it is on, its language, its text, and the reason if it is not run"
    page: str
    language: str
    text: str
    reason: str | None

    @property
    def id(self): return f"{self.page}:{self.text.splitlines()[0][:40]}"


def blocks(*languages):
    return [Block(page.relative_to(ROOT).as_posix(), *m.groups()) for page in PAGES
            for m in BLOCK.finditer(page.read_text()) if m[1] in languages]


def words_of(line):
    """The words after `fastricks` of a command line, or None for another program's; `$`, `…`, comments, what follows a
    pipe and `> file` are none
    """
    m = OURS.fullmatch(line.strip().removeprefix("$ ").partition(" | ")[0])
    if not m: return None
    words = f"train{m['options']}" if m["train"] else m["words"]
    return shlex.split(words.replace("…", "").partition(" > ")[0], comments=True)


def command_lines(text):
    "Of every command in backticks, in a block of code or indented"
    found = re.findall(r"^```.*\n((?:.*\n)*?)```", text, re.M)
    lines = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*\n(?:.*\n)*?```", "", text, flags=re.M))
    lines += [line for block in found for line in block.splitlines()] + re.findall(r"^ {4}(\S.*)", text, re.M)
    parts = (words_of(p) for line in lines for p in line.split("&&"))
    return [words for words in parts if words]


def links(text):
    "(text, target) of each link and picture, code left out"
    plain = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.M | re.S)
    return re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", plain)
