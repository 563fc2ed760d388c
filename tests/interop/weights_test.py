#!/usr/bin/env python3
"""What others train is classified alike here: checkpoints of the trainer, and weights that PyTorch made.

    weights_test.py BUILD

Needs the examples `classify` and `train_cifar10`; says so where PyTorch, under python3 or /usr/bin/python3, is missing.
"""
import importlib.util
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
CLASSIFY, TRAIN = BUILD / "examples" / "classify", BUILD / "examples" / "train_cifar10"
TORCH = importlib.util.find_spec("torch")
MEAN, DEVIATION = (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)  # as classify has them
IMAGES = 5


def random_images():
    """Records of CIFAR-10: a label and three planes."""
    generator = random.Random(1)
    return b"".join(bytes([i % 10]) + generator.randbytes(3072) for i in range(IMAGES))


def classify(*arguments):
    run = subprocess.run([CLASSIFY, *arguments], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout, run.stderr


def logits(text):
    return [[float(number) for number in line.split()] for line in text.splitlines() if line.startswith(" ")]


@unittest.skipUnless(CLASSIFY.exists(), "classify was not built")
class Weights(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.images = pathlib.Path(self.folder.name) / "images.bin"
        self.images.write_bytes(random_images())

    @unittest.skipUnless(TRAIN.exists(), "train_cifar10 was not built")
    def test_checkpoints_of_every_stream(self):
        for stream in "float", "fixed32":
            folder = pathlib.Path(self.folder.name) / stream
            subprocess.run(
                [TRAIN, "--arch", "hybrid", "--channels", "8,32", "--blocks", "1,1", "--stream", stream, "--batch", "4",
                 "--train-images", "8", "--eval-images", "4", "--steps", "2", "--threads", "1", "--checkpoint-dir",
                 folder], check=True, capture_output=True)
            path = folder / "checkpoint-00000002.safetensors"
            status, out, err = classify(path, self.images, "--first", "3")
            self.assertEqual((status, err), (0, ""))
            self.assertRegex(out, r"\Aimage 0: \d, [0-9.]+ %\nimage 1: .*\nimage 2: .*\n\d of 3 as they are labelled\n\Z")

            damaged = bytearray(path.read_bytes())
            damaged[-1] ^= 1
            path.write_bytes(damaged)
            status, _, err = classify(path, self.images)
            self.assertEqual(status, 2)
            self.assertIn("is damaged", err)

    @unittest.skipUnless(TORCH, "PyTorch cannot be imported")
    def test_pytorch_says_the_same(self):
        import torch
        sys.path.append(str(ROOT / "examples"))
        import pytorch_revnet
        torch.manual_seed(1)
        records = torch.frombuffer(bytearray(self.images.read_bytes()), dtype=torch.uint8).view(IMAGES, 3073)
        planes = records[:, 1:].view(IMAGES, 3, 32, 32).float()
        x = (planes - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
        for network in "revnet", "resnet":
            net = pytorch_revnet.networks.build(network, [8, 16], [2, 1], "stored")
            with torch.no_grad():
                for norm in net.modules():
                    if isinstance(norm, torch.nn.BatchNorm2d):
                        norm.weight.normal_()
                        norm.bias.normal_()
                for _ in range(3):  # running averages that are not those of the first weights
                    net.train()(torch.randn(8, 3, 32, 32))
                expected = net.eval()(x)
            path = pathlib.Path(self.folder.name) / f"{network}.safetensors"
            pytorch_revnet.save(net, path, network, [8, 16], [2, 1])
            status, out, err = classify(path, self.images, "--logits")
            self.assertEqual((status, err), (0, ""))
            distance = (torch.tensor(logits(out)) - expected).abs().max() / expected.abs().max()
            self.assertLess(distance.item(), 1e-4, network)

            weights = path.read_bytes()
            path.write_bytes(weights.replace(b"head.linear.bias", b"head.linear.bios"))
            status, _, err = classify(path, self.images)
            self.assertEqual(status, 2)
            self.assertIn("has no tensor 'head.linear.bias'", err)


if __name__ == "__main__":
    other = "/usr/bin/python3"
    if not TORCH and os.path.exists(other) and os.path.realpath(sys.executable) != os.path.realpath(other):
        sys.exit(subprocess.run([other, __file__, str(BUILD)], check=False).returncode)
    unittest.main(verbosity=2)
