#!/usr/bin/env python3
"""The code of the documents compiles, links and runs, and prints what they say it prints (docs/contributing.md)."""

import ast
import json
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "consumers"))
from installation import Build, install, run  # noqa: E402
from markdown import ROOT, documents  # noqa: E402

BUILD = Build(sys.argv.pop(1))
NOT_RUN, GIVEN, FILE, RUN = "not run: ", "given: ", "file: ", "run"
BLOCKS = [block for document in documents() for block in document.blocks if not block.comment.startswith(NOT_RUN)]


def blocks(language):
    return [block for block in BLOCKS if block.language == language]


def is_program(block):
    return "int main(" in block.text


def output_of(block):
    """What the block is said to print: the block behind it, if its language is `output`."""
    after = [other for other in BLOCKS if other.document == block.document and other.line > block.line]
    return after[0].text if after and after[0].language == "output" else None


class CodeBlocks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        # Programs that CMake builds are compiled as quickly as the others.
        cls.environment = {"CMAKE_BUILD_TYPE": "Plain", "CXXFLAGS": "-O1", "XDG_CACHE_HOME": str(cls.folder / "cache"), "CMAKE_CXX_COMPILER_LAUNCHER": BUILD.setting("CMAKE_CXX_COMPILER_LAUNCHER")}

    def succeeds(self, *command, folder=None, **environment):
        done = run(*command, folder=folder or self.folder, **self.environment, **environment)
        self.assertEqual(done.returncode, 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
        return done.stdout

    def prints(self, block, *command):
        printed, wanted = self.succeeds(*command), output_of(block)
        if wanted is not None:
            self.assertEqual(printed, wanted, f"{block} prints something else than the block behind it")

    def compiled(self, name, text, link=True):
        source = self.folder / f"{name}.cpp"
        source.write_text(text)
        flags = ["-std=c++20", "-O1", "-pthread", "-Wall", "-Wextra", "-Werror", "-Wno-unused", "-I", ROOT / "include", "-I", BUILD.eigen(),
                 "-I", ROOT / "tests" / "docs"]
        if not link:
            self.succeeds(*BUILD.compiler(), *flags, "-fsyntax-only", source)
        else:
            self.succeeds(*BUILD.compiler(), *flags, "-c", source, "-o", source.with_suffix(".o"))
            self.succeeds(*BUILD.compiler(), "-pthread", source.with_suffix(".o"), *BUILD.onednn(), "-o", source.with_suffix(""))
        return source.with_suffix("")

    def test_programs(self):
        for block in filter(is_program, blocks("cpp")):
            with self.subTest(str(block)):
                on_gpu = "retrace/cuda.hpp" in block.text  # it wants the library of kernels, and a GPU
                program = self.compiled(f"program{block.line}", f'#line {block.line} "{block.document}"\n{block.text}', not on_gpu)
                if not on_gpu:
                    self.prints(block, program)

    def test_fragments(self):
        """All in one program, each in a function of its own, with their `#include` lines in front."""
        fragments = [block for block in blocks("cpp") if not is_program(block) and (BUILD.onednn() or "/onednn/" not in block.text)]
        includes, functions, cases = [], [], []
        for number, block in enumerate(fragments):
            lines = block.text.splitlines()
            includes += [line for line in lines if line.startswith("#include")]
            given = block.comment.removeprefix(GIVEN) if block.comment.startswith(GIVEN) else ""
            body = "\n".join("" if line.startswith("#include") else line for line in lines)
            functions.append(f"struct Fragment{number} : AroundFragment {{\nvoid run() {{ {given}\n"
                             f'#line {block.line} "{block.document}"\n{body}\n}}\n}};\n')
            cases.append(f"if (number == {number}) Fragment{number}().run();\n")
        program = self.compiled("fragments", "\n".join((
            '#include "around_fragments.hpp"', *includes, "using namespace retrace;", *functions,
            "int main(int, char** arguments) {", "const int number = std::stoi(arguments[1]);", *cases, "}", "")))
        for number, block in enumerate(fragments):
            with self.subTest(str(block)):
                self.prints(block, program, number)

    def test_cmake(self):
        """Each is the part of a CMakeLists.txt that finds the library."""
        install(self.folder / "package", self.folder / "prefix")
        for block in blocks("cmake"):
            if block.comment.startswith(FILE) or "Retrace::cuda" in block.text:  # what is installed here is headers alone
                continue
            with self.subTest(str(block)):
                project = self.folder / f"cmake{block.line}"
                project.mkdir()
                (project / "app.cpp").write_text("#include <retrace/core/shape.hpp>\nint main() {}\n")
                (project / "CMakeLists.txt").write_text(
                    f"cmake_minimum_required(VERSION 3.22)\nproject(app LANGUAGES CXX)\nadd_executable(app app.cpp)\n{block.text}")
                self.succeeds("cmake", "-S", project, "-B", project / "build", "-D", f"CMAKE_PREFIX_PATH={self.folder / 'prefix'}")
                self.succeeds("cmake", "--build", project / "build")

    def test_steps(self):
        """Files and the commands that use them, in a folder for each document where `retrace` is the project."""
        for block in BLOCKS:
            if not block.comment.startswith(FILE) and block.comment != RUN:
                continue
            folder = self.folder / block.document.replace("/", "_")
            folder.mkdir(exist_ok=True)
            if block.comment.startswith(FILE):
                (folder / block.comment.removeprefix(FILE)).write_text(block.text)
                continue
            if not (folder / "retrace").exists():
                (folder / "retrace").symlink_to(ROOT)
            with self.subTest(str(block)):
                printed, wanted = self.succeeds("bash", "-euc", block.text, folder=folder), output_of(block)
                if wanted is not None:
                    self.assertTrue(printed.endswith(wanted), f"{block} prints\n{printed}and not the block behind it")

    def test_other_languages(self):
        for block in blocks("json"):
            with self.subTest(str(block)):
                json.loads(block.text)
        for block in blocks("python"):
            with self.subTest(str(block)):
                ast.parse(block.text)
        known = {"", "cpp", "cmake", "sh", "output", "json", "python", "text"}
        self.assertEqual([f"{block}: {block.language}" for block in BLOCKS if block.language not in known], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
