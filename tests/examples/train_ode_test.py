#!/usr/bin/env python3
"""train_ode: learns irregular series with missing values, gives the same result in both modes and
after an interruption, draws a figure, and names what is wrong with a file.

    train_ode_test.py BUILD
"""
import math
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import xml.dom.minidom

PROGRAM = pathlib.Path(sys.argv[1]) / "examples" / "train_ode"
SHORT = ["--context", "6", "--horizon", "6", "--state", "6", "--hidden", "16", "--threads", "1"]


def run(*options, fails=False):
    done = subprocess.run([PROGRAM, *map(str, options)], capture_output=True, text=True, timeout=120,
                          check=False)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stderr if fails else done.stdout


def write(folder, name, lines):
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def swings(folder):
    """Three pendulums at irregular times; one value in ten is missing."""
    random.seed(1)
    lines = ["name,t,angle,speed"]
    for name, phase in (("a", 0.0), ("b", 2.0), ("c", 4.0)):
        time = 0.0
        for _ in range(80):
            time += random.uniform(0.1, 0.5)
            values = [math.cos(time + phase), -math.sin(time + phase)]
            lines.append(f"{name},{time:.4f}," + ",".join(
                "" if random.random() < 0.1 else f"{value:.5f}" for value in values))
    return write(folder, "swings.csv", lines)


def errors(output):
    found = re.search(r"test error ([0-9.]+) of a deviation; .* one ([0-9.]+)", output)
    assert found, output
    return float(found[1]), float(found[2])


def check_learning(folder):
    data = ["--data", swings(folder), "--time", "t", "--series", "name", "--steps", 150, *SHORT]
    figure = folder / "figure.svg"
    output = run(*data, "--plot", figure)
    error, persistence = errors(output)
    assert error < 0.6 * persistence, output
    assert "3 series with 2 columns" in output, output
    svg = xml.dom.minidom.parse(str(figure))
    assert len(svg.getElementsByTagName("circle")) > 20
    assert len(svg.getElementsByTagName("line")) > 50

    stored, _ = errors(run(*data, "--mode", "stored"))
    assert abs(stored - error) < 2e-3, (stored, error)
    adaptive, _ = errors(run(*data, "--method", "bosh3", "--tolerance", 1e-2))
    assert adaptive < 0.6 * persistence, adaptive

    saved = ["--checkpoint-dir", folder / "saved"]
    stopped = run(*data, *saved, "--max-minutes", 0.001)
    assert f"stopped by --max-minutes before the last step; the same command with --resume continues from {folder}" \
        in stopped, stopped
    resumed = run(*data, *saved, "--resume")
    assert "continuing after step" in resumed, resumed
    assert errors(resumed)[0] == error, resumed


def check_refusals(folder):
    def refused(expected, lines, *options):
        message = run("--data", write(folder, "bad.csv", lines), *options, fails=True)
        assert expected in message, message

    rows = [f"{i},{i % 3}" for i in range(40)]
    refused("line 4: the time 1 does not come after", ["t,x", "0,1", "1,2", "1,3"])
    refused("line 3: 'much' in column x is not a finite number", ["t,x", "0,1", "1,much"])
    refused("line 3: 'inf' in column x is not a finite", ["t,x", "0,1", "1,inf"])
    refused("has 1 row with a value, but needs at least 2", ["t,x", "0,1", "1,"])
    refused("line 2: there are 3 entries, but the header has 2", ["t,x", "0,1,2"])
    refused("neither a number nor a date", ["t,x", "soon,1"])
    refused("--values is 'y'", ["t,x", *rows], "--values", "y")
    refused("no series is long enough: a window has 48 rows", ["t,x", *rows])
    refused("--tolerance needs --method bosh3 or dopri5", ["t,x", *rows], "--tolerance", 0.1)
    assert "--data must name a CSV file" in run(fails=True)


def main():
    if not PROGRAM.exists():
        print("train_ode is not built: nothing to test")
        return
    with tempfile.TemporaryDirectory() as folder:
        check_refusals(pathlib.Path(folder))
        check_learning(pathlib.Path(folder))


main()
