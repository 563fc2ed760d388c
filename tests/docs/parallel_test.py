#!/usr/bin/env python3
"""Compiles the whole program of docs/parallel.md and runs it as the page says, where MPI is installed."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main():
    if not shutil.which("mpicxx") or not shutil.which("mpirun"):
        print("skipped: MPI is not installed")
        return
    text = (ROOT / "docs" / "parallel.md").read_text()
    section = text.split("## A whole program", 1)[1].split("\n## ", 1)[0]
    program = re.search(r"```cpp\n(.*?)```", section, re.S)[1]
    commands = re.search(r"```sh\n(.*?)```", section, re.S)[1]
    assert "mpirun -n 2" in commands, commands
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "app.cpp").write_text(program)
        (Path(folder) / "include").symlink_to(ROOT / "include")
        # As root in a container, on fewer processors than ranks
        environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                       "OMPI_MCA_rmaps_base_oversubscribe": "1"}
        done = subprocess.run(["sh", "-e", "-c", commands.replace("-O2", "-O0")], cwd=folder,
                              env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = re.search(r"It prints `(.*)`, once", section)[1]
    assert done.stdout.split() == [said], done.stdout


if __name__ == "__main__":
    main()
