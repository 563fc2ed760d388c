"""What the documents hold: blocks of code with the comment before each, code within sentences, links, and headings."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w*)\s*$")
COMMENT = re.compile(r"^<!--\s*(.*?)\s*-->$")
INDENT = "    "


@dataclass(frozen=True)
class Block:
    """Lines of code. The language is that of the fence, "" for an indented block; the comment is on the line before."""
    document: str
    line: int  # of its first line of code
    language: str
    text: str
    comment: str

    def __str__(self):
        return f"{self.document}:{self.line}"


class Document:
    def __init__(self, path):
        self.path = path
        self.name = str(path.relative_to(ROOT))
        self.lines = path.read_text(encoding="utf-8").splitlines()

    @cached_property
    def _split(self):
        """Blocks, and the lines of prose by number."""
        blocks, prose, at = [], {}, 0
        while at < len(self.lines):
            fence, before = FENCE.match(self.lines[at]), self.lines[at - 1] if at else ""
            indented = self.lines[at].startswith(INDENT) and not before.strip()
            if not fence and not indented:
                prose[at + 1] = self.lines[at]
                at += 1
                continue
            first = at + 1 if fence else at
            at = first
            while at < len(self.lines) and (self.lines[at] != "```" if fence else self.lines[at].startswith(INDENT)):
                at += 1
            comment = COMMENT.match(before) if fence else None
            code = [line if fence else line.removeprefix(INDENT) for line in self.lines[first:at]]
            blocks.append(Block(self.name, first + 1, fence[1] if fence else "", "\n".join(code) + "\n",
                                comment[1] if comment else ""))
            at += 1 if fence else 0
        return blocks, prose

    @property
    def blocks(self):
        return self._split[0]

    @property
    def prose(self):
        return self._split[1]

    @cached_property
    def code_spans(self):
        """(line, text) of every `text`."""
        return [(line, span) for line, text in self.prose.items() for span in re.findall(r"`([^`]+)`", text)]

    @cached_property
    def links(self):
        """(line, target) of every [text](target) and ![text](target)."""
        return [(line, target) for line, text in self.prose.items()
                for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", text))]

    @cached_property
    def anchors(self):
        """Those that GitHub makes of the headings."""
        anchors = set()
        for text in self.prose.values():
            if heading := re.match(r"#+ (.*)", text):
                slug = re.sub(r"[^\w\- ]", "", heading[1].strip().lower()).replace(" ", "-")
                repeats = sum(anchor == slug or re.fullmatch(rf"{re.escape(slug)}-\d+", anchor) is not None for anchor in anchors)
                anchors.add(f"{slug}-{repeats}" if repeats else slug)
        return anchors


def documents():
    return [Document(ROOT / "README.md"), *(Document(path) for path in sorted((ROOT / "docs").rglob("*.md")))]
