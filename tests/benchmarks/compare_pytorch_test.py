#!/usr/bin/env python3
"""The comparison with PyTorch: its options, what it makes of what the two processes answer, and, where PyTorch is
installed, the networks themselves."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = Path(sys.argv.pop(1))
SOURCE = Path(__file__).resolve().parents[2] / "benchmarks" / "compare_pytorch"
STEP_TIME = BUILD / "benchmarks" / "step_time"

# Answers as a library would whose step takes as long as its first argument says: a number, or round
# by round.
FAKE = """#!{python}
import json, sys
seconds, sizes, threads, memcnn = {seconds}, {sizes}, {threads}, {memcnn}
for line in iter(sys.stdin.readline, ""):
    request = json.loads(line)
    answer = {{}}
    if request["do"] == "describe":
        answer = {{"threads": threads, "memcnn": memcnn, "version": "9", "instruction_set": "avx9"}}
    elif request["do"] == "prepare":
        answer = {{"parameters": sizes}}
    elif request["do"] == "step":
        of_row = seconds.get(request["row"], 1.0)
        answer = {{"seconds": request["steps"] * (of_row.pop(0) if isinstance(of_row, list) else of_row), "loss": 2.5}}
    elif request["do"] == "resident":
        answer = {{"bytes": 1000, "peak_bytes": 5000}}
    print(json.dumps(answer), flush=True)
"""


class Comparison(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def fake(self, name, seconds=(), sizes=(30, 4), threads=1, memcnn="1"):
        path = Path(self.folder.name) / name
        path.write_text(FAKE.format(python=sys.executable, seconds=dict(seconds), sizes=list(sizes), threads=threads,
                                    memcnn=repr(memcnn)), encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    def compare(self, *options, ours=None, theirs=None):
        command = [sys.executable, str(SOURCE / "compare.py"), "--threads", "1", "--step-time",
                   ours or self.fake("ours"), "--python", theirs or self.fake("theirs"), *options]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.folder.name, check=False)

    def json(self, *options, **processes):
        done = self.compare("--json", "out.json", *options, **processes)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads((Path(self.folder.name) / "out.json").read_text(encoding="utf-8"))

    def refuses(self, pattern, *options, **processes):
        done = self.compare(*options, **processes)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertRegex(done.stderr, pattern)
        self.assertEqual(done.stdout, "")

    def test_bad_options(self):
        self.refuses("argument --batch: '0' is not a whole number of at least 1", "--batch", "0")
        self.refuses("argument --rounds: 'many' is not", "--rounds", "many")
        self.refuses("unrecognized arguments: --bach", "--bach", "3")
        self.refuses("--only resnext names no row; the rows are resnet_stored, ", "--only", "resnext")
        self.refuses("--threads is 100000, but there are", "--threads", "100000")
        self.refuses("cannot write nowhere/out: No such file", "--json", "nowhere/out")

    def test_medians_and_ratios(self):
        # First steps are not counted: one of ours, two of each memory format of PyTorch's.
        ours = self.fake("ours", {"revnet_reversible": [9, 0.5, 0.4, 7.0], "revnet_stored": 0.4})
        theirs = self.fake("theirs", {"pytorch_resnet_storedcontiguous": 3.0,
                                      "pytorch_resnet_storedchannels_last": [9, 0.8, 1.0, 1.0, 1.0]})
        out = self.json("--rounds", "3", "--batch", "100", "--only", "revnet_*,pytorch_resnet_stored", ours=ours,
                        theirs=theirs)
        rows = {row["row"]: row for row in out["rows"]}
        self.assertEqual(set(rows), {"revnet_reversible", "revnet_stored", "pytorch_resnet_stored"})
        self.assertEqual(rows["revnet_reversible"]["all_step_seconds"], [0.5, 0.4, 7.0])
        self.assertAlmostEqual(rows["revnet_reversible"]["images_per_second"], 200)
        self.assertAlmostEqual(rows["pytorch_resnet_stored"]["images_per_second"], 100)
        self.assertEqual(rows["pytorch_resnet_stored"]["format"], "channels_last")
        self.assertEqual(rows["revnet_stored"]["resident_bytes"], 4000)
        self.assertEqual(rows["revnet_stored"]["parameters"], 34)
        self.assertEqual(set(out["ratios"]),
                         {"revnet_reversible_over_pytorch_resnet_stored", "revnet_reversible_over_revnet_stored"})
        self.assertAlmostEqual(out["ratios"]["revnet_reversible_over_pytorch_resnet_stored"], 2.0)
        self.assertAlmostEqual(out["ratios"]["revnet_reversible_over_revnet_stored"], 0.8)
        self.assertEqual(out["targets"]["revnet_reversible_over_pytorch_resnet_stored"], {"least": 1.5, "met": True})
        self.assertEqual(out["torch"]["version"], "9")
        self.assertEqual(out["machine"]["threads"], 1)
        self.assertEqual(out["machine"]["openmp"]["OMP_NUM_THREADS"], "1")

    def test_check(self):
        slow = self.fake("slow", {"resnet_stored": 0.9})
        chosen = ("--check", "--rounds", "1", "--only", "resnet_stored,pytorch_resnet_stored")
        missed = self.compare(*chosen, ours=slow)
        self.assertEqual(missed.returncode, 1, missed.stderr)
        self.assertRegex(missed.stdout, r"resnet_stored +pytorch_resnet_stored +1.11 +1.50 +MISSED")
        met = self.compare(*chosen, ours=self.fake("fast", {"resnet_stored": 0.6}))
        self.assertEqual(met.returncode, 0, met.stderr)
        self.assertRegex(met.stdout, r"1.67 +1.50 +met")

    def test_every_target_is_of_rows_that_exist(self):
        self.assertEqual(len(self.json("--rounds", "1", "--no-memory")["ratios"]), 10)

    def test_steps_of_a_burst_are_shared_out(self):
        out = self.json("--rounds", "1", "--steps", "4", "--batch", "8", "--only", "resnet_stored")
        self.assertAlmostEqual(out["rows"][0]["images_per_second"], 8)

    def test_other_networks_are_not_compared(self):
        self.refuses("pytorch_resnet_stored has 35 parameters in 2 tensors, but resnet_stored has 34 in 2",
                     "--only", "*resnet_stored", theirs=self.fake("theirs", sizes=(31, 4)))

    def test_other_thread_counts_are_not_compared(self):
        self.refuses("pytorch runs on 2 threads but must run on 1", theirs=self.fake("theirs", threads=2))

    def test_a_process_that_ends_is_an_error(self):
        self.refuses(r"/bin/false ended \(status 1\)", theirs="/bin/false")

    def test_without_memcnn_its_rows_are_left_out(self):
        out = self.json("--rounds", "1", theirs=self.fake("theirs", memcnn=None))
        self.assertNotIn("pytorch_revnet_memcnn", [row["row"] for row in out["rows"]])
        self.assertNotIn("revnet_reversible_over_pytorch_revnet_memcnn", out["ratios"])

    def test_chart(self):
        done = self.compare("--rounds", "1", "--svg", "out.svg", "--only", "resnet_stored")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("ResNet stored (Retrace)", (Path(self.folder.name) / "out.svg").read_text(encoding="utf-8"))


def python_with_torch():
    for python in ("python3", "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode == 0:
            return python
    return None


TORCH = python_with_torch()


class PyTorch(unittest.TestCase):
    @unittest.skipUnless(TORCH, "PyTorch cannot be imported")
    def test_all_forms_of_a_network_agree(self):
        environment = {**os.environ, "PYTHONPATH": str(BUILD / "python")}
        done = subprocess.run([TORCH, "-W", "ignore", str(SOURCE / "selftest.py")], capture_output=True, text=True,
                              env=environment, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, "revnet reversible: loss 0e[+]00, gradients .e-1")

    @unittest.skipUnless(TORCH and STEP_TIME.exists(), "PyTorch cannot be imported, or step_time was not built")
    def test_both_libraries_have_the_same_networks(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, str(SOURCE / "compare.py"), "--threads", "1", "--step-time", str(STEP_TIME),
                 "--python", TORCH, "--rounds", "1", "--batch", "2", "--no-memory", "--json", folder + "/out.json",
                 "--only", "resnet_stored,revnet_stored,revnet40_stored,pytorch_*_stored"],
                capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            rows = json.loads(Path(folder, "out.json").read_text(encoding="utf-8"))["rows"]
        parameters = {row["row"]: row["parameters"] for row in rows}
        self.assertAlmostEqual(parameters["revnet_stored"] / 1e6, 3.53, 2)
        self.assertAlmostEqual(parameters["revnet40_stored"] / 1e6, 3.06, 2)
        self.assertTrue(all(0 < row["loss"] < 10 for row in rows))


if __name__ == "__main__":
    unittest.main()
