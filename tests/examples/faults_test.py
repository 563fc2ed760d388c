#!/usr/bin/env python3
"""Breaks trainings off and spoils their files in every way of docs/reliability.md, continues them,
and counts what was lost: nothing.

    faults_test.py BUILD [--kills N] [--seed N] [--only NAME]

BUILD is the build folder. Prints a Markdown table, and fails unless every result is, bit for bit,
that of a training which nothing happened to.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

STEPS, INTERVAL = 30, 3
NOBODY = 65534
TINY = {"blocks": "1,1", "channels": "8,16", "batch": 4, "threads": 1, "train-images": 60,
        "eval-images": 8, "steps": STEPS, "checkpoint-every": INTERVAL}


class Failure(Exception):
    pass


def require(condition, message):
    if not condition:
        raise Failure(message)


def read_safetensors(path):
    """The tensors of a file as bytes, by name, and its metadata."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + length])
    metadata = header.pop("__metadata__")
    data = raw[8 + length:]
    return {name: data[slice(*entry["data_offsets"])] for name, entry in header.items()}, metadata


def is_whole(path):
    """Whether a file has the tensors that its header names."""
    try:
        tensors, _ = read_safetensors(path)
        raw = path.read_bytes()
        return struct.unpack("<Q", raw[:8])[0] + 8 + sum(map(len, tensors.values())) == len(raw)
    except (struct.error, ValueError, KeyError):
        return False


def read_log(path):
    """What a log says that must not depend on how often the training was broken off."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [[line.get(key) for key in ("step", "loss", "test_loss", "learning_rate")]
            for line in lines]


class Bench:
    """Runs the trainer in a folder, one training after the other."""

    def __init__(self, build, folder, seed):
        self.program = str(build / "examples" / "train_cifar10")
        self.folder = folder
        self.random = random.Random(seed)
        self.number = 0
        environment = {**os.environ}
        environment.pop("RETRACE_CIFAR10", None)
        self.environment = environment
        started = time.monotonic()
        self.reference = self.fresh()
        self.finish(self.reference)
        self.duration = time.monotonic() - started
        self.wanted = self.result(self.reference)

    def fresh(self, name=None):
        """A folder for one training."""
        self.number += 1
        return self.folder / f"{name or 'run'}{self.number}"

    def start(self, run, *flags, options={}, **how):
        run.mkdir(exist_ok=True)
        files = {"checkpoint-dir": run / "checkpoints", "json": run / "log"}
        named = [text for key, value in {**TINY, **files, **options}.items()
                 for text in ("--" + key, str(value))]
        return subprocess.Popen([self.program, *named, *flags], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, cwd=self.folder,
                                env=self.environment, **how)

    def starts(self, **how):
        """Whether main() is reached. The loader needs memory before it, and so does the C++ runtime:
        without its reserve for exceptions none can be thrown."""
        return subprocess.run([self.program, "--help"], capture_output=True, check=False,
                              **how).returncode in (0, 2)

    def end(self, run, *flags, status=0, **how):
        """Runs to the end; returns what was written on stdout and stderr."""
        process = self.start(run, *flags, **how)
        out, err = process.communicate(timeout=500)
        require(process.returncode == status,
                f"{' '.join(process.args)}: status {process.returncode}, not {status}: {err}")
        return out, err

    def finish(self, run, **how):
        return self.end(run, "--resume", **how)

    def result(self, run):
        tensors, metadata = read_safetensors(self.newest(run))
        return (tensors, {key: metadata[key] for key in ("step", "best_step", "best_accuracy")},
                read_log(run / "log"), read_safetensors(run / "checkpoints/best.safetensors")[0])

    @staticmethod
    def steps(run):
        """Of the checkpoints, the newest first."""
        paths = (run / "checkpoints").glob("checkpoint-????????.safetensors")
        return sorted((int(path.name[11:19]) for path in paths), reverse=True)

    @staticmethod
    def path(run, step):
        return run / "checkpoints" / f"checkpoint-{step:08}.safetensors"

    def newest(self, run):
        return self.path(run, self.steps(run)[0])

    @staticmethod
    def logged(run):
        """Steps that were certainly taken: the whole lines of the log."""
        return (run / "log").read_text().count("\n") if (run / "log").exists() else 0

    def lost(self, run):
        """Steps taken since the newest whole checkpoint, beyond those between two checkpoints."""
        whole = (step for step in self.steps(run) if is_whole(self.path(run, step)))
        return max(0, self.logged(run) - next(whole, 0) - INTERVAL)

    def wait_for(self, process, run, step):
        while process.poll() is None and self.logged(run) < step:
            time.sleep(0.001)

    def is_wrong(self, run):
        return self.result(run) != self.wanted


# ---- The faults: each returns (tries, lost steps, wrong results) --------------------------------


def kill_and_continue(bench, tries, options, wanted):
    done = lost = wrong = 0
    while done < tries:
        run = bench.fresh("kill")
        for _ in range(bench.random.randint(1, 5)):
            process = bench.start(run, "--resume", options=options)
            time.sleep(bench.random.uniform(0, bench.duration))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            if process.returncode != -signal.SIGKILL:
                break  # it had come to its end
            done += 1
            lost += bench.lost(run)
        bench.finish(run, options=options)
        wrong += bench.result(run) != wanted
        shutil.rmtree(run)
    return done, lost, wrong


def killed(bench, tries):
    """SIGKILL at a random moment"""
    return kill_and_continue(bench, tries, {}, bench.wanted)


def killed_while_adapting(bench, tries):
    """the same while layers become anchors, or a stream loses fraction bits"""
    total = [0, 0, 0]
    guarded = {"arch": "layerwise", "drift-warn": 200, "drift-discard": 200}
    chunked = {"arch": "irevnet", "stream": "fixed16", "fraction-bits": 14, "micro-batch": 2}
    for options in ({"channels": "8,32", **guarded}, {"channels": "8,32", **chunked}):
        steady = bench.fresh("steady")
        out, _ = bench.end(steady, options=options)
        require("is discarded" in out, out)
        done = kill_and_continue(bench, tries // 2, options, bench.result(steady))
        total = [sum(pair) for pair in zip(total, done)]
    return tuple(total)


def asked_to_stop(bench, tries):
    """SIGINT or SIGTERM once"""
    lost = wrong = 0
    for i in range(tries):
        run = bench.fresh("signal")
        which = (signal.SIGINT, signal.SIGTERM)[i % 2]
        process = bench.start(run, "--resume")
        bench.wait_for(process, run, bench.random.randint(1, STEPS - 5))
        process.send_signal(which)
        out, err = process.communicate()
        require(process.returncode == 128 + which, f"status {process.returncode} after {which}")
        require("stopped by" in out and "--resume continues" in out, out)
        lost += bench.logged(run) - bench.steps(run)[0]  # not even those since the last save
        bench.finish(run)
        wrong += bench.is_wrong(run)
    return tries, lost, wrong


def asked_twice(bench, tries):
    """SIGINT twice, in a step of half a second"""
    lost = wrong = 0
    slow = {"channels": "32,64", "train-images": 1000, "batch": 500, "checkpoint-every": 1}
    for _ in range(tries):
        run = bench.fresh("twice")
        process = bench.start(run, options=slow)
        bench.wait_for(process, run, 2)  # so that step 1 has been saved
        newest = bench.newest(run)
        before = newest.read_bytes()
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        require(process.returncode == 130, f"status {process.returncode}")
        require("once more ends it at once" in err, err)
        if newest.exists():  # where the processor is shared, steps pass meanwhile, and it may be old
            wrong += newest.read_bytes() != before
        wrong += not is_whole(bench.newest(run))
        lost += max(0, bench.logged(run) - bench.steps(run)[0] - 1)
    return tries, lost, wrong


def out_of_time(bench, tries):
    """--max-minutes"""
    lost = wrong = 0
    for _ in range(tries):
        run = bench.fresh("time")
        out = ""
        while "stopped by --max-minutes" not in out:
            shutil.rmtree(run, ignore_errors=True)
            out, _ = bench.end(run, options={"max-minutes": 0.0005})
        lost += bench.logged(run) - bench.steps(run)[0]
        bench.finish(run)
        wrong += bench.is_wrong(run)
    return tries, lost, wrong


def refused_write(bench, run, message, **how):
    """Ends with status 2 at a save that does not work, and continues where it does."""
    _, err = bench.end(run, status=2, **how)
    require(message in err, err)
    lost = bench.lost(run)
    bench.finish(run)
    return lost, bench.is_wrong(run)


def disk_full(bench, tries):
    """disk full (a small file system)"""
    if os.geteuid() != 0:
        return None
    lost = wrong = 0
    size = bench.newest(bench.reference).stat().st_size
    for i in range(tries):
        run = bench.fresh("full")
        (run / "checkpoints").mkdir(parents=True)
        room = int(size * (0.3 + 3.5 * i / tries)) // 4096 * 4096
        mount = ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(run / "checkpoints")]
        if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            return None
        try:
            _, err = bench.end(run, status=2)
            require("No space left on device" in err, err)
            lost += bench.lost(run)
            subprocess.run([*mount[:4], "remount,size=100m", *mount[5:]], check=True)
            bench.finish(run)
            wrong += bench.is_wrong(run)
        finally:
            subprocess.run(["umount", str(run / "checkpoints")], check=True)
    return tries, lost, wrong


def file_too_large(bench, tries):
    """no file may grow any longer"""
    lost = wrong = 0
    size = bench.newest(bench.reference).stat().st_size
    for i in range(tries):
        limit = size * i // tries
        run = bench.fresh("limit")
        add = refused_write(bench, run, "File too large", preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (limit, limit)))
        lost, wrong = lost + add[0], wrong + add[1]
    return tries, lost, wrong


def read_only(bench, tries):
    """folder read-only from the start, or from some step on"""
    lost = wrong = 0
    root = os.geteuid() == 0
    how = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if root else {}
    for i in range(tries):
        run = bench.fresh("readonly")
        (run / "checkpoints").mkdir(parents=True)
        if root:
            for path in (run, run / "checkpoints"):
                os.chown(path, NOBODY, NOBODY)
        process = bench.start(run, **how) if i % 2 else None
        if process:
            bench.wait_for(process, run, bench.random.randint(1, STEPS // 2))
        os.chmod(run / "checkpoints", 0o555)
        if not process:
            process = bench.start(run, **how)
        _, err = process.communicate()
        require(process.returncode == 2, f"status {process.returncode}: {err}")
        require("Permission denied" in err, err)
        lost += bench.lost(run)
        os.chmod(run / "checkpoints", 0o755)
        bench.finish(run, **how)
        wrong += bench.is_wrong(run)
    return tries, lost, wrong


def half_way(bench, name):
    """A training that has been stopped with two checkpoints."""
    run = bench.fresh(name)
    process = bench.start(run)
    bench.wait_for(process, run, 3 * INTERVAL + 1)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    require(len(bench.steps(run)) == 2, f"checkpoints of {bench.steps(run)}")
    return run


def damaged(bench, tries):
    """newest checkpoint cut off or a byte of it flipped"""
    wrong = 0
    origin = half_way(bench, "damage")
    for i in range(tries):
        run = bench.fresh("damage")
        shutil.copytree(origin, run)
        newest = bench.newest(run)
        raw = bytearray(newest.read_bytes())
        at = bench.random.randrange(len(raw))
        raw[at] ^= bench.random.randint(1, 255)
        newest.write_bytes(raw if i % 2 else raw[:at])
        out, _ = bench.finish(run)
        require(newest.name in out and "*.damaged" in out, out)
        require(f"continuing after step {bench.steps(origin)[1]} " in out, out)
        wrong += bench.is_wrong(run)
    for path in (origin / "checkpoints").glob("checkpoint*"):
        path.write_bytes(path.read_bytes()[:-1])
    _, err = bench.finish(origin, status=2)
    require("no checkpoint in" in err and "can be used" in err, err)
    return tries + 1, 0, wrong


def of_another(bench, _):
    """checkpoint of another training"""
    run = half_way(bench, "other")
    others = {"arch": "resnet", "channels": "8,20", "blocks": "1,2", "seed": 1, "batch": 5,
              "lr": 0.2, "train-images": 61}
    for option, value in others.items():
        _, err = bench.finish(run, options={option: value}, status=2)
        require(f"--{option} is" in err and f"{value} here" in err, err)
    bench.finish(run)
    return len(others), 0, int(bench.is_wrong(run))


def data_replaced(bench, _):
    """data files replaced during the training"""
    folder = bench.folder / "cifar"
    folder.mkdir()
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]

    def write(name, seed):
        record = bytes([seed]) + random.Random(seed).randbytes(3072)
        (folder / name).write_bytes(record * 10000)

    for i, name in enumerate(names):
        write(name, i)
    data = {"data": folder}
    run, steady = bench.fresh("data"), bench.fresh("data")
    bench.end(steady, options=data)
    wanted = bench.result(steady)
    process = bench.start(run, options=data)
    bench.wait_for(process, run, 2)
    write(names[0], 7)  # in place
    process.communicate()
    wrong = bench.result(run) != wanted  # the images were in memory already
    _, err = bench.finish(run, status=2, options=data)
    require("was trained on other images" in err, err)
    write(names[0], 0)
    bench.finish(run, options=data)
    wrong += bench.result(run) != wanted
    os.truncate(folder / names[1], 3073 * 9999 + 100)
    _, err = bench.finish(run, status=2, options=data)
    require("data_batch_2.bin: has 30727027 bytes, but must have a multiple of 3073" in err, err)
    return 3, 0, wrong


def no_memory(bench, tries):
    """less and less memory for the process"""
    lost = wrong = refused = 0
    limit = 20 << 20
    while refused < tries and limit > 0:
        run = bench.fresh("memory")
        limited = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))}
        process = bench.start(run, **limited)
        _, err = process.communicate()
        if process.returncode not in (0, 2) and not bench.starts(**limited):
            break  # not even the program itself fits
        require(process.returncode in (0, 2), f"{limit} bytes: {process.returncode}: {err}")
        require(process.returncode == 0 or "out of memory" in err, err)
        refused += process.returncode == 2
        lost += bench.lost(run)
        bench.finish(run)
        wrong += bench.is_wrong(run)
        limit -= (100 << 10) if refused or limit < (11 << 20) else (1 << 20)
        shutil.rmtree(run)
    require(refused > 0, "no limit was too low")
    return refused, lost, wrong


def not_finite(bench, _):
    """loss or gradient that is not finite"""
    wrong = lost = 0
    run = bench.fresh("nan")
    diverging = {"lr": 1e30, "checkpoint-every": 1}
    _, err = bench.end(run, options=diverging, status=2)
    require("at step" in err and ("is not finite" in err or "NaN" in err), err)
    lost += bench.logged(run) - bench.steps(run)[0]
    before = bench.newest(run).read_bytes()
    out, err = bench.finish(run, options={**diverging, "on-nan": "skip"}, status=2)
    require(out.count("is discarded") == 10, out)
    require("10 batches before it were discarded already" in err, err)
    tensors = read_safetensors(bench.newest(run))[0]
    bench.newest(run).write_bytes(before)
    wrong += read_safetensors(bench.newest(run))[0] != tensors  # a discarded batch leaves no trace
    return 2, lost, wrong


FAULTS = {  # and how often each is tried beside twenty kills
    killed: 20,
    killed_while_adapting: 6,
    asked_to_stop: 6,
    asked_twice: 2,
    out_of_time: 2,
    disk_full: 5,
    file_too_large: 5,
    read_only: 4,
    damaged: 6,
    of_another: 1,
    data_replaced: 1,
    no_memory: 10,
    not_finite: 1,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", help="the faults whose names hold this")
    options = parser.parse_args()
    if not (options.build / "examples" / "train_cifar10").exists():
        print("train_cifar10 was not built: nothing to test")
        sys.exit()
    # A shell starts what it runs in the background with SIGINT ignored, and programs inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed}\n")
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        bench = Bench(options.build.resolve(), pathlib.Path(folder), seed)
        print("| fault | tries | lost steps | wrong results |\n|---|---|---|---|")
        for fault, tries in FAULTS.items():
            if options.only and options.only not in fault.__name__:
                continue
            try:
                result = fault(bench, max(1, tries * options.kills // 20))
            except Failure as failure:
                result = ("failed", str(failure), "")
            if result is None:
                result = ("not possible here", "", "")
            failed |= result[0] == "failed" or result[1:] not in ((0, 0), ("", ""))
            print("|", " | ".join(str(cell) for cell in (fault.__doc__, *result)), "|", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
