#!/usr/bin/env python3
"""Documents, and comments of the folders below, are free of the phrases that docs/contributing.md lists."""

import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from markdown import ROOT, documents  # noqa: E402

BUILD = sys.argv.pop(1)  # the build folder, which every script is given
COMMENTS_OF = ("include", "examples", "kernels", "benchmarks")
LONGEST_LINE = 100

# What is wrong, the pattern, and a sentence that has it.
RULES = [
    ("a thing does not tell, ask or want: name who does, or what happens",
     r"\b(?:tells?|told|asks?|asked|asking|wants?|wanted)\b", "What the layer was told."),
    ("name the person or the function",
     r"\b(?:nobody|somebody|whoever)\b", "A layer that nobody reads."),
    ("write 'if' and the condition",
     r"\bwhere (?:there (?:is|are) (?:none|any|some)|(?:it|one|they) (?:is|are) not)\b", "It is empty where there is none."),
    ("write the number or 'that many'", r"\b(?:of|in|by|for|with) so (?:many|much)\b", "One of so many images."),
    ("write 'except'", r"\bbut for\b(?! (?:the|all|each|every) time\b)|\bbut that\b", "All but for the stem."),
    ("write 'next to', 'besides' or 'compared with'", r"\bbeside\b", "Reversible beside stored."),
    ("write 'per'",
     r"\b(?:bytes?|bits?|[KMG]B|images?|numbers?|objects?|labels?|scale|shift|one|pixels?|elements?) an? "
     r"(?:image|element|pixel|second|step|channel|layer|parameter|position|class|core|row|line)\b", "It stores one byte an element."),
    ("write 'your own' or 'of your own'", r"\bone's own\b|\bof theirs\b", "A layer of one's own."),
    ("write a noun, not a clause with 'what'", r"(?:^|[.:;] )What (?![^.]*\?)", "It is fast. What the guard costs is small."),
    ("one term for each concept: workspace", r"\bscratch\b", "It needs no scratch."),
    ("one term for each concept: skip a step", r"\b(?:void|leave|leaves|leaving|left) (?:out )?(?:a|the|such a|that) step\b", "It leaves out a step."),
    ("British spelling",
     r"\b(?:colou?rize|\w*color|\w*gray|\w*center(?:ed|s)?|behavior|neighbor|labeled|modeled|analyze|license|\w{2,}iz(?:e|es|ed|ing|ation|ations))\b",
     "It normalizes."),
]
# Right words that a pattern also finds.
ALLOWED = [
    r"\b(?:you|we|users|people|may|who|to) (?:\w+ )?(?:want|ask|tell)\b",
    r"[\w/]+\.md\b",
    r"\b(?:re)?siz(?:e|es|ed|ing)\b", r"\boptimiz\w+", r"\bprize\b", r"\bseize\b", r"\bsynchroniz\w+\b", r"\bcolor(?=_)", r"\bmodernize-", r"& Gray\b", r"\bcudnn\w+",
    r"--[a-z-]+",
]


# In code it is the name of a parameter.
DOCUMENTS_ONLY = ("one term for each concept: workspace",)


def flaws(text, code=False):
    """Yields (position, what is wrong) in a paragraph, code within it left out."""
    text = re.sub(r"`[^`]*`|\]\([^)]*\)|<[^>]*>|\$[^$]*\$", lambda span: "·" * len(span[0]), text)
    for allowed in ALLOWED:
        text = re.sub(allowed, lambda right: "·" * len(right[0]), text, flags=re.IGNORECASE)
    for wrong, pattern, _ in RULES:
        if code and wrong in DOCUMENTS_ONLY:
            continue
        for found in re.finditer(pattern, text, 0 if pattern.startswith("(?:^") else re.IGNORECASE):
            yield found.start(), f"'{found[0].strip(' .:;')}': {wrong}"


def paragraphs(numbered):
    """Joins consecutive lines: (number of the first line, text with its line breaks as blanks, length of each line)."""
    paragraph, first, last = [], 0, None
    for number, line in [*numbered, (None, "")]:
        starts = re.match(r"\s*(?:[-*|#>]|\d+\.) ", line) or not line.strip()
        if paragraph and (starts or number != last + 1):
            yield first, paragraph
            paragraph = []
        if line.strip():
            if not paragraph:
                first = number
            paragraph.append(line)
        last = number
    if paragraph:
        yield first, paragraph


def flaws_by_line(numbered, code=False):
    for first, lines in paragraphs(numbered):
        stripped = [line.strip() for line in lines]
        for position, wrong in flaws(" ".join(stripped), code):
            number, end = first, len(stripped[0])
            while position > end:
                number += 1
                end += 1 + len(stripped[number - first])
            yield number, wrong


def prose_of(document):
    """Lines of prose; cells of tables are paragraphs of their own."""
    for number, line in document.prose.items():
        if line.startswith("|"):
            for cell in line.strip("|").split("|"):
                yield number, f"- {cell.strip()}"
        elif not line.startswith("#") and not line.startswith("<!--"):
            yield number, line


def comments_of(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if comment := re.match(r"\s*///?<? ?(.*)", line) or re.search(r"\S\s+///?<? (.*)", line):
            own_line = line.lstrip().startswith("//")
            yield number, comment[1] if own_line else f"- {comment[1]}"


class Prose(unittest.TestCase):
    def check(self, name, found):
        for line, wrong in found:
            with self.subTest(f"{name}:{line}"):
                self.fail(wrong)

    def test_every_rule_finds_its_sentence(self):
        for wrong, _, sentence in RULES:
            with self.subTest(wrong):
                self.assertIn(wrong, " ".join(text for _, text in flaws(sentence)))
        self.assertEqual(list(flaws("If you want the size of an optimizer, `ask(tell)` returns it.")), [])
        self.assertEqual([number for number, _ in flaws_by_line([(7, "All layers are stored, but"), (8, "for the stem.")])], [7])

    def test_documents(self):
        for document in documents():
            self.check(document.name, flaws_by_line(prose_of(document)))

    def test_comments(self):
        for folder in COMMENTS_OF:
            for path in sorted((ROOT / folder).rglob("*")):
                if path.suffix in (".hpp", ".cpp", ".cu", ".cuh"):
                    self.check(path.relative_to(ROOT), flaws_by_line(comments_of(path), code=True))

    def test_lines_are_short(self):
        """Those of tables and outputs, and what a link makes long, are not."""
        for document in documents():
            printed = {block.line + at for block in document.blocks if block.language == "output"
                       for at in range(block.text.count("\n"))}
            for number, line in enumerate(document.lines, 1):
                if len(line) > LONGEST_LINE and not line.startswith(("|", "<!--")) and "http" not in line and number not in printed:
                    with self.subTest(f"{document.name}:{number}"):
                        self.fail(f"the line has {len(line)} characters, but {LONGEST_LINE} are the most")


if __name__ == "__main__":
    unittest.main(verbosity=2)
