#!/usr/bin/env python3
"""compress_images on files: restores them byte for byte, repeats its bytes, and refuses what it must.

    compress_images_test.py BUILD
"""
import gzip
import pathlib
import random
import struct
import sys
import unittest

from trainer_case import TrainerCase

PROGRAM = pathlib.Path(sys.argv.pop(1)).resolve() / "examples" / "compress_images"


def idx(images, height, width, seed):
    """An IDX file of smooth images with a little noise."""
    draw = random.Random(seed)
    pixels = bytearray()
    for _ in range(images):
        a, b, c = draw.randint(0, 3), draw.randint(0, 3), draw.randint(0, 100)
        pixels += bytes((a * x + b * y + c + draw.randint(0, 3)) % 256 for y in range(height) for x in range(width))
    return struct.pack(">IIII", 0x803, images, height, width) + bytes(pixels)


@unittest.skipUnless(PROGRAM.exists(), "compress_images was not built")
class CompressImages(TrainerCase):
    program, small = PROGRAM, ()

    def does(self, *arguments):
        return self.trains(*arguments)

    def refuses(self, pattern, *arguments):
        """As in other programs, but errors of options have a second line and no name."""
        done = self.run_program(*arguments)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertRegex(done.stderr, pattern)

    def path(self, name):
        return self.folder / name

    def test_round_trip(self):
        content = idx(70, 12, 10, 1)
        self.path("images").write_bytes(content)
        self.path("images.gz").write_bytes(gzip.compress(content))
        small = ["--steps", 40, "--batch", 16, "--features", 8, "--couplings", 1, "--threads", 1]
        self.does("train", "images.gz", "model", *small)
        self.does("train", "images", "again", *small)
        self.assertEqual(self.path("model").read_bytes(), self.path("again").read_bytes())

        self.assertRegex(self.does("pack", "model", "images", "packed"), "70 images of 12x10x1 in 1 blocks")
        self.does("pack", "model", "images.gz", "packed2", "--threads", 2)
        self.assertEqual(self.path("packed").read_bytes(), self.path("packed2").read_bytes())
        self.does("unpack", "packed", "back", "--model", "model")
        self.assertEqual(self.path("back").read_bytes(), content)

        self.does("pack", "model", "images", "with_model", "--embed")
        self.does("unpack", "with_model", "back2")
        self.assertEqual(self.path("back2").read_bytes(), content)
        self.assertRegex(self.does("info", "packed"), "bits per dimension")

        self.refuses("holds no model", "unpack", "packed", "nothing")
        self.does("train", "images", "other", *small, "--seed", 2)
        self.refuses("another model", "unpack", "packed", "nothing", "--model", "other")
        damaged = bytearray(self.path("packed").read_bytes())
        damaged[len(damaged) // 2] ^= 1
        self.path("damaged").write_bytes(damaged)
        self.refuses("is damaged: its checksum is wrong", "unpack", "damaged", "nothing", "--model", "model")
        self.path("cut").write_bytes(damaged[:-5])
        self.refuses("it is cut off or damaged", "unpack", "cut", "nothing", "--model", "model")
        self.refuses("is not a file of compress_images", "unpack", "images", "nothing", "--model", "model")
        self.refuses("is neither an IDX file", "pack", "model", "model", "nothing")
        self.path("larger").write_bytes(idx(2, 16, 10, 1))
        self.refuses("the file has images of 16x10x1, but the model is for 12x10x1", "pack", "model", "larger", "x")
        self.assertFalse(self.path("nothing").exists())

    def test_command_line(self):
        self.refuses("--steps", "train", "missing", "model", "--steps", 0)
        self.refuses("missing", "train", "missing", "model")
        self.assertRegex(self.does("--help"), "pack")


if __name__ == "__main__":
    unittest.main()
