#!/usr/bin/env python3
"""train_cifar10 within 64 MB resident, on files of CIFAR-10's size that are read batch by batch."""

import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = Path(sys.argv.pop(1)).resolve() / "examples" / "train_cifar10"
RECORDS, RECORD_BYTES = 10000, 3073
TINY = ("--channels", "8,16", "--blocks", "1,1", "--batch", "4", "--steps", "3", "--eval-images", "8", "--threads", "1")


def write_images(folder):
    """Noise with labels, in six files; in pieces, as what this process holds counts for those that it starts."""
    numbers = random.Random(1)
    for name in [f"data_batch_{digit}.bin" for digit in range(1, 6)] + ["test_batch.bin"]:
        with open(folder / name, "wb") as file:
            for record in range(RECORDS):
                file.write(bytes([record % 10]) + numbers.randbytes(RECORD_BYTES - 1))


@unittest.skipUnless(PROGRAM.exists(), "train_cifar10 was not built")
class SmallMemory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        write_images(cls.folder)

    def train(self, *options):
        """Returns what the training printed, and the peak of its resident bytes."""
        process = subprocess.Popen([str(PROGRAM), "--data", str(self.folder), *options], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        out = process.stdout.read()
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0, out)
        return out, usage.ru_maxrss * 1024

    def test_a_step_of_32_images_in_64_megabytes(self):
        for options in (("--arch", "hybrid", "--mode", "chunked"), ("--arch", "revnet", "--mode", "reversible")):
            with self.subTest(options):
                step = (*options, "--batch", "32", "--lr", "0.01", "--fused-optimizer", "--steps", "2", "--eval-images",
                        "32", "--threads", "2")
                _, resident = self.train(*step, "--read-batches")
                self.assertLess(resident, 64e6)
        _, loaded = self.train(*step)
        self.assertGreater(loaded, resident + 140e6)  # most of the images

    def test_the_same_training(self):
        logs = []
        for name, options in (("read", ("--read-batches",)), ("loaded", ())):
            self.train(*TINY, *options, "--json", str(self.folder / name))
            lines = [json.loads(line) for line in (self.folder / name).read_text().splitlines()]
            logs.append([(line["loss"], line.get("test_loss")) for line in lines])
        self.assertEqual(len(logs[0]), 3)
        self.assertEqual(*logs)

    def test_checkpoints_know_the_images_wherever_they_are(self):
        folder = ("--checkpoint-dir", str(self.folder / "checkpoints"), "--train-images", "5000")
        self.train(*TINY, *folder, "--read-batches")
        out, _ = self.train(*TINY, *folder, "--resume")
        self.assertIn("continuing after step 3", out)


if __name__ == "__main__":
    unittest.main(verbosity=2)
