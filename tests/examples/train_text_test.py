#!/usr/bin/env python3
"""train_text and generate_text on good and bad input: what they say, and that they repeat their bits.

    train_text_test.py BUILD
"""
import math
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

from trainer_case import TrainerCase

BUILD = pathlib.Path(sys.argv.pop(1)).resolve() / "examples"
PROGRAM, GENERATE = BUILD / "train_text", BUILD / "generate_text"
SMALL = ["--length", "32", "--batch", "4", "--layers", "2", "--channels", "16", "--heads", "2", "--threads", "1"]


def sentences(count):
    """Text with some order in it."""
    draw = random.Random(1)
    words = ["the", "tree", "river", "was", "high", "and", "old", "a", "stone", "in", "winter"]
    return " ".join(draw.choice(words) for _ in range(count)).encode()


@unittest.skipUnless(PROGRAM.exists(), "train_text was not built")
class TrainText(TrainerCase):
    program, small = PROGRAM, SMALL

    def setUp(self):
        super().setUp()
        self.write("text", sentences(4000))

    def trains(self, *options):
        return super().trains("--data", "text", *options)

    def run_generator(self, *options):
        return subprocess.run([GENERATE, *map(str, options)], cwd=self.folder, capture_output=True)

    def test_it_learns_and_reports_bits_beside_those_of_xz(self):
        out = self.trains("--steps", 60, "--lr", 0.01, "--warm-up", 10, "--json", "log", "--sample", 20)
        match = re.search(r"held-out bytes: ([\d.]+) nats, ([\d.]+) bits per byte", out)
        nats, bits = map(float, match.groups())
        self.assertAlmostEqual(bits, nats / math.log(2), 3)
        self.assertLess(bits, 3.5)
        log = self.log("log")
        self.assertGreater(log[0][1], 5)  # about log 256
        self.assertEqual(len(log), 60)
        self.assertAlmostEqual(log[-1][2], nats, 3)
        if "xz" in out:  # liblzma was there
            held_out = (self.folder / "text").read_bytes()[-round((self.folder / "text").stat().st_size * 0.1):]
            packed = subprocess.run(["xz", "-9e", "--stdout"], input=held_out, capture_output=True).stdout
            xz = float(re.search(r"xz -9e needs ([\d.]+)", out).group(1))
            self.assertAlmostEqual(xz, 8 * len(packed) / len(held_out), 1)

    def test_modes_and_micro_batches_take_the_same_steps(self):
        losses = {}
        for name, options in {"reversible": [], "stored": ["--mode", "stored"], "chunked": ["--mode", "chunked"],
                              "micro": ["--micro-batch", 1], "fused": ["--fused-optimizer"]}.items():
            self.trains("--steps", 6, "--json", name, *options)
            losses[name] = self.log(name)
        for name, log in losses.items():
            for (step, loss, _), (_, other, _) in zip(log, losses["reversible"]):
                self.assertAlmostEqual(loss, other, 3, f"{name}, step {step}")

    def test_every_attention_and_optimizer_trains(self):
        for options in (["--attention", "local"], ["--attention", "lsh", "--hash-rounds", 3],
                        ["--attention", "pattern", "--attention-chunk", 8, "--dropout", 0.1],
                        ["--optimizer", "adafactor", "--fused-optimizer"], ["--blocks", "ordinary"],
                        ["--windows", "segments", "--length", 33]):
            out = self.trains("--steps", 3, *options)
            self.assertIn("step 3/3", out)

    def test_a_resumed_training_has_the_same_bits(self):
        common = ["--steps", 12, "--checkpoint-every", 5, "--attention", "pattern", "--attention-chunk", 8,
                  "--dropout", 0.1]
        self.trains(*common, "--checkpoint-dir", "whole", "--json", "whole.jsonl")
        self.trains(*common, "--checkpoint-dir", "parts", "--json", "parts.jsonl")
        for step in (12, 10):
            path = self.folder / "parts" / f"checkpoint-{step:08}.safetensors"
            path.exists() and path.unlink()
        if not list((self.folder / "parts").glob("checkpoint-*")):
            shutil.rmtree(self.folder / "parts")
        self.trains(*common, "--checkpoint-dir", "parts", "--json", "parts.jsonl", "--resume")
        self.assertEqual(self.log("whole.jsonl"), self.log("parts.jsonl"))
        last = "checkpoint-00000012.safetensors"
        whole, parts = ((self.folder / name / last).read_bytes() for name in ("whole", "parts"))
        self.assertEqual(whole[-1000:], parts[-1000:])
        self.refuses("--channels is 16 there and 32 here|channels", "--data", "text", *common, "--checkpoint-dir",
                     "whole", "--resume", "--channels", 32)
        self.write("text", sentences(4001))
        self.refuses("was trained on other bytes than", "--data", "text", *common, "--checkpoint-dir", "whole", "--resume")

    def test_signals_stop_it_and_lose_nothing(self):
        common = ["--steps", 40, "--checkpoint-every", 7, "--data", "text"]
        self.trains(*common, "--checkpoint-dir", "whole", "--json", "whole.jsonl")
        draw = random.Random(3)
        for which in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
            process = subprocess.Popen([PROGRAM, *SMALL, *map(str, common), "--checkpoint-dir", "parts", "--json",
                                        "parts.jsonl", "--resume"], cwd=self.folder, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)
            time.sleep(draw.uniform(0, 0.4))
            process.send_signal(which)
            process.communicate()
            self.assertIn(process.returncode, (0, -which, 128 + which))
        self.trains(*common, "--checkpoint-dir", "parts", "--json", "parts.jsonl", "--resume")
        self.assertEqual(self.log("whole.jsonl"), self.log("parts.jsonl"))

    def test_texts_that_cannot_be_learned_from_are_refused(self):
        self.write("empty", b"")
        self.write("folder/empty", b"")
        (self.folder / "nothing").mkdir()
        self.refuses("--data empty is empty", "--data", "empty")
        self.refuses("--data folder has only empty files", "--data", "folder")
        self.refuses("--data nothing is a folder without files", "--data", "nothing")
        self.refuses("--data gone does not exist", "--data", "gone")
        self.refuses("--data is missing")
        self.write("short", b"x" * 100)
        self.refuses("--length is 200, but the training part of short has 90 bytes: the length must be at most 89",
                     "--data", "short", "--length", 200)
        self.refuses("--length is 32, but the held-out part of short has 10 bytes: the length must be at most 9",
                     "--data", "short")

    def test_options_that_do_not_fit_are_refused(self):
        for pattern, options in {
            "--channels is 16, but must be a multiple of --heads 3": ["--heads", 3],
            "--attention is 'loca', but must be full, local, lsh or pattern": ["--attention", "loca"],
            "--blocks ordinary must be stored, but --mode is chunked": ["--blocks", "ordinary", "--mode", "chunked"],
            "--fused-optimizer steps inside backward, but --clip": ["--fused-optimizer", "--clip", 1],
            "unknown option --lenght, did you mean --length": ["--lenght", 3],
            "--memory plans how memory is spent, so --mode cannot": ["--memory", "1G", "--mode", "stored"],
        }.items():
            self.refuses(re.escape(pattern), "--data", "text", *options)

    def test_a_folder_is_read_as_one_text(self):
        text = (self.folder / "text").read_bytes()
        self.write("books/a", text[:7000])
        self.write("books/b/c", text[7000:])
        self.write("books/.hidden", b"not read")
        self.trains("--steps", 4, "--json", "file")
        self.trains("--steps", 4, "--json", "books.jsonl", "--data", "books")
        self.assertEqual(self.log("file"), self.log("books.jsonl"))

    def test_out_of_memory_names_a_layer_and_what_would_fit(self):
        done = self.run_program("--data", "text", "--steps", 2, "--mode", "stored",
                                "--memory-limit", "900k")
        self.assertEqual(done.returncode, 2)
        message = done.stderr
        self.assertRegex(message, r"train_text: [a-z]\S*: out of memory: cannot allocate")
        match = re.search(r"--mode stored --micro-batch (\d+)", message)
        self.assertIsNotNone(match, message)
        out = self.trains("--steps", 2, "--mode", "stored", "--memory-limit", "900k", "--micro-batch", match.group(1))
        self.assertIn("step 2/2", out)

    def test_a_plan_keeps_within_the_memory(self):
        environment = {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache")}
        done = subprocess.run([PROGRAM, *SMALL, "--data", "text", "--steps", "3", "--memory", "1.2M"],
                              cwd=self.folder, capture_output=True, env=environment, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("as predicted", done.stdout)
        self.assertIn("step 3/3", done.stdout)

    def generates(self, *options):
        done = self.run_generator("--model", "run", "--threads", 1, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_a_saved_model_continues_a_prompt_of_any_bytes(self):
        self.trains("--steps", 60, "--lr", 0.01, "--warm-up", 10, "--checkpoint-dir", "run")
        common = ["--bytes", 60, "--prompt", "the tree "]
        greedy = self.generates(*common, "--temperature", 0)
        self.assertTrue(greedy.startswith(b"the tree "))
        self.assertEqual(len(greedy), 70)  # and a line break
        self.assertEqual(greedy, self.generates(*common, "--temperature", 0, "--seed", 5))
        self.assertEqual(greedy, self.generates(*common, "--top-k", 1))
        self.assertEqual(greedy, self.generates(*common, "--top-p", 0))
        self.assertEqual(greedy, self.generates(*common, "--temperature", 0, "--no-cache"))
        drawn = self.generates(*common, "--temperature", 3)
        self.assertNotEqual(drawn, self.generates(*common, "--temperature", 3, "--seed", 1))
        self.assertEqual(drawn, self.generates(*common, "--temperature", 3))
        unseen = self.generates("--bytes", 5, "--prompt", "\x01é€")
        self.assertTrue(unseen.startswith("\x01é€".encode()))
        self.assertEqual(len(self.generates("--bytes", 5)), 6)

    def test_a_model_that_is_none_is_refused(self):
        for options, pattern in ((["--model", "gone"], "--model gone does not exist"), ([], "--model is missing"),
                                 (["--model", "text"], "text")):
            done = self.run_generator(*options)
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr.decode(), "^generate_text: .*" + pattern)


if __name__ == "__main__":
    unittest.main()
