#!/usr/bin/env python3
"""rda_to_csv.py on data frames of every kind of column, compressed in every way, and on damaged files.

    rda_to_csv_test.py [BUILD]
"""
import bz2
import gzip
import lzma
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "examples" / "rda_to_csv.py"
NIL = struct.pack(">i", 254)
sys.argv[1:] = []


def chars(text):
    return struct.pack(">ii", 9, -1) if text is None else struct.pack(">ii", 9, len(text)) + text.encode()


def vector(kind, items, attributes=b"", form=""):
    content = struct.pack(f">{len(items)}{form}", *items) if form else b"".join(items)
    return struct.pack(">ii", kind | (0x200 if attributes else 0), len(items)) + content + attributes


def pairs(known, **items):
    """A pair list. `known` are symbols that the file has already, which it refers to by their numbers."""
    content = b""
    for name, value in items.items():
        name = name.replace("_", ".")
        if name in known:
            content += struct.pack(">ii", 0x402, 255 | (known.index(name) + 1) << 8) + value
        else:
            known.append(name)
            content += struct.pack(">ii", 0x402, 1) + chars(name) + value
    return content + NIL


def texts(*items):
    return vector(16, [chars(each) for each in items])


def file_of(frame_class="data.frame"):
    known = ["frame"]
    factor = pairs(known, levels=texts("low", "a,b"))
    columns = [vector(13, [1, -2**31, 2], factor, "i"), vector(14, [0.5, float("nan"), 1e300], form="d"),
               vector(16, [chars("x"), chars(None), chars("z")]), vector(10, [1, 0, 1], form="i"),
               vector(13, [2, 1, 1], pairs(known, levels=texts("no", "yes")), "i")]
    frame = vector(19, columns, pairs(known, names=texts("kind", "number", "text", "truth", "other"),
                                      row_names=vector(13, [-2**31, -3], form="i"), **{"class": texts(frame_class)}))
    return (b"RDX2\nX\n" + struct.pack(">iii", 2, 0, 0) + struct.pack(">ii", 0x402, 1) + chars("frame") + frame + NIL)


class RdaToCsv(unittest.TestCase):
    def run_on(self, content):
        with tempfile.NamedTemporaryFile(suffix=".rda") as file:
            file.write(content)
            file.flush()
            return subprocess.run([PROGRAM, file.name], capture_output=True, text=True)

    def test_all_columns(self):
        expected = 'kind,number,text,truth,other\nlow,0.5,x,1,yes\n,,,0,no\n"a,b",' + f"{int(1e300)},z,1,no\n"
        for compressed in (bytes, gzip.compress, bz2.compress, lzma.compress):
            with self.subTest(compressed):
                done = self.run_on(compressed(file_of()))
                self.assertEqual((done.stdout, done.stderr, done.returncode), (expected, "", 0))

    def test_damaged_files(self):
        whole = file_of()
        for content, reason in [(b"", "it ends too early"), (b"not R at all", "it is not an R data file"),
                                (file_of("matrix"), "it has no data frame"),
                                (whole[:-60], "it ends too early"), (lzma.compress(whole)[:-9], ""),
                                (whole[:23] + b"\xff" * 4 + whole[27:], "")]:
            with self.subTest(reason):
                done = self.run_on(content)
                self.assertEqual((done.stdout, done.returncode), ("", 1))
                self.assertRegex(done.stderr, "^rda_to_csv.py: .*" + reason)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for end in range(len(whole)):  # no cut file is taken for a whole one
            if end % 29 == 0:
                self.assertEqual(self.run_on(whole[:end]).returncode, 1, end)


if __name__ == "__main__":
    unittest.main()
