#!/usr/bin/env python3
"""benchmarks/convolution: its options, the convolutions it finds in the networks, and whether its figures fit together."""

import json
import subprocess
import sys
import unittest
from pathlib import Path

PROGRAM = Path(sys.argv.pop(1)) / "benchmarks" / "convolution"
QUICK = ("--channels", "5,16", "--size", "9", "--batch", "3", "--rounds", "1", "--threads", "1,2")


def run(*options):
    return subprocess.run([str(PROGRAM), *options], capture_output=True, text=True, check=False)


@unittest.skipUnless(PROGRAM.exists(), "convolution was not built")
class Convolution(unittest.TestCase):
    def test_bad_options(self):
        for pattern, *options in (("--arch: resnext not in", "--arch", "resnext"), ("--batch: Value 0 not in range", "--batch", "0"),
                                  ("--threads: Value 0 not in range", "--threads", "1,0"),
                                  ("cannot write nowhere/out", "--json", "nowhere/out")):
            done = run(*options)
            self.assertNotEqual(done.returncode, 0, options)
            self.assertRegex(done.stderr, pattern)

    def test_the_convolutions_of_networks(self):
        resnet = run("--arch", "resnet", "--list").stdout.splitlines()
        self.assertEqual(resnet, ["3 -> 32, 32 x 32", "32 -> 32, 32 x 32", "32 -> 64, 16 x 16", "64 -> 64, 16 x 16",
                                  "64 -> 128, 8 x 8", "128 -> 128, 8 x 8", "128 -> 256, 4 x 4", "256 -> 256, 4 x 4"])
        everything = run("--list").stdout.splitlines()
        self.assertEqual(len(everything), len(set(everything)))
        for shape in ("20 -> 20, 32 x 32", "160 -> 160, 4 x 4", "8 -> 8, 32 x 32", "1024 -> 1024, 4 x 4", "16 -> 16, 32 x 32"):
            self.assertIn(shape, everything)

    def test_figures_fit_together(self):
        done = run(*QUICK, "--json", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        out = json.loads(done.stdout)
        self.assertEqual([(r["inputs"], r["threads"], r["pass"]) for r in out["rows"]],
                         [(c, t, p) for c in (5, 16) for t in (1, 2) for p in ("forward", "input_gradient", "weight_gradient")])
        for row in out["rows"]:
            self.assertAlmostEqual(row["share_of_peak"], row["gflops"]["retrace"] / row["peak_gflops"])
            self.assertGreater(row["gflops"]["eigen"], 0)
            self.assertEqual("onednn_nhwc" in row["gflops"], out["onednn"] != "")

    def test_table(self):
        done = run(*QUICK, "--markdown")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"\| 16 -> 16, 9 x 9 +\| +\| +2 \| +\d+ / \d+ / \d+ \| ")


if __name__ == "__main__":
    unittest.main()
