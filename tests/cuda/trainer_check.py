#!/usr/bin/env python3
"""Compares the trainer on an emulated GPU with the trainer on the host.

usage: trainer_check.py BUILD
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
HOST = BUILD / "examples" / "train_cifar10"
EMULATED = BUILD / "tests" / "train_cifar10_emulated"
REAL = BUILD / "examples" / "train_cifar10_cuda"
SMALL = ["--channels", "8,16", "--blocks", "1,1", "--batch", "8", "--steps", "3", "--eval-images",
         "16", "--threads", "1"]


def run(program, *options, status=0):
    drawn = {name: value for name, value in os.environ.items() if name != "RETRACE_CIFAR10"}
    result = subprocess.run([str(program), *options], capture_output=True, text=True, check=False,
                            env=drawn, cwd=tempfile.gettempdir(), timeout=300)
    if result.returncode != status:
        raise AssertionError(f"{program} ended with {result.returncode}:\n{result.stdout}"
                             f"{result.stderr}")
    return result.stdout + result.stderr


def losses(program, folder, *options):
    log = pathlib.Path(folder) / f"{program.name}.json"
    run(program, *SMALL, *options, "--json", str(log))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


class TrainerTest(unittest.TestCase):
    def test_trains_as_the_host_does(self):
        for arch in ("revnet", "resnet"):
            with tempfile.TemporaryDirectory() as folder:
                host = losses(HOST, folder, "--arch", arch)
                gpu = losses(EMULATED, folder, "--arch", arch)
                self.assertEqual(len(host), len(gpu))
                for ours, theirs in zip(host, gpu):
                    self.assertAlmostEqual(ours, theirs, delta=1e-3)

    def test_convolves_in_fewer_bits(self):
        with tempfile.TemporaryDirectory() as folder:
            exact = losses(EMULATED, folder)
            for precision in ("half", "bfloat16"):
                rounded = losses(EMULATED, folder, "--precision", precision)
                self.assertNotEqual(exact, rounded)
                for ours, theirs in zip(exact, rounded):
                    self.assertAlmostEqual(ours, theirs, delta=0.05)
        output = run(HOST, *SMALL, "--precision", "half", status=2)
        self.assertIn("--precision half is for --device cuda", output)

    def test_launches_recorded_steps(self):
        with tempfile.TemporaryDirectory() as folder:
            options = ("--drift-guard", "off")
            self.assertEqual(losses(EMULATED, folder, *options),
                             losses(EMULATED, folder, *options, "--cuda-graph"))
        output = run(EMULATED, *SMALL, "--cuda-graph", status=2)
        self.assertIn("--cuda-graph launches a whole step at once, so it needs --drift-guard off",
                      output)
        output = run(HOST, *SMALL, "--cuda-graph", status=2)
        self.assertIn("--cuda-graph is for --device cuda", output)

    def test_resumes_from_a_checkpoint_of_the_host(self):
        with tempfile.TemporaryDirectory() as folder:
            run(HOST, *SMALL, "--checkpoint-dir", folder, "--checkpoint-every", "2")
            output = run(EMULATED, *SMALL, "--checkpoint-dir", folder, "--resume")
            self.assertIn("step 3", output)

    def test_says_in_one_line_that_there_is_no_gpu(self):
        if shutil.which("nvidia-smi"):
            self.skipTest("there may be a GPU")
        output = run(HOST, *SMALL, "--device", "cuda", status=2)
        self.assertRegex(output, r"^train_cifar10: there is no NVIDIA GPU to use \(.*\n$")


if __name__ == "__main__":
    unittest.main()
