#!/usr/bin/env python3
"""Checks who may include whom, and what the folders may hold.

usage: include_arrows.py ROOT | --self-test

    core <- math <- {cpu, cuda}      cpu <- {onednn, interop}      core, math <- layer <- net <- train      {core, math, cuda} <- kernels
    net <- ode      {cpu, net} <- check      {cpu, train} <- parallel
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

# The folders of include/retrace, and kernels, each with those it may include beside itself.
ARROWS = {
    "core": set(),
    "math": {"core"},
    "cpu": {"core", "math"},
    "cuda": {"core", "math"},
    "onednn": {"core", "math", "cpu"},
    "layer": {"core", "math"},
    "net": {"core", "math", "layer"},
    "ode": {"core", "math", "layer", "net"},
    "train": {"core", "math", "layer", "net"},
    "check": {"core", "math", "cpu", "layer", "net"},
    "interop": {"core", "math", "cpu"},
    "parallel": {"core", "math", "cpu", "layer", "net", "train"},
    "kernels": {"core", "math", "cuda"},
}
# The headers beside those folders.
UMBRELLAS = {
    "retrace.hpp": {"core", "math", "cpu", "layer", "net", "ode", "train", "interop"},
    "check.hpp": {"check"},
    "flows.hpp": {"core", "math", "cpu", "layer", "net", "train"},
    "cuda.hpp": {"core", "math", "cpu", "cuda", "layer", "net", "train", "retrace.hpp"},
}
NO_CONDITIONALS = {"layer", "net", "ode"}
LONGEST_HEADER = 400  # tests/tidy.sh has the longest function
PROGRAMS = ("tests", "examples", "benchmarks")
TOP_LEVEL = {
    "CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md",
    "include", "kernels", "tests", "examples", "benchmarks", "docs",
}

INCLUDE = re.compile(r'\s*#\s*include\s*(["<])([^">]+)[">]')
CONDITIONAL = re.compile(r"\s*#\s*(if|ifdef|ifndef|elif|elifdef|elifndef)\b")


def files_below(folder):
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield os.path.join(where, name)


def included(root, path, quote, name):
    """What `name` means in the file `path`: a path below include/retrace, or None if foreign."""
    library = os.path.join(root, "include", "retrace")
    places = [os.path.join(root, "include", name)]
    if quote == '"':
        places.insert(0, os.path.join(os.path.dirname(path), name))
    found = next((place for place in places if os.path.isfile(place)), places[-1])
    inside = os.path.relpath(os.path.normpath(found), library)
    return None if inside.startswith("..") else inside


def check_length(root, path, lines):
    if path.endswith((".hpp", ".h", ".cuh")) and len(lines) > LONGEST_HEADER:
        yield f"{os.path.relpath(path, root)}: {len(lines)} lines, but a header has at most {LONGEST_HEADER}"


def check_file(root, path, group, allowed):
    """Yields what is wrong with one source; `group` is its folder, or its name for an umbrella."""
    shown = os.path.relpath(path, root)
    with open(path, encoding="utf-8") as source:
        lines = source.read().splitlines()
    yield from check_length(root, path, lines)
    for number, line in enumerate(lines, 1):
        if group in NO_CONDITIONALS and CONDITIONAL.match(line):
            yield f"{shown}:{number}: {line.strip()}: {group}/ has no conditional compilation"
        match = INCLUDE.match(line)
        target = match and included(root, path, *match.groups())
        if not target:
            continue
        folder = target.split(os.sep)[0]
        if folder != group and folder not in allowed:
            yield f"{shown}:{number}: {group} may not include {target}"
        elif not os.path.isfile(os.path.join(root, "include", "retrace", target)):
            yield f"{shown}:{number}: there is no {target}"


def top_level(root):
    """The names at the root that belong to the project: those git knows, where it is used."""
    if os.path.exists(os.path.join(root, ".git")) and shutil.which("git"):
        listing = subprocess.run(["git", "-C", root, "ls-files", "-z"], capture_output=True,
                                 text=True, check=False)
        if listing.returncode == 0:
            return {name.split("/")[0] for name in listing.stdout.split("\0") if name}
    return {name for name in os.listdir(root) if name != "data" and not name.startswith("build")}


def problems(root):
    library = os.path.join(root, "include", "retrace")
    for path in files_below(library):
        group = os.path.relpath(path, library).split(os.sep)[0]
        allowed = ARROWS.get(group, UMBRELLAS.get(group))
        if allowed is None:
            yield f"{os.path.relpath(path, root)}: nothing is known about include/retrace/{group}"
        else:
            yield from check_file(root, path, group, allowed)
    for path in files_below(os.path.join(root, "kernels")):
        if path.endswith((".cu", ".cuh", ".cpp", ".hpp")):
            yield from check_file(root, path, "kernels", ARROWS["kernels"])
    for folder in PROGRAMS:
        for path in files_below(os.path.join(root, folder)):
            if path.endswith(".hpp"):
                with open(path, encoding="utf-8") as source:
                    yield from check_length(root, path, source.read().splitlines())
    for name in sorted(top_level(root)):
        if name not in TOP_LEVEL and not name.startswith("."):
            yield f"{name}: not among the files and folders of the top level"


def self_test():
    """A small tree without a problem, and one change at a time that must be found."""
    good = {
        "README.md": "",
        ".gitignore": "",
        "include/retrace/core/shape.hpp": "#pragma once\n#if 1\n#endif\n",
        "include/retrace/math/relu.hpp": '#include "retrace/core/shape.hpp"\n',
        "include/retrace/cpu/gemm.hpp": '#include <Eigen/Core>\n#include "retrace/math/relu.hpp"\n',
        "include/retrace/onednn/conv.hpp": '#if 1\n#include "retrace/cpu/gemm.hpp"\n#endif\n',
        "include/retrace/layer/relu.hpp": '#include <vector>\n#include "retrace/math/relu.hpp"\n',
        "include/retrace/net/chain.hpp": '#include "retrace/layer/relu.hpp"\n',
        "include/retrace/interop/eigen.hpp": '#include "retrace/cpu/gemm.hpp"\n',
        "include/retrace/train/sgd.hpp": '#include "retrace/net/chain.hpp"\n',
        "include/retrace/parallel/sum.hpp": '#include "retrace/train/sgd.hpp"\n',
        "include/retrace/check/layer.hpp": '#include "retrace/net/chain.hpp"\n',
        "include/retrace/check.hpp": '#include "retrace/check/layer.hpp"\n',
        "include/retrace/retrace.hpp": '#include "retrace/cpu/gemm.hpp"\n',
        "kernels/relu.cu": '#include "retrace/math/relu.hpp"\n',
    }
    bad = {
        "include/retrace/core/a.hpp": '#include "retrace/math/relu.hpp"\n',
        "include/retrace/math/a.hpp": '#include "retrace/layer/relu.hpp"\n',
        "include/retrace/cpu/a.hpp": '#include "retrace/layer/relu.hpp"\n',
        "include/retrace/layer/a.hpp": '#include "retrace/cpu/gemm.hpp"\n',
        "include/retrace/layer/b.hpp": '#include "../cpu/gemm.hpp"\n',
        "include/retrace/layer/c.hpp": "# include <retrace/cpu/gemm.hpp>\n",
        "include/retrace/layer/d.hpp": '#include "retrace/net/chain.hpp"\n',
        "include/retrace/layer/e.hpp": '#include "retrace/retrace.hpp"\n',
        "include/retrace/layer/f.hpp": "  #  ifdef __CUDACC__\n#endif\n",
        "include/retrace/cpu/b.hpp": '#include "retrace/onednn/conv.hpp"\n',
        "include/retrace/onednn/a.hpp": '#include "retrace/layer/relu.hpp"\n',
        "include/retrace/net/a.hpp": "#if 1\n#endif\n",
        "include/retrace/net/b.hpp": '#include "retrace/train/sgd.hpp"\n',
        "include/retrace/net/c.hpp": '#include "retrace/layer/missing.hpp"\n',
        "include/retrace/net/d.hpp": '#include "retrace/check/layer.hpp"\n',
        "include/retrace/net/e.hpp": '#include "retrace/parallel/sum.hpp"\n',
        "include/retrace/parallel/a.hpp": '#include "retrace/check/layer.hpp"\n',
        "include/retrace/train/a.hpp": '#include "retrace/cpu/gemm.hpp"\n',
        "include/retrace/interop/a.hpp": '#include "retrace/net/chain.hpp"\n',
        "include/retrace/cpu/c.hpp": '#include "retrace/interop/eigen.hpp"\n',
        "include/retrace/train/b.hpp": "\n" * (LONGEST_HEADER + 1),
        "include/retrace/extra/a.hpp": "",
        "kernels/a.cu": '#include "retrace/layer/relu.hpp"\n',
        "tests/support/a.hpp": "\n" * (LONGEST_HEADER + 1),
        "notes.txt": "",
    }

    def found(files):
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = os.path.join(root, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
            return list(problems(root))

    if found(good):
        yield f"reported in a tree without a problem: {found(good)}"
    for name, text in bad.items():
        reported = found({**good, name: text})
        if len(reported) != 1 or not reported[0].startswith(name):
            yield f"{name} with {text[:60]!r}: expected one problem there, got {reported}"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = list(self_test() if sys.argv[1] == "--self-test" else problems(sys.argv[1]))
    print("\n".join(found) or "no problem found")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
