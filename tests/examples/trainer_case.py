"""What the tests of trainers share: a folder for files, runs of the program in it, and PNG files."""
import json
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib


def png(width, height, pixel, grey=False):
    """A PNG file of RGB or grey, whose pixel (x, y) is the list pixel(x, y)."""
    rows = b"".join(b"\0" + bytes(v for x in range(width) for v in pixel(x, y)) for y in range(height))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0 if grey else 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))


class TrainerCase(unittest.TestCase):
    """Sets `self.folder`. A subclass sets the path `program` and the options `small` of every run."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def run_program(self, *options):
        return subprocess.run([self.program, *self.small, *map(str, options)], cwd=self.folder, text=True,
                              errors="replace", capture_output=True)

    def trains(self, *options):
        """Returns the output of a run that succeeds."""
        done = self.run_program(*options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def refuses(self, pattern, *options):
        """Checks that a run fails with one line that has the pattern after the name of the program."""
        done = self.run_program(*options)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertRegex(done.stderr, f"^{self.program.name}: .*" + pattern)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def log(self, name):
        """Returns step, loss and test loss of each line of a log."""
        lines = [json.loads(line) for line in (self.folder / name).read_text().splitlines()]
        return [(line["step"], line.get("loss"), line.get("test_loss")) for line in lines]
