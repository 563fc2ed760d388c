#!/usr/bin/env python3
"""The figures of memory in README.md and docs/memory.md: those that a dry run gives are compared with
the output of `train_cifar10 --plan`, and those of README.md with the table that they come from.

    figures_test.py BUILD
"""
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRAIN = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else "build").resolve() / "examples" / "train_cifar10"
PIXELS = 32 * 32
FEW, MANY = 32, 64  # images in the batches whose difference gives the bytes per pixel
CPU = pathlib.Path("/proc/cpuinfo").read_text()
# The table is that of AVX2; workspaces for other vectors are of other sizes.
OTHER_VECTORS = 0 if "avx2" in CPU and "avx512f" not in CPU else 0.02


def table(path, first_column):
    """The rows of the first table with that column, as dictionaries by column."""
    rows = []
    for line in (ROOT / path).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not rows and cells[0] == first_column:
            rows.append(cells)
        elif rows:
            if not line.startswith("|"):
                break
            rows.append(cells)
    assert len(rows) > 2, (path, first_column)
    return [dict(zip(rows[0], row)) for row in rows[2:]]


def number(text):
    """The first number of a cell: 1844 of "1844 MB (p)"."""
    return float(re.match(r"[\d.,]+", text)[0].replace(",", ""))


class Plan:
    """A step of a network in a mode of the table, predicted: its bytes, and the layer of the peak."""

    def __init__(self, network, mode, batch):
        stream = re.match(r"fixed\d+", mode)
        options = ["--arch", network, "--batch", str(batch), "--plan"]
        if stream:
            options += ["--stream", stream[0]]
            mode = mode[len(stream[0]) + 1:] or "reversible"
        self.command = [TRAIN, *options, "--mode", mode]
        self.text = subprocess.run(self.command, capture_output=True, text=True, check=True).stdout
        self.megabytes = float(re.search(r"(?m)^(?:peak|total).*?([\d.]+) MB", self.text)[1])


    def peak_of(self, layer):
        """The megabytes at the peak of the top layer that the layer is in."""
        for line in self.text.splitlines():
            name = line.split(" ")[0]
            if name and (layer + ".").startswith(name + "."):
                return max(float(peak) for peak in re.findall(r"([\d.]+) MB", line))
        raise AssertionError(f"the plan has no layer {layer}")


@unittest.skipUnless(TRAIN.exists(), "train_cifar10 was not built")
class Figures(unittest.TestCase):
    def test_the_table_of_memory(self):
        for row in table("docs/memory.md", "network"):
            with self.subTest(network=row["network"], mode=row["mode"]):
                few, many, total = (Plan(row["network"], row["mode"], batch) for batch in (FEW, MANY, 32))
                slope = 1e6 * (many.megabytes - few.megabytes) / ((MANY - FEW) * PIXELS)
                if "chunked" not in row["mode"]:  # chunks of a batch differ in length
                    self.close(slope, number(row["B/px 32²"]), 3.2, many.command)
                self.close(total.megabytes, number(row["total 32²"]), 0.6, total.command)
                self.assertGreaterEqual(total.peak_of(row["peak at"]), total.megabytes - 0.6, msg=total.command)

    def close(self, predicted, written, rounding, command):
        self.assertAlmostEqual(predicted, written, delta=max(rounding, OTHER_VECTORS * written), msg=command)


class Readme(unittest.TestCase):
    def test_its_table_is_that_of_memory(self):
        memory = {(row["network"].lower(), row["mode"]): row for row in table("docs/memory.md", "network")}
        seen = 0
        for row in table("README.md", "network"):
            if not row["bytes per pixel"]:
                continue
            here = memory[row["network"].lower(), row["mode"]]
            self.assertEqual(number(row["bytes per pixel"]), number(here["B/px 240²"]), row)
            self.assertEqual(number(row["peak of 32 images of 240 x 240"]), number(here["total 240²"]), row)
            seen += 1
        self.assertGreaterEqual(seen, 4)

    def test_its_ratio(self):
        ratio, reversible, stored = re.search(
            r"\*\*([\d.]+) times less memory per pixel\*\*.*?: (\d+) instead of\s+(\d+) bytes",
            (ROOT / "README.md").read_text(), re.S).groups()
        self.assertAlmostEqual(float(ratio), int(stored) / int(reversible), delta=0.05)


if __name__ == "__main__":
    unittest.main()
