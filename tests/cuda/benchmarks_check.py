#!/usr/bin/env python3
"""Compares the benchmarks of memory and time on an emulated GPU with those on the host.

usage: benchmarks_check.py BUILD
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
HOST = BUILD / "benchmarks"
EMULATED = BUILD / "tests"
# For 12 images of 128 x 128, a step needs more than the 4 MiB of the cuBLAS workspace.
TABLE = ["--arch", "layerwise", "resnet-inplace-abn", "--channels", "8,32", "--blocks", "1,1", "--batch", "12",
         "--extent", "128", "--timed-batch", "1", "--steps", "1"]
STEP = ["--channels", "8,16", "--blocks", "1,1", "--batch", "2", "--steps", "2"]


def start(program, *options, requests=None):
    return subprocess.run([str(program), *options], capture_output=True, text=True, check=False, input=requests,
                          timeout=300)


def output(program, *options, requests=None):
    done = start(program, *options, requests=requests)
    if done.returncode != 0:
        raise AssertionError(f"{program} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Benchmarks(unittest.TestCase):
    def refuses(self, pattern, program, *options):
        done = start(program, *options)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertRegex(done.stderr, rf"^error: {pattern}.*\n$")

    def test_memory_is_that_of_the_host_and_workspace(self):
        host = json.loads(output(HOST / "memory_table", *TABLE, "--threads", "1", "--json", "-"))
        gpu = json.loads(output(EMULATED / "memory_table_emulated", *TABLE, "--json", "-", "--check"))
        self.assertEqual(len(gpu), 10)
        for ours, theirs in zip(gpu, host, strict=True):
            with self.subTest(mode=ours["mode"], arch=ours["arch"], height=ours["height"]):
                self.assertEqual((ours["device"], theirs["device"]), ("cuda", "cpu"))
                self.assertEqual(ours["prediction_error"], 0)
                self.assertEqual(ours["parameters"], theirs["parameters"])
                held, expected = ours["bytes_by_use"], theirs["bytes_by_use"]
                self.assertLessEqual(ours["total_bytes"] - held["workspace"], 1.02 * theirs["total_bytes"])
                self.assertGreaterEqual(ours["total_bytes"],
                                        0.98 * (theirs["total_bytes"] - expected["workspace"]))
                self.assertEqual(sum(held.values()), ours["total_bytes"])
                for use in ("parameter", "parameter_gradient", "optimizer"):
                    self.assertAlmostEqual(held[use], expected[use], delta=0.02 * expected[use])
                if ours["peak_at"] == theirs["peak_at"]:
                    for use in ("activation", "gradient", "stash"):
                        self.assertAlmostEqual(held[use], expected[use], delta=0.02 * expected[use])
        self.assertTrue(any(ours["peak_at"] == theirs["peak_at"] for ours, theirs in zip(gpu, host)))
        self.assertTrue(all(each["step_seconds"] > 0 for each in gpu if each["height"] == 32))

    def test_a_step_has_its_time_and_its_device(self):
        step = json.loads(output(EMULATED / "step_time_emulated", *STEP, "--json", "-"))
        host = json.loads(output(HOST / "step_time", *STEP, "--threads", "1", "--json", "-"))
        self.assertEqual((step["device"], step["machine"]), ("cuda", "an emulated device"))
        self.assertEqual(len(step["all_step_seconds"]), 2)
        self.assertGreater(step["step_seconds"], 0)
        self.assertEqual(step["multiply_adds"], host["multiply_adds"])
        for of_processors in ("threads", "peak_gflops", "share_of_peak", "share_of_time"):
            self.assertIn(of_processors, host)
            self.assertNotIn(of_processors, step)
        text = output(EMULATED / "step_time_emulated", *STEP)
        self.assertRegex(text, r"^revnet 8-16 reversible, batch 2 of 32 x 32, an emulated device\n")
        self.assertNotIn("operation", text)

    def test_answers(self):
        prepare = {"do": "prepare", "row": "a", "network": "revnet", "channels": [8, 16], "blocks": [1, 1],
                   "mode": "reversible", "batch": 1}
        requests = [{"do": "describe"}, prepare, {"do": "step", "row": "a", "steps": 1}]
        lines = output(EMULATED / "step_time_emulated", "--serve",
                       requests="".join(json.dumps(request) + "\n" for request in requests))
        about, _, step = map(json.loads, lines.splitlines())
        self.assertEqual(about, {"device": "an emulated device"})
        self.assertGreater(step["seconds"], 0)

    def test_refuses_what_only_a_processor_has(self):
        for option in (("--threads", "2"), ("--onednn",), ("--scaling",)):
            self.refuses(f"{option[0]} requires --device cpu", HOST / "step_time", "--device", "cuda", *option)
        for option in (("--threads", "2"), ("--resident",)):
            self.refuses(f"{option[0]} requires --device cpu", HOST / "memory_table", "--device", "cuda", *option)

    def test_says_in_one_line_that_there_is_no_program_for_a_gpu(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("memory_table", "step_time"):
                alone = shutil.copy(HOST / name, folder)
                self.refuses(rf"--device cuda needs .*/{name}_cuda, which is built where nvcc is found", alone,
                             "--device", "cuda")

    def test_says_in_one_line_that_there_is_no_gpu(self):
        if shutil.which("nvidia-smi"):
            self.skipTest("there may be a GPU")
        for name in ("memory_table", "step_time"):
            for program in (name, f"{name}_cuda"):
                self.refuses("there is no NVIDIA GPU to use", HOST / program, "--device", "cuda")


if __name__ == "__main__":
    unittest.main()
