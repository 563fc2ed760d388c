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
import zlib

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

    def classes(self, name):
        """Writes images of two classes: rising and falling ramps."""
        for i in range(24):
            for label, sign in (("up", 1), ("down", -1)):
                self.write(f"{name}/{label}/{i:02}.png",
                           png(8, 8, lambda x, y, i=i, s=sign: [120 + s * (14 * x + i - 60)], grey=True))

    def test_classes(self):
        self.classes("ramps")
        common = ["--data", "ramps", "--levels", 1, "--depth", 4, "--width", 16, "--bins", 32, "--steps", 200,
                  "--lr", "3e-3", "--eval-samples", 4]
        said = self.trains(*common, "--classes", "--results", "results", "--samples", 5, "--checkpoint-dir", "saved")
        self.assertRegex(said, "2 classes, mode reversible")
        self.assertRegex(said, "6 samples in .* s\nrows of samples.png: down, up\n")
        width, rows = grey_rows((self.folder / "results" / "samples.png").read_bytes())
        self.assertEqual((width, len(rows)), (3 * (64 + 2) + 2, 2 * (64 + 2) + 2))
        for top, sign in ((2, -1), (68, 1)):
            for left in (2, 68, 134):
                ends = [sum(row[left + x] for row in rows[top:top + 64]) for x in (1, 62)]
                self.assertGreater(sign * (ends[1] - ends[0]), 64 * 40, (sign, left))
        self.refuses("--classes is true there and not set here", *common, "--checkpoint-dir", "saved", "--resume")
        self.trains(*common, "--classes", "--steps", 3, "--memory", "40M")
        self.refuses("--classes is for glow, but --arch is realnvp", *common, "--classes", "--arch", "realnvp")
        self.refuses("--score does not go with --classes", *common, "--classes", "--score", "ramps/up")
        self.refuses("--classes: moons has rows of numbers", "--data", "moons", "--classes")
        self.refuses("--classes: ramps/up has images without classes", "--data", "ramps/up", "--classes")

    def test_priors(self):
        common = ["--data", "moons", "--train-samples", 256, "--eval-samples", 64, "--steps", 20]
        tests = {}
        for prior in ("normal", "logistic", "learned"):
            said = self.trains(*common, "--prior", prior, "--checkpoint-dir", prior, "--results", prior)
            self.assertIn(f"prior {prior}", said)
            tests[prior] = said.split("test: ")[1].split()[0]
        self.assertEqual(len(set(tests.values())), 3, tests)
        self.trains(*common, "--checkpoint-dir", "normal", "--resume")  # the usual one
        self.refuses("--prior is learned there and not set here", *common, "--checkpoint-dir", "learned", "--resume")
        self.refuses("--prior is 'cauchy', but must be normal, logistic or learned", *common, "--prior", "cauchy")
        self.refuses("--prior learned is not for nice", *common, "--arch", "nice", "--prior", "learned")

    def test_variational_noise(self):
        for i in range(24):
            self.write(f"grey/{i:02}.png", png(8, 8, lambda x, y, i=i: [(16 * x + 8 * y + i) % 256], grey=True))
        whole = ["--data", "grey", "--levels", 1, "--bins", 10, "--dequantization", "variational", "--steps", 12]
        said = self.trains(*whole, "--checkpoint-dir", "one", "--results", "results")
        self.assertRegex(said, "variational noise")
        self.assertRegex(said, "the largest error of .* samples is 0\n")  # integers come back
        self.trains(*whole, "--checkpoint-dir", "two", "--checkpoint-every", 5, "--max-minutes", 1e-9)
        self.trains(*whole, "--checkpoint-dir", "two", "--checkpoint-every", 5, "--resume", "--prior", "normal")
        files = [next((self.folder / folder).glob("*12*.safetensors")) for folder in ("one", "two")]
        self.assertEqual(*(tensors(path) for path in files))
        self.trains(*whole, "--mode", "chunked", "--prior", "learned")
        self.trains(*whole, "--memory", "40M")
        self.refuses("--dequantization is variational there and not set here", *whole, "--dequantization", "uniform",
                     "--checkpoint-dir", "one", "--resume")
        self.refuses("--dequantization variational is for images", "--data", "moons", "--dequantization", "variational")

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


def grey_rows(content):
    """The width and the rows of a grey PNG file."""
    at, data, width = 8, b"", 0
    while at < len(content):
        length, kind = struct.unpack(">I4s", content[at:at + 8])
        if kind == b"IHDR":
            width = struct.unpack(">I", content[at + 8:at + 12])[0]
        if kind == b"IDAT":
            data += content[at + 8:at + 8 + length]
        at += length + 12
    raw, rows = zlib.decompress(data), [bytearray(width)]
    for first in range(0, len(raw), width + 1):
        row, above = bytearray(raw[first + 1:first + 1 + width]), rows[-1]
        for i in range(width):
            left, up, corner = (row[i - 1], above[i], above[i - 1]) if i else (0, above[0], 0)
            paeth = min((left, up, corner), key=lambda each: abs(left + up - corner - each))
            row[i] = (row[i] + (0, left, up, (left + up) // 2, paeth)[raw[first]]) % 256
        rows.append(row)
    return width, rows[1:]


def tensors(path):
    """The bytes of a safetensors file behind its header."""
    content = path.read_bytes()
    return content[8 + struct.unpack("<Q", content[:8])[0]:]


if __name__ == "__main__":
    unittest.main()
