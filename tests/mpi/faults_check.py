#!/usr/bin/env python3
"""Lets one of several ranks fail in every way, at random moments.

    faults_check.py PROGRAM [--kills N] [--seed N]

PROGRAM is fault_program. Every run has to end on all ranks within 30 seconds, with one message that
names the rank and the cause.
"""
import argparse
import os
import random
import re
import subprocess
import sys
import time

LONGEST, RANKS = 30, 3
OURS = r"^fault_program: rank RANK of 3 on \S+: "
THEIRS = r"mpirun noticed that process rank RANK .*on node \S+ exited on signal"
CAUSES = {
    "kill": THEIRS, "segfault": THEIRS,
    "stop": OURS + "(gives no sign of life|keeps the other ranks waiting)",
    "slow": OURS + "keeps the other ranks waiting in",
    "abort": OURS + "no space left",
    "exception": OURS + "ends by an exception",
    "mismatch": OURS.replace("RANK", r"\d") + ".*",  # any rank may notice it first
}


def run(program, kind, rank, milliseconds):
    """The seconds, the status and the lines of stderr of a run."""
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    began = time.monotonic()
    done = subprocess.run(["mpirun", "--oversubscribe", "-n", str(RANKS), program, kind, str(rank),
                           str(milliseconds)], env=environment, capture_output=True, text=True,
                          timeout=LONGEST + milliseconds / 1000, check=False)
    return time.monotonic() - began, done.returncode, done.stderr.splitlines()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chosen = random.Random(arguments.seed)
    kinds = ["none", "stop", "slow", "abort", "exception", "mismatch", "segfault"] + ["kill"] * arguments.kills
    for kind in kinds:
        rank = chosen.randrange(RANKS)
        seconds, status, lines = run(arguments.program, kind, rank, chosen.randrange(300))
        said = "\n".join(lines)
        if kind == "none":
            assert status == 0, said
        else:
            assert status != 0, f"{kind}: status 0"
            matching = [line for line in lines if re.search(CAUSES[kind].replace("RANK", str(rank)), line)]
            assert len(matching) == 1, f"{kind} of rank {rank}: {len(matching)} lines name it:\n{said}"
            ours = [line for line in lines if line.startswith("fault_program: ")]
            assert len(ours) <= 1, f"{kind} of rank {rank}: {len(ours)} messages:\n{said}"
        print(f"{kind} of rank {rank}: ended within {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
