#!/usr/bin/env python3
"""Every command in the documents can be given: its program is there and has the options, by its help or, if not built, its sources."""

import functools
import json
import os
import re
import shlex
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "consumers"))
from installation import Build, run  # noqa: E402
from markdown import ROOT, documents  # noqa: E402

BUILD = Build(sys.argv.pop(1))
PLACES = ("examples", "benchmarks", "tests")  # of programs: in the build folder, and their sources
ELSEWHERE = {"apt-get", "cd", "clang-format", "conan", "echo", "g++", "git", "mpicxx", "mpirun",
             "pkg-config", "srun", "vcpkg"}
PASSES_ON = {"quickstart.sh": "train_cifar10", "text_quickstart.sh": "train_text"}  # all options, and builds before it does
OPTION = re.compile(r"^--[a-z][\w-]*")


def commands(line):
    """The words of each command in a line of shell, without settings of variables in front."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split, command = True, []
    for word in [*lexer, ";"]:
        if re.fullmatch(r"[();<>|&]+", word):
            if command:
                yield command
            command = []
        elif command or not re.match(r"\w+=", word):
            command.append(word)


def first_word(text):
    return text.split()[0] if text.split() else ""


def program(name):
    """Its path, or None: one of the build's, by path or by name alone, or a script of the project."""
    places = [BUILD.folder / name.removeprefix("build/"), ROOT / name]
    if "/" not in name:
        places = [BUILD.folder / place / name for place in PLACES] + [ROOT / place / name for place in PLACES]
    return next((path for path in places if path.is_file() and os.access(path, os.X_OK)), None)


@functools.cache
def sources_of(name):
    """Of a program that the project has, be it in this build or not; empty for any other."""
    stem = Path(name).name
    if not re.fullmatch(r"[a-z]\w*", stem):
        return ""
    paths = [path for place in PLACES for path in (*(ROOT / place).glob(f"**/{stem}.cpp"), *(ROOT / place).glob(f"{stem}/*.cpp"))]
    for lists in (path for place in PLACES for path in (ROOT / place).rglob("CMakeLists.txt")):
        if re.search(rf"retrace_add_program\({stem}\b", lists.read_text()):
            paths += lists.parent.rglob("*.cpp")
    return "\n".join(path.read_text() for path in paths)


@functools.cache
def help_of(path):
    done = run(path, "--help")
    stopped = done.returncode != 0 and path.suffix in (".py", ".sh")  # as where a module of Python's is missing
    return done.stdout + done.stderr + (path.read_text() if stopped else "")


@functools.cache
def sources():
    return "\n".join(path.read_text() for place in PLACES for path in (ROOT / place).rglob("*")
                     if path.suffix in (".cpp", ".hpp", ".py", ".sh") and path.parent.name != "docs")


def names(text, option):
    return re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text) is not None


@functools.cache
def tests():
    return re.findall(r"Test +#\d+: (\S+)", run("ctest", "--test-dir", BUILD.folder, "-N").stdout)


@functools.cache
def targets():
    """Of Ninja; empty for another generator."""
    if BUILD.setting("CMAKE_GENERATOR") != "Ninja":
        return set()
    return set(re.findall(r"^([^:\n]+): ", run("ninja", "-C", BUILD.folder, "-t", "targets", "all").stdout, re.MULTILINE))


def presets():
    listed = json.loads((ROOT / "CMakePresets.json").read_text())
    return {preset["name"] for preset in listed["configurePresets"]}


def wrong_with_tool(words):
    """Yields what is wrong with a call of cmake, ninja or ctest."""
    text = " ".join(words)
    settings = (ROOT / "CMakeLists.txt").read_text()
    for name in re.findall(r"-D ?(RETRACE_\w+)", text):
        if not re.search(rf"(option|set)\({name}\b", settings):
            yield f"CMake has no setting {name}"
    for name in re.findall(r"--preset[ =](\S+)", text):
        if name not in presets():
            yield f"there is no preset {name}"
    wanted = re.findall(r"--target ((?:[a-z]\w*(?: |$))+)", text) if words[0] == "cmake" else []
    if words[0] == "ninja":
        wanted = [" ".join(word for word in words[1:] if re.fullmatch(r"[a-z]\w*", word) and word != "build")]
    for name in " ".join(wanted).split():
        if targets() and name not in targets() and not sources_of(name):
            yield f"there is no target {name}"
    for pattern in re.findall(r"(?:-R|--tests-regex) (\S+)", text):
        if not any(re.search(pattern, test) for test in tests()):
            yield f"no test matches {pattern}"


def wrong_with(words, known=()):
    """Yields what is wrong with a command; one of another project has to be among the known."""
    name = words[0]
    name = PASSES_ON.get(Path(name).name, name)
    path = program(name)
    if path or sources_of(name):
        for option in filter(None, map(OPTION.match, words[1:])):
            if not names(help_of(path) if path else sources_of(name), option[0]):
                yield f"{name} has no option {option[0]}"
    elif name in ("cmake", "ninja", "ctest", "cpack"):
        yield from wrong_with_tool(words)
    elif name not in known:
        yield f"there is no program {name}"


def wrong_with_span(text):
    """Yields what is wrong with code within a sentence that is a command, or options of one."""
    if OPTION.match(text):
        for option in filter(None, map(OPTION.match, text.split())):
            if not names(sources(), option[0]):
                yield f"no program has an option {option[0]}"
    elif text.startswith("-D "):
        yield from wrong_with_tool(["cmake", *text.split()])
    elif program(first_word(text)) or re.match(r"(\./)?(build|examples|benchmarks|tests)/[\w/]+(\.sh|\.py)? ", text):
        for words in commands(text):
            yield from wrong_with(words)


class Commands(unittest.TestCase):
    def check(self, document, line, problems):
        with self.subTest(f"{document.name}:{line}"):
            self.assertEqual(list(problems), [])

    def test_blocks(self):
        for document in documents():
            for block in document.blocks:
                lines = block.text.replace("\\\n", " ").splitlines()
                if block.comment == "run":
                    continue  # by code_blocks_test.py
                if block.language != "sh" and not any(
                        block.language == "" and (program(first_word(line)) or first_word(line) in ("cmake", "ninja", "ctest"))
                        for line in lines):
                    continue
                for line in lines:
                    for words in commands(line):
                        self.check(document, block.line, wrong_with(words, ELSEWHERE))

    def test_within_sentences(self):
        for document in documents():
            if document.name == "docs/CHANGELOG.md":
                continue  # it tells of what is no more, too
            for line, text in document.code_spans:
                self.check(document, line, wrong_with_span(text))


if __name__ == "__main__":
    unittest.main(verbosity=2)
