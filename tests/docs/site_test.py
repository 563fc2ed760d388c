#!/usr/bin/env python3
"""The site is written without a warning, whole in itself: pages, pictures, a sentence for every class."""

import re
import subprocess
import sys
import unittest
from pathlib import Path
from urllib.parse import unquote

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "consumers"))
from installation import Build  # noqa: E402
from markdown import documents  # noqa: E402

BUILD = Build(sys.argv.pop(1))
SITE = BUILD.folder / "docs" / "html"


@unittest.skipUnless(BUILD.setting("DOXYGEN_EXECUTABLE").endswith("doxygen"), "Doxygen is not installed")
class Site(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        done = subprocess.run(["cmake", "--build", BUILD.folder, "--target", "docs"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        cls.pages = {path.name: path.read_text() for path in SITE.glob("*.html")}

    def test_every_document_is_a_page(self):
        for document in documents():
            name = "index" if document.path.stem == "README" else f"page_{document.path.stem}"
            self.assertIn(f"{name}.html", sorted(self.pages))

    def test_nothing_is_fetched_and_nothing_is_missing(self):
        for name, text in self.pages.items():
            for target in re.findall(r'<(?:img|script|link|object|iframe)\b[^>]*?\b(?:src|href|data)="([^"#]+)"', text):
                if not target.startswith(("javascript:", "data:")):
                    self.assertTrue((SITE / unquote(target)).is_file(), f"{name}: {target}")

    def test_the_opening_page_leads_to_every_group(self):
        project = Path(__file__).parents[2]
        groups = re.findall(r"@defgroup (\w+)", (project / "docs/site/groups.dox").read_text())
        folders = {path.parent.name for path in (project / "include/retrace").glob("*/**/*.hpp")}
        self.assertLessEqual(folders, set(groups))
        for group in groups:
            name = "group__" + group.replace("_", "__") + ".html"
            self.assertIn(name, self.pages)
            self.assertIn(f'href="{name}"', self.pages["index.html"])

    def test_every_class_has_a_sentence(self):
        rows = re.findall(r'<tr id="row_[\d_]+"[^>]*>(.*?)</tr>', self.pages["annotated.html"], re.DOTALL)
        classes = [row for row in rows if 'class="icon">C<' in row]
        self.assertGreater(len(classes), 50)
        silent = [re.sub(r"<[^>]*>|&#\d+;", "", row) for row in classes if '<td class="desc"></td>' in row]
        self.assertEqual(silent, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
