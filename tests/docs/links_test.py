#!/usr/bin/env python3
"""What the documents point to is there: files, headings, and names of the code."""

import functools
import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from markdown import ROOT, Document, documents  # noqa: E402

sys.argv.pop(1)  # the build folder, which every script is given
SOURCES = ("include", "kernels", "tests", "examples", "benchmarks")
# Where a file may be that a document names by a part of its path.
PLACES = (ROOT, ROOT / "include" / "retrace", ROOT / "kernels", ROOT / "examples", ROOT / "benchmarks")
FILE = re.compile(r"(?:[\w-]+/)*[\w-]+\.(?:hpp|cpp|cu|cuh|py|sh|md|svg)")
FOLDER = re.compile(rf"(?:{'|'.join((*SOURCES, 'docs'))})/(?:[\w-]+/?)*")
# Chain::observe, DriftGuard, peak_memory(net, device, shape), with what they are made of
NAME = re.compile(r"(?:\w+::)+~?\w+|[A-Z]\w*[a-z]\w*(?=[<({]|$)|[a-z]\w*_\w+(?=\()")
FOREIGN = {"CMakeDeps", "CMakeToolchain", "DIR", "Retrace_onednn_FOUND", "VmHWM"}


@functools.cache
def words():
    """Of all sources."""
    files = (path for place in SOURCES for path in (ROOT / place).rglob("*")
             if path.suffix in (".hpp", ".cpp", ".cu", ".cuh"))
    return set(re.findall(r"\w+", "\n".join(path.read_text() for path in files) + (ROOT / "CMakeLists.txt").read_text()))


def there(name):
    if (ROOT / name).exists() or any((place / name).exists() for place in PLACES):
        return True
    return "/" not in name and any(any((ROOT / place).rglob(name)) for place in SOURCES)


def wrong_with_link(document, target):
    """Yields what is wrong with a link; those that lead out of the project are not followed."""
    if re.match(r"https?:|mailto:", target):
        return
    file, _, anchor = target.partition("#")
    path = document.path.parent / file if file else document.path
    if not path.exists():
        yield f"{target}: there is no {file}"
    elif anchor and anchor not in Document(path.resolve()).anchors:
        yield f"{target}: {path.name} has no heading for #{anchor}"


def wrong_with_span(document, text):
    """Yields what is wrong with code within a sentence that is a file or a name."""
    first = text.split()[0].removeprefix("./")
    if "NAME" in text or first.startswith("build"):
        return
    if FILE.fullmatch(first) or FOLDER.fullmatch(first):
        made = {f"file: {first}"} & {block.comment for block in document.blocks}
        if not made and not there(first) and not any(ROOT.glob(f"tests/{first}_test.*")):  # or a test
            yield f"there is no {first}"
    elif name := NAME.match(text):
        for part in re.findall(r"\w+", name[0]):
            if part not in words() and part not in FOREIGN:
                yield f"{text}: there is no {part} in the code"


class Links(unittest.TestCase):
    def check(self, document, line, problems):
        with self.subTest(f"{document.name}:{line}"):
            self.assertEqual(list(problems), [])

    def test_links(self):
        for document in documents():
            for line, target in document.links:
                self.check(document, line, wrong_with_link(document, target))

    def test_names(self):
        for document in documents():
            if document.name == "docs/CHANGELOG.md":
                continue  # it tells of what is no more, too
            for line, text in document.code_spans:
                self.check(document, line, wrong_with_span(document, text))


if __name__ == "__main__":
    unittest.main(verbosity=2)
