#!/usr/bin/env python3
"""Trains on several ranks: the losses are those of one process, whatever happens on the way.

    trainers_check.py BUILD

BUILD is the build folder.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

LONGEST = 30  # seconds until a failed run has ended
IMAGES = ["--blocks", "1,1", "--channels", "8,16", "--batch", "12", "--train-images", "120",
          "--eval-images", "9", "--steps", "60", "--lr", "0.003", "--threads", "1",
          "--checkpoint-every", "3"]
ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
ENVIRONMENT.pop("RETRACE_CIFAR10", None)


def start(program, ranks, folder, *flags):
    mpirun = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks else []
    return subprocess.Popen([*mpirun, program, *flags, "--json", folder / "log"], env=ENVIRONMENT,
                            cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process, status=0):
    """The outputs of a process that ends in time and with that status, or any but 0 if None."""
    out, err = process.communicate(timeout=300 if status == 0 else LONGEST)
    wrong = process.returncode == 0 if status is None else process.returncode != status
    assert not wrong, f"status {process.returncode}: {out}{err}"
    return out, err


def losses(folder):
    lines = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    first = next(key for key in ("loss", "bits_per_dimension", "nats") if key in lines[0])
    return [(line["step"], line[first], line.get("test_" + first)) for line in lines]


def require_close(found, wanted, tolerance):
    assert len(found) == len(wanted), f"{len(found)} steps, not {len(wanted)}"
    for (step, *these), (_, *those) in zip(found, wanted):
        for this, that in zip(these, those):
            assert (this is None) == (that is None), f"step {step} was evaluated once"
            assert this is None or abs(this - that) <= tolerance * abs(that), \
                f"step {step}: {this}, not {that}"


def wait_for(process, folder, step):
    log = folder / "log"
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") >= step):
        time.sleep(0.002)


def rank_of(process, rank):
    """The process id of a rank of mpirun."""
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if int((path / "stat").read_text().rsplit(")", 1)[1].split()[1]) == process.pid and \
                    f"OMPI_COMM_WORLD_RANK={rank}".encode() in (path / "environ").read_bytes().split(b"\0"):
                return int(path.name)
        except OSError:
            pass
    raise AssertionError(f"there is no rank {rank}")


def fresh(folder, name):
    (folder / name).mkdir()
    return folder / name


def same_losses(program, folder, flags, tolerance):
    """Those of one process, on two and three ranks. Returns them."""
    name = pathlib.Path(program).name
    alone = fresh(folder, name)
    finish(start(program, 0, alone, *flags))
    for ranks in (2, 3):
        run = fresh(folder, f"{name}{ranks}")
        out, _ = finish(start(program, ranks, run, *flags))
        require_close(losses(run), losses(alone), tolerance)
        assert out.count("peak memory") == 1, f"several ranks print: {out}"
    print(f"{name}: 2 and 3 ranks have the losses of one process")
    return losses(alone)


def resume_elsewhere(program, folder, wanted):
    """Rank 1 of 2 is killed; 1 process continues and is stopped; 3 ranks finish."""
    run = fresh(folder, "resumed")
    flags = [*IMAGES, "--checkpoint-dir", run / "checkpoints", "--resume"]
    process = start(program, 2, run, *flags)
    wait_for(process, run, 10)
    os.kill(rank_of(process, 1), signal.SIGKILL)
    _, err = finish(process, None)
    assert len(re.findall(r"process rank 1 .* exited on signal 9", err)) == 1, err
    process = start(program, 0, run, *flags)
    wait_for(process, run, 25)
    process.send_signal(signal.SIGTERM)
    out, _ = finish(process, 128 + signal.SIGTERM)
    assert "continuing after step" in out, out
    out, _ = finish(start(program, 3, run, *flags))
    assert "continuing after step" in out, out
    require_close(losses(run), wanted, 1e-5)
    print("2 ranks, 1 and 3 have taken turns, one of them killed: the same losses")


def full_disk(program, folder):
    run = fresh(folder, "full")
    checkpoints = fresh(run, "checkpoints")
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", checkpoints]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        return print("no file system can be mounted here: none was full")
    try:
        _, err = finish(start(program, 2, run, *IMAGES, "--checkpoint-dir", checkpoints), 2)
    finally:
        subprocess.run(["umount", checkpoints], check=True)
    ours = [line for line in err.splitlines() if line.startswith("train_cifar10: ")]
    assert len(ours) == 1 and re.match(
        r"train_cifar10: rank 0 of 2 on \S+: .*No space left on device", ours[0]), err
    print("a full disk of rank 0 ended both ranks with one message")
    return None


def main():
    examples = pathlib.Path(sys.argv[1]).resolve() / "examples"
    images = examples / "train_cifar10"
    if not images.exists():
        sys.exit(print("train_cifar10 was not built: nothing to test"))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        flags = IMAGES[:-2]  # nothing is saved
        wanted = same_losses(images, folder, flags, 1e-5)
        resume_elsewhere(images, folder, wanted)
        full_disk(images, folder)
        text = folder / "text"
        text.write_text("".join(f"{i} and {i * i} are a number and its square.\n" for i in range(200)))
        same_losses(examples / "train_text", folder,
                    ["--data", text, "--layers", "2", "--channels", "16", "--heads", "2", "--length",
                     "24", "--batch", "7", "--micro-batch", "4", "--steps", "20", "--threads", "1"], 1e-5)
        for program in "train_flow", "train_ode":
            if (examples / program).exists():
                _, err = finish(start(examples / program, 2, folder), 2)
                assert err.count(f"{program} is for one process") == 1, err
        _, err = finish(start(images, 2, folder, *flags, "--batch", "nine"), 2)
        assert err.count("train_cifar10: rank") == 1, err


if __name__ == "__main__":
    main()
