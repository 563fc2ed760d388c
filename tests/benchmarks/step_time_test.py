#!/usr/bin/env python3
"""step_time: its options, whether its figures fit together, and its answers to requests."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = Path(sys.argv.pop(1)) / "benchmarks" / "step_time"
SMALL = ("--channels", "8,16", "--blocks", "1,1", "--batch", "8", "--threads", "2", "--steps", "2")


def run(*options, requests=None, folder=None):
    return subprocess.run([str(PROGRAM), *options], capture_output=True, text=True, check=False, cwd=folder,
                          input=requests)


@unittest.skipUnless(PROGRAM.exists(), "step_time was not built")
class StepTime(unittest.TestCase):
    def refuses(self, pattern, *options):
        done = run(*options)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, pattern)

    def json(self, *options):
        done = run(*SMALL, "--json", "-", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_bad_options(self):
        self.refuses("there is no network 'resnext', only resnet, revnet", "--arch", "resnext")
        self.refuses("resnet has no mode 'reversible', only stored, checkpoint", "--arch", "resnet", "--mode", "reversible")
        self.refuses("--batch: Value 0 not in range", "--batch", "0")
        self.refuses("cannot write nowhere/out", "--json", "nowhere/out")
        self.refuses("as many channel counts as block counts", "--channels", "8,16,32")

    def test_figures_fit_together(self):
        out = self.json()
        self.assertEqual((out["network"], out["mode"], out["batch"], out["threads"]), ("revnet", "reversible", 8, 2))
        self.assertEqual(len(out["all_step_seconds"]), 2)
        self.assertAlmostEqual(out["images_per_second"], 8 / out["step_seconds"])
        self.assertAlmostEqual(sum(out["share_of_time"].values()), 1, 6)
        self.assertGreater(sum(share for name, share in out["share_of_time"].items() if "convolution" in name), 0.2)
        peak = (out["peak_gflops"]["before"] + out["peak_gflops"]["after"]) / 2
        step = 2e-9 * out["multiply_adds"]["step"] / out["step_seconds"]
        self.assertAlmostEqual(out["share_of_peak"], step / peak)
        self.assertTrue(0 < out["share_of_peak"] < 2)

    def test_multiply_adds_are_counted_by_mode(self):
        stored, reversible = (self.json("--mode", mode)["multiply_adds"] for mode in ("stored", "reversible"))
        self.assertEqual(stored["forward"], reversible["forward"])
        # Stem, two blocks of four convolutions on 4 and 8 channels, one between the levels, the
        # linear layer.
        convolutions = 1024 * 9 * (3 * 8 + 4 * 4 * 4) + 256 * 9 * (8 * 16 + 4 * 8 * 8)
        self.assertEqual(stored["forward"], 8 * (convolutions + 16 * 10))
        self.assertEqual(stored["whole_passes"], 3)
        self.assertEqual(reversible["whole_passes"], 4)
        again = 8 * (1024 * 9 * 4 * 4 * 4 + 256 * 9 * 4 * 8 * 8)
        self.assertEqual(reversible["step"] - stored["step"], again)

    def test_scaling_and_sweep(self):
        with tempfile.TemporaryDirectory() as folder:
            chart = Path(folder) / "chart.svg"
            out = self.json("--scaling", "--sweep", str(chart), "--depth", "3")
            self.assertIn("blocks in every level, batch 2", chart.read_text(encoding="utf-8"))
        self.assertEqual(len(out["seconds_by_threads"]), 2)
        self.assertEqual(out["over_batch"]["at"], [1, 2, 3, 4, 5, 6, 7, 8])
        self.assertEqual(out["over_depth"]["at"], [1, 2, 3])
        for curve in (out["over_batch"], out["over_depth"]):
            line = [curve["line"]["start"] + curve["line"]["slope"] * at for at in curve["at"]]
            off = [abs(seconds / fitted - 1) for seconds, fitted in zip(curve["step_seconds"], line)]
            self.assertAlmostEqual(curve["largest_deviation"], max(off), 6)
            self.assertAlmostEqual(sum(curve["step_seconds"]), sum(line), 6)

    def test_text(self):
        done = run(*SMALL)
        self.assertRegex(done.stdout, r"revnet 8-16 reversible, batch 8 of 32 x 32, 2 threads")
        self.assertRegex(done.stdout, r"convolution, weight gradient +[0-9.]+ +[0-9.]+ %")

    def test_answers(self):
        prepare = {"do": "prepare", "row": "a", "network": "revnet", "channels": [8, 16], "blocks": [1, 1],
                   "mode": "reversible", "batch": 4}
        requests = [{"do": "describe"}, prepare, {"do": "step", "row": "a", "steps": 1},
                    {"do": "step", "row": "a", "steps": 30}, {"do": "resident"}, {"do": "step", "row": "b", "steps": 1},
                    {"do": "rest"}, {**prepare, "mode": "stord"}, {**prepare, "network": "resnext"}, {"do": "prepare"}]
        done = run("--serve", "--threads", "2", requests="".join(json.dumps(r) + "\n" for r in requests) + "{\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        about, prepared, first, later, resident, *errors = map(json.loads, done.stdout.splitlines())
        self.assertEqual(about["threads"], 2)
        self.assertEqual(prepared["parameters"][0], 27 * 8)
        self.assertGreater(first["seconds"], 0)
        self.assertLess(later["loss"], first["loss"])  # it trains
        self.assertGreaterEqual(resident["peak_bytes"], resident["bytes"])
        for answer, pattern in zip(errors, ("was not prepared", "but is 'rest'", "no mode 'stord'", "no network 'resnext'",
                                            "key 'row' not found", "parse error"), strict=True):
            self.assertRegex(answer["error"], pattern)


if __name__ == "__main__":
    unittest.main()
