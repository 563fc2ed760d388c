#!/usr/bin/env python3
"""train_flow on tables, moons and images, good and bad: what it says, writes and repeats.

    train_flow_test.py BUILD
"""
import csv
import pathlib
import random
import struct
import sys
import unittest

from trainer_case import TrainerCase, png

PROGRAM = pathlib.Path(sys.argv.pop(1)).resolve() / "examples" / "train_flow"
SMALL = ["--depth", "2", "--width", "8", "--batch", "8", "--threads", "1"]


@unittest.skipUnless(PROGRAM.exists(), "train_flow was not built")
class TrainFlow(TrainerCase):
    program, small = PROGRAM, SMALL

    def table(self, rows, seed=1):
        draw = random.Random(seed)
        lines = ["a,b,count,kind"]
        for _ in range(rows):
            a = draw.gauss(0, 1)
            lines.append(f"{a},{a * a + draw.gauss(0, 0.1)},{draw.randint(0, 9)},{'xy'[a > 0]}")
        return "\n".join(lines) + "\n"

    def test_table(self):
        self.write("rows.csv", self.table(400))
        self.write("odd.csv", self.table(3, 2).rstrip() + "\n40,-30,5,x\n")
        said = self.trains("--data", "rows.csv", "--arch", "spline", "--steps", 400, "--lr", "1e-2", "--depth", 4,
                           "--results", "results", "--score", "odd.csv", "--samples", 20)
        self.assertRegex(said, "column 'kind' is left out")
        self.assertRegex(said, "1 of 3 columns have whole numbers")
        # Independent standard normals have 4.26 nats.
        self.assertLess(float(said.split("test: ")[1].split()[0]), 4.1)
        scores = list(csv.reader(open(self.folder / "results" / "scores.csv")))
        self.assertEqual(scores[1][0], "line 5")  # the outlier is the least likely
        samples = list(csv.DictReader(open(self.folder / "results" / "samples.csv")))
        self.assertEqual(len(samples), 20)
        self.assertTrue(all(float(row["count"]) == int(float(row["count"])) for row in samples))
        errors = list(csv.DictReader(open(self.folder / "results" / "reconstruction.csv")))
        self.assertTrue(all(float(row["largest error"]) < 1e-3 for row in errors))

    def test_resumed_to_the_same_bits(self):
        whole = ["--data", "moons", "--arch", "realnvp", "--train-samples", 64, "--eval-samples", 16]
        self.trains(*whole, "--steps", 12, "--checkpoint-dir", "one")
        self.trains(*whole, "--steps", 12, "--checkpoint-dir", "two", "--checkpoint-every", 5, "--max-minutes", 1e-9)
        self.trains(*whole, "--steps", 12, "--checkpoint-dir", "two", "--checkpoint-every", 5, "--resume")
        name = "step-12.safetensors"
        files = [next((self.folder / folder).glob("*12*.safetensors")) for folder in ("one", "two")]
        self.assertEqual(*(tensors(path) for path in files), name)
        self.refuses("--lr", *whole, "--steps", 12, "--checkpoint-dir", "one", "--resume", "--lr", 0.5)

    def test_images(self):
        for i in range(24):
            self.write(f"grey/{i:02}.png", png(8, 8, lambda x, y, i=i: [(16 * x + 8 * y + i) % 256], grey=True))
        said = self.trains("--data", "grey", "--steps", 30, "--levels", 2, "--results", "results", "--samples", 4,
                           "--bins", 32, "--drift-guard", "off", "--mode", "stored")
        self.assertRegex(said, "bits per dimension of 32 bins")
        for name in ("samples.png", "interpolation.png"):
            self.assertEqual((self.folder / "results" / name).read_bytes()[:4], b"\x89PNG")
        self.refuses("--levels is 4, but images of 8x8 can be halved 3 times", "--data", "grey", "--levels", 4)
        self.refuses("--arch spline is for tables", "--data", "grey", "--arch", "spline")
        self.write("grey/bad.png", b"\x89PNG\r\n\x1a\nnothing")
        self.refuses("bad.png", "--data", "grey")
        self.write("grey/bad.png", png(6, 8, lambda x, y: [0], grey=True))
        self.refuses("bad.png: is an image of 8x6, but .* all must have one size", "--data", "grey")

    def test_moons(self):
        self.trains("--data", "moons", "--arch", "realnvp", "--steps", 3, "--results", "results")
        self.assertEqual((self.folder / "results" / "density.png").read_bytes()[:4], b"\x89PNG")

    def test_bad_tables(self):
        for content, pattern in [
            ("a,b\n1,2\n3,NaN\n4,5\n", "line 3: the value of column 'b' is missing"),
            ("a,b\n1,2\n3,\n4,5\n", "line 3: the value of column 'b' is missing"),
            ("a,b\n1,2\n3,inf\n", "line 3: the value of column 'b' is 'inf', but must be a finite number"),
            ("a,b\n1,2\n3\n", "line 3: has 1 fields, but the first line has 2"),
            ("a,b\n1,2\n", "has one row"),
            ("a,b\n", "has no rows"),
            ("a,b\n1,7\n2,7\n3,7\n", "column 'b' is always 7"),
            ("a\n1\n2\n3\n", "has one column of numbers"),
            ("a,b\nx,y\n", "no column of numbers remains"),
        ]:
            with self.subTest(content):
                self.write("bad.csv", content)
                self.refuses(pattern, "--data", "bad.csv", "--arch", "realnvp")
        self.write("good.csv", self.table(50))
        self.refuses("there is no column 'z' to leave out", "--data", "good.csv", "--leave-out", "z")
        self.refuses("--arch glow is for images", "--data", "good.csv", "--arch", "glow")
        self.refuses("--batch is 64, but there are only", "--data", "good.csv", "--arch", "realnvp", "--batch", 64)


def tensors(path):
    """The bytes of a safetensors file behind its header."""
    content = path.read_bytes()
    return content[8 + struct.unpack("<Q", content[:8])[0]:]


if __name__ == "__main__":
    unittest.main()
