#!/usr/bin/env python3
"""Plants faults in the kernels, one at a time, and checks that the tests find each.

usage: mutants.py BUILD [--only NAME] [--jobs N]

BUILD is a build folder made by Ninja in which test_cuda is built. Changes are made to a copy of kernels/;
the file concerned is compiled as the build compiles it, linked with everything else that the build has,
and the tests that should find the fault are run. Unchanged copies have to pass them.
"""
import argparse
import concurrent.futures
import json
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

LIBRARY = "tests/cuda/libretrace_cuda_emulated.a"
BARRIER = "    __syncthreads();\n"

# name: (changes, source to compile, tests that find it). A change is (file, text, replacement).
MUTANTS = {
    "missing barrier": (
        [("product.cuh", "sums[m][n] += left[m] * right[n];\n    }\n" + BARRIER,
          "sums[m][n] += left[m] * right[n];\n    }\n")],
        "own_convolution.cu", "sums have the same bits*"),
    "missing barrier of a sum": (
        [("channel_sums.cuh", "values[thread] = place.idle ? 0 : value;\n  __syncthreads();\n",
          "values[thread] = place.idle ? 0 : value;\n")],
        "normalise.cu", "sums have the same bits*"),
    "bound off by one": (
        [("walk.cuh", "pixel < layout.pixels; pixel += step)",
          "pixel <= layout.pixels; pixel += step)")],
        "pool.cu", "poolings*"),
    "pooling index swapped": (
        [("pool.cu", "window = (row % 2) * 2 + column % 2", "window = (column % 2) * 2 + row % 2")],
        "pool.cu", "poolings*"),
    "wrong sign in the inverse": (
        [("normalise.cuh", "block.shift.v[i]) / block.scale.v[i]",
          "-block.shift.v[i]) / block.scale.v[i]")],
        "normalise.cu", "*undo themselves - float"),
    "atomics in the sums": (
        [("channel_sums.cuh",
          "        gpu::store(partial + (static_cast<std::int64_t>(blockIdx.x) * count + k) * channels +\n"
          "                       place.group * width + i,\n"
          "                   sum);",
          "        atomicAdd(partial + k * channels + place.group * width + i, sum);"),
         ("channel_sums.cuh", "  gpu::launch(channel_sums_kernel<Body>,",
          "  check(cudaMemsetAsync(scratch, 0, sizeof(double) * static_cast<std::size_t>(Body::count *\n"
          "        channels), on.stream()), \"cudaMemsetAsync\");\n"
          "  gpu::launch(channel_sums_kernel<Body>,"),
         ("channel_sums.cuh", "add_blocks(on, scratch, blocks, Body::count",
          "add_blocks(on, scratch, 1, Body::count")],
        "normalise.cu", "sums have the same bits*"),
    "block of another parameter": (
        [("update.cu", "while (block >= all.end[t]) ++t;", "while (block > all.end[t]) ++t;")],
        "update.cu", "parameters are updated*"),
    "workspace not given": (
        [("gemm.cpp", "  check(cublasSetWorkspace(on.blas(), workspace, product_workspace),"
          " \"cublasSetWorkspace\");\n", "  static_cast<void>(workspace);\n")],
        "gemm.cpp", "a step takes*"),
    "operand not rounded": (
        [("own_convolution.cuh", "return from ? rounding(gpu::load(from + term * pitch)) : T(0);",
          "return from ? gpu::load(from + term * pitch) : T(0);")],
        "own_convolution.cu", "operands of convolutions are rounded to half*"),
    "status ignored": (
        [("context.cpp", "  on.keep(status);\n", "")],
        "context.cpp", "an error of a release*"),
}


class Failure(Exception):
    pass


class Build:
    """The compile and link commands of a build folder, applied to files elsewhere."""

    def __init__(self, folder, root):
        self.folder, self.kernels = folder, root / "kernels"
        entries = json.loads((folder / "compile_commands.json").read_text(encoding="utf-8"))
        self.compiles = {}
        for entry in entries:
            file = pathlib.Path(entry["file"])
            if file.parent == self.kernels and "retrace_cuda_emulated" in entry["command"]:
                self.compiles[file.name] = (shlex.split(entry["command"]), entry["directory"])
        commands = subprocess.run(["ninja", "-C", str(folder), "-t", "commands", "test_cuda"],
                                  capture_output=True, text=True, check=True).stdout.splitlines()
        self.link = next(line for line in reversed(commands) if "-o tests/test_cuda " in line)

    def compile(self, source, folder):
        """Compiles folder/kernels/<source>; returns the object."""
        command, directory = self.compiles[source]
        ours, theirs = folder / "kernels" / source, str(self.kernels / source)
        target = folder / (source + ".o")
        command = [str(ours) if word == theirs else word for word in command]
        command[command.index("-o") + 1] = str(target)
        run(command, directory)
        return target

    def program(self, objects, folder):
        """Links test_cuda with the objects instead of the library's own."""
        target = folder / "test_cuda"
        first = " ".join(shlex.quote(str(each)) for each in objects)
        command = self.link.replace("-o tests/test_cuda ", f"-o {shlex.quote(str(target))} ")
        if command.count(f" {LIBRARY}") < 1:
            raise Failure(f"test_cuda is not linked to {LIBRARY}")
        run(["sh", "-c", command.replace(f" {LIBRARY}", f" {first} {LIBRARY}", 1)], self.folder)
        return target


def run(command, directory):
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failure(f"{shlex.join(map(str, command))}\n{result.stdout}{result.stderr}")


def changed_copy(kernels, folder, changes):
    shutil.copytree(kernels, folder / "kernels")
    for file, text, becomes in changes:
        path = folder / "kernels" / file
        content = path.read_text(encoding="utf-8")
        if text not in content:
            raise Failure(f"{file} no longer contains: {text.strip()}")
        path.write_text(content.replace(text, becomes), encoding="utf-8")


def test(program, tests):
    """Returns whether the tests pass, and the first failure."""
    try:
        result = subprocess.run([program, "--warn", "NoTests", "--abort", tests],
                                capture_output=True, text=True, check=False, timeout=200)
    except subprocess.TimeoutExpired as expired:
        raise Failure(f"{tests} did not end") from expired
    lines = [line.strip() for line in result.stdout.splitlines() if line.strip()]
    why = next((line for line in lines if "CHECK(" in line or "kernel " in line), "")
    if "No test cases matched" in result.stdout + result.stderr:
        raise Failure(f"there are no tests {tests}")
    return result.returncode == 0, why or (lines[-1] if lines else "")


def check(build, name):
    """Tests one mutant. Returns "" if it is found, or the problem."""
    changes, source, tests = MUTANTS[name]
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as path:
        folder = pathlib.Path(path)
        changed_copy(build.kernels, folder, changes)
        passes, why = test(build.program([build.compile(source, folder)], folder), tests)
    print(f"{name}: {'NOT FOUND' if passes else 'found'} by '{tests}' "
          f"({time.monotonic() - start:.0f} s) {why}", flush=True)
    return f"{name} is not found by '{tests}'" if passes else ""


def check_unchanged(build, names):
    sources = sorted({MUTANTS[name][1] for name in names})
    tests = ",".join(sorted({MUTANTS[name][2] for name in names}))
    with tempfile.TemporaryDirectory(prefix="mutant-") as path:
        folder = pathlib.Path(path)
        changed_copy(build.kernels, folder, [])
        program = build.program([build.compile(source, folder) for source in sources], folder)
        passes, why = test(program, tests)
    print(f"unchanged: {'passes' if passes else 'FAILS'} {tests} {why}", flush=True)
    return "" if passes else "the unchanged kernels fail"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--only", choices=sorted(MUTANTS))
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    names = [arguments.only] if arguments.only else list(MUTANTS)
    build = Build(arguments.build.resolve(), pathlib.Path(__file__).resolve().parents[2])
    wrong = []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        jobs = [pool.submit(check_unchanged, build, names)]
        jobs += [pool.submit(check, build, name) for name in names]
        for job in jobs:
            try:
                wrong.append(job.result())
            except Failure as failure:
                wrong.append(str(failure))
    wrong = [text for text in wrong if text]
    print("\n".join(wrong) or f"{len(names)} mutants found")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
