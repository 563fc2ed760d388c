#!/usr/bin/env python3
"""train_images on data of every format, good and bad: what it says, and that it repeats its bits.

    train_images_test.py BUILD
"""
import gzip
import json
import pathlib
import random
import struct
import subprocess
import sys
import unittest
import xml.dom.minidom

from trainer_case import TrainerCase, png

PROGRAM = pathlib.Path(sys.argv.pop(1)).resolve() / "examples" / "train_images"
CLASSIFY = PROGRAM.with_name("classify")
SMALL = ["--channels", "8,16", "--blocks", "1,1", "--batch", "4", "--threads", "1"]


def crc64(data):
    """The checksum of checkpoints: ECMA-182, bits reversed."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0xC96C5795D7870F42 if byte & 1 else 0)
        table.append(byte)
    crc = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return f"{crc ^ 0xFFFFFFFFFFFFFFFF:016x}"


def read_checkpoint(path):
    """The metadata and the bytes of each tensor of a safetensors file."""
    data = path.read_bytes()
    size, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__")
    start = 8 + size
    return metadata, {name: data[start + each["data_offsets"][0]:start + each["data_offsets"][1]]
                      for name, each in header.items()}


def crc32c(data):
    """The checksum of event files, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def fields(message):
    """The fields of a message of Protocol Buffers: number and value, which is bytes or an int."""
    found, at = [], 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            found.append((key >> 3, varint()))
            continue
        size = {1: 8, 5: 4}.get(key & 7) or varint()
        found.append((key >> 3, message[at:at + size]))
        at += size
    return found


def read_events(path):
    """The events of a file of TensorBoard's after the first: the step and its figures by tag."""
    data, events = path.read_bytes(), []
    while data:
        size, = struct.unpack("<Q", data[:8])
        parts = data[:8], data[12:12 + size]
        sums = data[8:12], data[12 + size:16 + size]
        for part, stored in zip(parts, sums):
            crc = crc32c(part)
            assert struct.unpack("<I", stored)[0] == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
        events.append(dict(fields(parts[1])))
        data = data[16 + size:]
    assert events[0][3] == b"brain.Event:2" and all(struct.unpack("<d", event[1])[0] > 1.7e9 for event in events)
    values = [[dict(fields(value)) for _, value in fields(event[5])] for event in events[1:]]
    return [(event[2], {value[1].decode(): struct.unpack("<f", value[2])[0] for value in each})
            for event, each in zip(events[1:], values)]


def noisy(colour, seed):
    draw = random.Random(seed)
    return lambda x, y: [min(255, max(0, value + draw.randint(-30, 30))) for value in colour]


@unittest.skipUnless(PROGRAM.exists(), "train_images was not built")
class TrainImages(TrainerCase):
    program, small = PROGRAM, SMALL

    def add_classes(self, names=("dark", "light"), count=20, size=(20, 14), where="photos"):
        for label, name in enumerate(names):
            for i in range(count):
                self.write(f"{where}/{name}/{i}.png", png(*size, noisy([60 + 120 * label] * 3, 100 * label + i)))

    def test_a_folder_of_png_files_is_learned(self):
        self.add_classes()
        out = self.trains("--data", "photos", "--epochs", 5, "--lr", 0.05)
        self.assertIn("of 40 training samples, 4 are kept to test on", out)
        self.assertIn("step 45/45", out)
        self.assertIn("photos test accuracy 100.0 %", out)

    def test_sizes_that_the_network_cannot_halve_are_padded(self):
        self.add_classes()
        out = self.trains("--data", "photos", "--steps", 1, "--channels", "8,16,16", "--blocks", "1,1,1")
        self.assertIn("images of 14x20 are padded to 16x20 by their mirror image", out)

    def test_a_network_of_its_own_is_chosen(self):
        self.add_classes()
        done = subprocess.run([PROGRAM, "--data", "photos", "--plan"], cwd=self.folder, text=True, capture_output=True)
        self.assertRegex(done.stdout, r"A training step of revnet, mode reversible, on 8 images of \d+x\d+")

    def test_threads_and_cache_change_nothing(self):
        self.add_classes()
        common = ["--data", "photos", "--steps", 12, "--seed", 3]
        self.trains(*common, "--decode-threads", 0, "--json", "none")
        self.trains(*common, "--decode-threads", 3, "--cache", 0, "--json", "three")
        self.trains(*common, "--decode-threads", 1, "--micro-batch", 4, "--json", "one")
        self.assertEqual(self.log("none"), self.log("three"))
        self.assertEqual(self.log("none"), self.log("one"))
        self.trains("--data", "photos", "--steps", 12, "--seed", 4, "--json", "other")
        self.assertNotEqual(self.log("none"), self.log("other"))

    def test_a_resumed_training_has_the_same_bits(self):
        self.add_classes()
        common = ["--data", "photos", "--steps", 14, "--checkpoint-every", 7]
        self.trains(*common, "--checkpoint-dir", "whole", "--json", "whole.jsonl")
        self.trains(*common, "--checkpoint-dir", "parts", "--json", "parts.jsonl")
        (self.folder / "parts" / "checkpoint-00000014.safetensors").unlink()
        out = self.trains(*common, "--checkpoint-dir", "parts", "--json", "parts.jsonl", "--resume",
                          "--decode-threads", 2, "--cache", 0)
        self.assertIn("continuing after step 9", out)  # the best, at the end of an epoch
        self.assertEqual(self.log("whole.jsonl"), self.log("parts.jsonl"))
        self.write("photos/dark/more.png", png(20, 14, noisy([60] * 3, 9)))
        self.refuses("was trained on other images", *common, "--checkpoint-dir", "parts", "--resume")

    def test_tensorboard_gets_the_figures_of_the_log(self):
        self.add_classes()
        common = ["--data", "photos", "--steps", 14, "--checkpoint-every", 7, "--json", "log"]
        self.trains(*common, "--checkpoint-dir", "run", "--tensorboard", "logs/run")
        path = self.folder / "logs" / "run" / "events.out.tfevents.retrace"
        whole = read_events(path)
        lines = [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]
        self.assertEqual([step for step, _ in whole], list(range(1, 15)))
        for (_, figures), line in zip(whole, lines):
            for key in ("loss", "train_accuracy", "learning_rate"):
                self.assertAlmostEqual(figures[key], line[key], 5)
            self.assertEqual("test_accuracy" in figures, "test_accuracy" in line)
            self.assertEqual(figures["peak_bytes/activation"], line["peak_bytes"]["activation"])

        (self.folder / "run" / "checkpoint-00000014.safetensors").unlink()
        with path.open("ab") as file:
            file.write(b"a record that a killed process left incomplete")
        out = self.trains(*common, "--checkpoint-dir", "run", "--tensorboard", "logs/run", "--resume")
        self.assertIn("continuing after step 9", out)
        again = read_events(path)
        self.assertEqual([step for step, _ in again], list(range(1, 15)))
        self.assertEqual([each["loss"] for _, each in again], [each["loss"] for _, each in whole])

    def test_bad_images_stop_it_or_are_skipped(self):
        self.add_classes()
        self.write("photos/dark/text.png", "no image")
        self.write("photos/light/cut.png", png(20, 14, noisy([60] * 3, 1))[:-40])
        self.refuses("photos/dark/text.png: is neither a PNG nor a JPEG file", "--data", "photos", "--steps", 1)
        out = self.trains("--data", "photos", "--steps", 1, "--on-bad-image", "skip")
        self.assertIn("photos/dark/text.png: is neither", out)
        self.assertIn("photos/light/cut.png: is damaged or cut off", out)

    def test_an_image_that_is_gone_during_training_is_named(self):
        self.add_classes(count=4)
        for threads in (0, 2):
            with subprocess.Popen([PROGRAM, *SMALL, "--data", "photos", "--epochs", "100000", "--cache", "0",
                                   "--decode-threads", str(threads)], cwd=self.folder, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                process.stdout.readline()
                process.stdout.readline()
                for path in (self.folder / "photos" / "dark").iterdir():
                    path.rename(path.with_suffix(".gone"))
                error = process.communicate(timeout=120)[1]
            self.assertRegex(error, r"train_images: photos/dark/\d.png: there is no such file")
            self.assertEqual(process.returncode, 2)
            for path in (self.folder / "photos" / "dark").iterdir():
                path.rename(path.with_suffix(".png"))

    def test_weights_of_a_network_for_other_classes_are_a_start(self):
        self.add_classes()
        self.add_classes(names=("a", "b", "c"), where="others")
        self.trains("--data", "photos", "--steps", 3, "--checkpoint-dir", "first")
        start = ["--data", "others", "--steps", 1, "--lr", 0, "--start-from", "first/best.safetensors"]
        out = self.trains(*start)
        self.assertRegex(out, r"starting from \d+ of \d+ tensors of first/best.safetensors; it has no "
                              "head.linear.weight, head.linear.bias of this shape")
        self.refuses("first/best.safetensors: has no tensor of this network", *start, "--channels", "4,6")

    def test_frozen_layers_do_not_change(self):
        self.add_classes()
        common = ["--data", "photos", "--steps", 5, "--lr", 0.05]
        self.trains(*common, "--freeze", "stem,level1.*", "--checkpoint-dir", "frozen")
        self.trains(*common, "--checkpoint-dir", "all")
        self.trains("--data", "photos", "--steps", 5, "--lr", 0, "--checkpoint-dir", "first")
        name = "checkpoint-00000005.safetensors"
        frozen, every, first = (read_checkpoint(self.folder / run / name)[1] for run in ("frozen", "all", "first"))
        for tensor in ("stem.weight", "level1.block0.f.conv0.weight", "level1.block0.f.conv0.norm.gamma"):
            self.assertEqual(frozen[tensor], first[tensor], tensor)
            self.assertNotEqual(every[tensor], first[tensor], tensor)
        self.assertNotEqual(frozen["head.linear.weight"], first["head.linear.weight"])
        self.refuses('is of another training: --freeze is stem,level1.* there and not set here',
                     *common, "--checkpoint-dir", "frozen", "--resume")
        self.refuses("--freeze levels: ", *common, "--freeze", "levels")

    def test_pixels_are_learned_from_masks(self):
        draw = random.Random(1)
        for i in range(24):
            x0, y0, side = draw.randrange(16), draw.randrange(12), draw.randrange(5, 9)

            def inside(x, y):
                return x0 <= x < x0 + side and y0 <= y < y0 + side

            def mask(x, y):
                return [255 if (x, y) == (0, 0) else int(inside(x, y))]  # the corner has no class

            light, dark = noisy([190, 120, 60], i), noisy([60, 120, 190], i + 100)
            self.write(f"cells/images/{i}.png", png(24, 20, lambda x, y: (light if inside(x, y) else dark)(x, y)))
            self.write(f"cells/masks/{i}.png", png(24, 20, mask, grey=True))
        self.write("cells/classes.txt", "ground\ncell\n")
        common = ["--data", "cells", "--channels", "8,32", "--lr", 0.05, "--validation", 0.25, "--seed", 1]
        out = self.trains(*common, "--epochs", 12, "--checkpoint-dir", "run", "--json", "whole.jsonl")
        self.assertIn("irevnet of pixels, mode reversible", out)
        accuracy = float(out.rsplit("cells test pixel accuracy ", 1)[1].split()[0])
        iou = float(out.rsplit("mean IoU ", 1)[1].split()[0])
        self.assertGreater(accuracy, 95)
        self.assertGreater(iou, 85)
        self.assertRegex(out, r"(?m)^ground +\d+ +\d+ +\d")  # the matrix
        lines = (self.folder / "whole.jsonl").read_text().splitlines()
        self.assertAlmostEqual(100 * json.loads(lines[-1])["test_mean_iou"], iou, 1)

        done = subprocess.run([CLASSIFY, "run/best.safetensors", "cells", "--json", "cells.json", "--worst", "w.svg",
                               "--masks", "predicted"], cwd=self.folder, text=True, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        result = json.loads((self.folder / "cells.json").read_text())
        self.assertEqual(sum(map(sum, result["confusion"])), 6 * (20 * 24 - 1))
        best = max(json.loads(line).get("test_mean_iou", 0) for line in lines)
        self.assertAlmostEqual(result["mean_iou"], best, 3)
        self.assertEqual(len(list((self.folder / "predicted").iterdir())), 6)
        self.assertEqual(len(xml.dom.minidom.parse(str(self.folder / "w.svg")).getElementsByTagName("image")), 3 * 6)

        short = [*common, "--steps", 8, "--checkpoint-every", 4]
        self.trains(*short, "--checkpoint-dir", "a", "--json", "a.jsonl")
        (self.folder / "a" / "checkpoint-00000008.safetensors").unlink()
        before = self.log("a.jsonl")
        self.trains(*short, "--checkpoint-dir", "a", "--json", "a.jsonl", "--resume", "--decode-threads", 2)
        self.assertEqual(before, self.log("a.jsonl"))
        self.trains(*common, "--steps", 4, "--micro-batch", 3, "--class-weights", "1,3")
        self.refuses("--arch revnet labels whole images, but cells has masks", *common, "--arch", "revnet")
        self.refuses("must grow 4 times from level to level, but 16 follows 8", *common, "--channels", "8,16")
        self.refuses("--compare is for images of one class", *common, "--compare")

    def test_classify_knows_the_classes_of_a_training(self):
        self.add_classes(names=("dark", "grey", "light"))
        self.trains("--data", "photos", "--epochs", 6, "--lr", 0.05, "--checkpoint-dir", "run", "--json", "log")

        def classify(*options):
            return subprocess.run([CLASSIFY, "run/best.safetensors", *map(str, options)], cwd=self.folder, text=True,
                                  capture_output=True)

        best = max(json.loads(line).get("test_accuracy", 0) for line in (self.folder / "log").read_text().splitlines())
        done = classify("photos", "--json", "test.json", "--confusion", "matrix.svg", "--worst", "worst.svg")
        self.assertEqual(done.returncode, 0, done.stderr)
        result = json.loads((self.folder / "test.json").read_text())
        self.assertEqual(result["classes"], ["dark", "grey", "light"])
        self.assertEqual(result["accuracy"], best)
        self.assertEqual([sum(row) for row in result["confusion"]], [2, 2, 2])
        right = sum(image["label"] == image["predicted"] for image in result["images"])
        self.assertAlmostEqual(right / 6, best)
        for image in result["images"]:
            self.assertIn("/" + image["label"] + "/", image["name"])
        matrix, worst = (xml.dom.minidom.parse(str(self.folder / name)) for name in ("matrix.svg", "worst.svg"))
        self.assertEqual(len(matrix.getElementsByTagName("rect")), 1 + 9)
        self.assertEqual(len(worst.getElementsByTagName("image")), 6)

        self.assertRegex(classify("photos/light/0.png").stdout, r"^photos/light/0.png: light, \d+\.\d %\n$")
        self.assertEqual(len(classify("photos", "--part", "train", "--first", 7).stdout.splitlines()), 7 + 5)
        (self.folder / "photos" / "dark").rename(self.folder / "photos" / "black")
        self.assertRegex(classify("photos").stderr, "have a class 'black', but the network only knows dark, grey or light")

    def test_a_checkpoint_of_a_former_version_goes_on(self):
        records = b"".join(bytes([i % 10]) + random.Random(i).randbytes(3072) for i in range(16))
        for name in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
            self.write(f"cifar/{name}", records)
        common = ["--data", "cifar", "--steps", 4, "--checkpoint-every", 2, "--checkpoint-dir", "run"]
        self.trains(*common)
        path = self.folder / "run" / "checkpoint-00000002.safetensors"
        (self.folder / "run" / "checkpoint-00000004.safetensors").unlink()
        data = path.read_bytes()
        now = read_checkpoint(path)[0]["data_crc64"]
        labels, pixels = bytes(i % 10 for i in range(16)), b"".join(
            bytes(planes[c * 1024 + i] for i in range(1024) for c in range(3))
            for planes in (random.Random(i).randbytes(3072) for i in range(16)))
        for former, pattern in ((crc64(labels * 5 + pixels * 5 + labels + pixels), None),
                                (crc64(labels), "was trained on other images")):
            size, = struct.unpack("<Q", data[:8])
            header = data[8:8 + size].replace(now.encode(), former.encode())
            start = header.index(b'"crc64":"') + 9
            header = header[:start] + b"0" * 16 + header[start + 16:]
            header += b" " * (-len(header) % 8)
            whole = struct.pack("<Q", len(header)) + header + data[8 + size:]
            path.write_bytes(whole[:8 + start] + crc64(whole).encode() + whole[8 + start + 16:])
            if pattern:
                self.refuses(pattern, *common, "--resume")
            else:
                self.assertIn("continuing after step 2", self.trains(*common, "--resume"))
                (self.folder / "run" / "checkpoint-00000004.safetensors").unlink()

    def test_the_data_set_the_length_of_training(self):
        self.add_classes(count=12)
        done = subprocess.run([PROGRAM, "--data", "photos", "--plan"], cwd=self.folder, text=True, capture_output=True)
        self.assertIn("for 22 training samples: batches of 8, 50 epochs, learning rate up to 0.00625", done.stdout)

    def test_idx_files_are_trained_on(self):
        draw = random.Random(1)
        for part, count in (("train", 40), ("t10k", 8)):
            labels = bytes(i % 2 for i in range(count))
            images = bytes(min(255, max(0, 60 + 120 * label + draw.randint(-30, 30)))
                           for label in labels for _ in range(14 * 14))
            self.write(f"idx/{part}-images-idx3-ubyte.gz", gzip.compress(struct.pack(">4I", 0x803, count, 14, 14) + images))
            self.write(f"idx/{part}-labels-idx1-ubyte", struct.pack(">2I", 0x801, count) + labels)
        self.write("idx/classes.txt", "dark\nlight\n")
        out = self.trains("--data", "idx", "--epochs", 5, "--lr", 0.05)
        self.assertIn("idx test accuracy 100.0 % of the first 8 images", out)

    def test_a_table_is_trained_on(self):
        draw = random.Random(1)
        rows = [f"{draw.gauss(4 * (i % 3), 1):.3f},{draw.gauss(-4 * (i % 3), 1):.3f},kind {i % 3}" for i in range(120)]
        self.write("table.csv", "x,y,class\n" + "\n".join(rows) + "\n")
        out = self.trains("--data", "table.csv", "--channels", 16, "--blocks", 2, "--epochs", 10, "--lr", 0.02,
                          "--batch", 12, "--checkpoint-dir", "run")
        self.assertIn("classes are in column class, the 2 others become 1x1 pixel with 2 channels", out)
        accuracy = float(out.rsplit("test accuracy ", 1)[1].split()[0])
        self.assertGreater(accuracy, 80)
        done = subprocess.run([CLASSIFY, "run/best.safetensors", "table.csv"], cwd=self.folder, text=True,
                              capture_output=True)
        self.assertRegex(done.stdout, r"^\d+\.\d % of 12 images, loss .*\n.*recall")
        self.assertIn("kind 2 ", done.stdout)

    def test_weights_of_classes_are_those_of_the_loss(self):
        self.add_classes(count=20)
        for i in range(15, 20):
            (self.folder / "photos" / "dark" / f"{i}.png").unlink()  # 14 and 18 are trained on
        common = ["--data", "photos", "--steps", 2, "--seed", 3]
        self.trains(*common, "--json", "plain")
        self.trains(*common, "--class-weights", "1,1", "--json", "ones")
        self.trains(*common, "--class-weights", "balanced", "--json", "balanced")
        self.trains(*common, "--class-weights", f"{32 / 28!r},{32 / 36!r}", "--json", "numbers")
        self.trains(*common, "--class-weights", "1,3", "--micro-batch", 3)
        self.assertEqual(self.log("plain"), self.log("ones"))
        self.assertEqual(self.log("balanced"), self.log("numbers"))
        self.assertNotEqual(self.log("plain"), self.log("balanced"))
        self.refuses("--class-weights has 3 numbers, but there are 2 classes", *common, "--class-weights", "1,2,3")
        self.refuses("--class-weights: 'x' is not a number of at least 0; it may also be", *common, "--class-weights", "x")

    vit = ["--arch", "revvit", "--channels", 16, "--blocks", 2, "--heads", 2]

    def test_a_transformer_learns_resumes_and_classifies(self):
        self.add_classes()
        common = ["--data", "photos", *self.vit, "--steps", 30, "--checkpoint-every", 10, "--warm-up", 5, "--lr", 0.003,
                  "--dropout", 0.1]
        out = self.trains(*common, "--checkpoint-dir", "run", "--json", "whole.jsonl")
        self.assertIn("images of 14x20 are padded to 16x20 by their mirror image, because the network cuts them into "
                      "patches of 4x4", out)
        self.assertIn("revvit, mode reversible", out)
        self.assertIn("photos test accuracy 100.0 %", out)
        tensors = read_checkpoint(self.folder / "run" / "checkpoint-00000030.safetensors")[1]
        self.assertIn("optimizer.mean.layer1.g.up.weight", tensors)
        (self.folder / "run" / "checkpoint-00000030.safetensors").unlink()
        before = self.log("whole.jsonl")
        out = self.trains(*common, "--checkpoint-dir", "run", "--json", "whole.jsonl", "--resume")
        self.assertRegex(out, r"continuing after step \d+")
        self.assertEqual(before, self.log("whole.jsonl"))
        self.refuses("is of another training: --dropout is 0.1 there and 0(.0)? here", *common, "--dropout", 0,
                     "--checkpoint-dir", "run", "--resume")
        done = subprocess.run([CLASSIFY, "run/best.safetensors", "photos"], cwd=self.folder, text=True,
                              capture_output=True)
        self.assertRegex(done.stdout, r"^100\.0 % of 4 images", done.stderr)

    def test_a_transformer_has_the_modes_of_other_networks(self):
        self.add_classes()
        common = ["--data", "photos", *self.vit, "--steps", 4, "--seed", 3]
        losses = {}
        for mode in ("reversible", "stored", "chunked", "checkpoint"):
            self.trains(*common, "--mode", mode, "--json", mode)
            losses[mode] = self.log(mode)[-1][1]
            self.assertAlmostEqual(losses[mode], losses["reversible"], 4)
        self.trains(*common, "--mode", "stored", "--fused-optimizer", "--json", "fused")
        self.assertEqual(self.log("fused")[-1][1], losses["stored"])
        self.trains(*common, "--stream", "fixed32", "--freeze", "stem")
        self.trains(*common, "--optimizer", "sgd", "--lr", 0.01, "--micro-batch", 2)
        out = self.trains(*common, "--memory", "64M")
        self.assertRegex(out, r"(?m)^layer1 +\w+")
        self.assertIn("layer1", self.trains(*common, "--plan"))
        self.assertIn("--arch revvit --mode", self.limited(*common))

    def test_an_invertible_residual_network_keeps_its_lipschitz_bound(self):
        self.add_classes()
        common = ["--data", "photos", "--arch", "iresnet", "--channels", "8,32", "--lipschitz", 0.7, "--seed", 3]
        out = self.trains(*common, "--epochs", 5, "--lr", 0.05, "--checkpoint-dir", "run", "--json", "run.jsonl")
        self.assertIn("iresnet, mode stored", out)
        self.assertIn("photos test accuracy 100.0 %", out)
        lines = [json.loads(line) for line in (self.folder / "run.jsonl").read_text().splitlines()]
        bounds = [line["lipschitz_bound"] for line in lines if "test_loss" in line]
        self.assertEqual(len(bounds), 5)
        self.assertLessEqual(max(bounds), 0.7 + 1e-9)
        self.assertGreater(min(bounds), 0.3)
        self.assertIn("Lipschitz bound 0.", out)
        done = subprocess.run([CLASSIFY, "run/best.safetensors", "photos"], cwd=self.folder, text=True,
                              capture_output=True)
        self.assertRegex(done.stdout, r"^100\.0 % of 4 images", done.stderr)
        short = [*common, "--steps", 4]
        for mode in ("stored", "inverted", "checkpoint"):
            self.trains(*short, "--mode", mode, "--json", mode)
            self.assertAlmostEqual(self.log(mode)[-1][1], self.log("stored")[-1][1], 4)
        self.trains(*short, "--memory", "64M", "--freeze", "level1.*")
        self.refuses("--lipschitz is not for --arch revnet", "--data", ".", "--lipschitz", 0.5)
        self.refuses("must have 32 channels, 4 times those of the level before, got 16", *short, "--channels", "8,16")
        self.refuses("a stream in fixed32 needs a network of couplings alone", *short, "--stream", "fixed32")

    def limited(self, *options):
        done = self.run_program(*options, "--memory-limit", "300k", "--batch", 32)
        self.assertEqual(done.returncode, 2, done.stdout)
        return done.stderr

    def test_options_of_another_network_or_optimizer_are_refused(self):
        vit = ["--data", ".", *self.vit]
        self.refuses("--slope is not for --arch revvit: leave it out", *vit, "--slope", 0.1)
        self.refuses("--patch is not for --arch revnet: leave it out", "--data", ".", "--patch", 4)
        self.refuses("--momentum is not for --optimizer adamw: leave it out", *vit, "--momentum", 0.9)
        self.refuses("--warm-up is not for --optimizer sgd: leave it out", "--data", ".", "--warm-up", 4)
        self.refuses("--channels is 16, but must be a multiple of --heads 3", *vit, "--heads", 3)
        self.refuses("--channels and --blocks of revvit are one number each, but 2 are given", *vit, "--channels", "8,8",
                     "--blocks", "1,1")
        self.refuses("--mode inverted is not for revvit, whose modes are reversible", *vit, "--mode", "inverted")

    def test_what_is_no_data_is_refused(self):
        self.refuses("--data is missing", "--steps", 1)
        self.refuses("nowhere: there is no such file or folder", "--data", "nowhere")
        self.refuses("has no data: it must have", "--data", ".")
        self.refuses("--format is 'tiff', but must be cifar10, cifar100, idx", "--format", "tiff")
        self.refuses("--image-size is '0x3', but must be like 32x48 or 32", "--image-size", "0x3")
        self.refuses("--row-shape is '2x3', but must have 3 numbers", "--row-shape", "2x3")
        self.refuses("--fit is 'fill', but must be pad, crop or stretch", "--fit", "fill")
        self.refuses("--augment is 'all', but must be none, flip", "--augment", "all")
        self.refuses("--validation is 1, which leaves nothing", "--validation", 1)
        self.refuses("--on-bad-image is 'go', but must be stop or skip", "--on-bad-image", "go")
        self.add_classes(count=3)
        self.refuses("--batch is 5, but there are only 4 training images", "--data", "photos", "--validation", 0.5,
                     "--batch", 5)


if __name__ == "__main__":
    unittest.main()
