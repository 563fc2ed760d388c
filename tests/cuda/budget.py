#!/usr/bin/env python3
"""Checks the resources of every kernel, as reported by ptxas, against kernels/budget.txt.

usage: budget.py NVCC ROOT [--architecture sm_80] [--write]

No kernel may have a stack, so none may spill, and none may take more registers or shared memory than
the table allows. --write makes the table of what is found.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

FUNCTION = re.compile(r"Compiling entry function '(\S+)' for")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
HEADER = "# registers  shared  kernel: at most, for {}; {} --write makes it anew"


def compiled(nvcc, root, source, architecture):
    """Returns the compiler's report on one source: {kernel: (registers, shared, stack)}."""
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [nvcc, "-std=c++20", "--expt-relaxed-constexpr", "-O3", f"-arch={architecture}",
             "-Xptxas", "-v", "-cubin", "-I", str(root / "include"), str(source), "-o",
             str(pathlib.Path(folder) / "out.cubin")],
            capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(result.stdout + result.stderr)
    report = {}
    name = stack = None
    for line in result.stderr.splitlines():
        if match := FUNCTION.search(line):
            name = match[1]
        elif match := STACK.search(line):
            stack = max(map(int, match.groups()))
        elif name and "Used" in line:
            registers = int(re.search(r"Used (\d+) registers", line)[1])
            shared = re.search(r"(\d+) bytes smem", line)
            report[name] = (registers, int(shared[1]) if shared else 0, stack)
            name = None
    return report


def readable(names):
    """Returns demangled C++ names without arguments."""
    text = subprocess.run(["c++filt", "-p"], input="\n".join(names), capture_output=True, text=True,
                          check=True).stdout
    short = (line.replace("retrace::kernels::", "").replace("void ", "") for line in
             text.splitlines())
    return dict(zip(names, (line.replace("(int)", "").replace("(bool)", "") for line in short)))


def measure(nvcc, root, architecture):
    found = {}
    for source in sorted((root / "kernels").glob("*.cu")):
        report = compiled(nvcc, root, source, architecture)
        names = readable(list(report))
        found.update({names[name]: numbers for name, numbers in report.items()})
    return found


def read_table(path):
    table = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            registers, shared, name = line.split(maxsplit=2)
            table[name] = (int(registers), int(shared), 0)
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nvcc")
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--architecture", default="sm_80")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    path = arguments.root / "kernels" / "budget.txt"
    found = measure(arguments.nvcc, arguments.root, arguments.architecture)
    if arguments.write:
        lines = [HEADER.format(arguments.architecture, "tests/cuda/budget.py")]
        lines += [f"{r:11d} {s:7d}  {name}" for name, (r, s, _) in sorted(found.items())]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return 0
    table = read_table(path)
    wrong = [f"{name} is not in {path.name}" for name in found if name not in table]
    wrong += [f"{name} no longer exists" for name in table if name not in found]
    for name in sorted(found.keys() & table.keys()):
        for what, got, most in zip(("registers", "bytes of shared memory", "bytes of stack"),
                                   found[name], table[name]):
            if got > most:
                wrong.append(f"{name} uses {got} {what} but may use at most {most}")
    print("\n".join(wrong) or f"{len(found)} kernels are within their budgets")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
