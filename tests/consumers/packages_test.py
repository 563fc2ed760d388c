#!/usr/bin/env python3
"""Programs outside the tree: an installed library, its sources as a subdirectory, and the plain compiler's options."""

import re
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

from installation import ROOT, Build, install, run

BUILD = Build(sys.argv.pop(1))
APP = Path(__file__).resolve().parent / "app"
STANDARDS = ("20", "23")
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
COMPILERS = ("g++", "clang++")
VERSION = re.search(r"project\(Retrace VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
HEADERS = {str(path.relative_to(ROOT / "include")) for path in (ROOT / "include").rglob("*.hpp")}


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.prefix = cls.folder / "prefix"
        install(cls.folder / "package", cls.prefix)

    def succeeds(self, *command, **environment):
        done = run(*command, **environment)
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def for_each_compiler(self, compilers=COMPILERS):
        for compiler in compilers:
            if shutil.which(compiler) is None:
                print(f"{compiler} is not installed: left out", file=sys.stderr)
                continue
            with self.subTest(compiler):
                yield compiler

    def configure(self, build, *options, compiler="g++"):
        return run("cmake", "-S", APP, "-B", build, "-D", f"CMAKE_CXX_COMPILER={compiler}",
                   "-D", "CMAKE_CXX_FLAGS=-O0", "-D", f"CMAKE_PREFIX_PATH={self.prefix}",
                   *options)

    def builds_and_runs(self, name, *options, compilers=COMPILERS, standards=STANDARDS):
        for compiler in self.for_each_compiler(compilers):
            build = self.folder / f"{name}-{compiler}"
            done = self.configure(build, "-D", f"STANDARDS={';'.join(standards)}", *options, compiler=compiler)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.succeeds("cmake", "--build", build, "--parallel", 2)
            for standard in standards:
                self.assertIn("there and back", self.succeeds(build / f"app{standard}"))

    def test_find_package(self):
        self.builds_and_runs("installed")

    def test_add_subdirectory(self):
        """By one compiler: what it is given is what find_package gives it."""
        self.builds_and_runs("subdirectory", "-D", f"RETRACE_SOURCE={ROOT}", "-D", "RETRACE_CUDA=OFF",
                             compilers=COMPILERS[:1], standards=STANDARDS[:1])

    def test_plain_compiler(self):
        for compiler in self.for_each_compiler():
            for standard in STANDARDS:
                program = self.folder / f"plain-{compiler}-{standard}"
                names = [f"-std=c++{standard}", "-std=c++2b"]  # that of clang++ 14
                flag = next(name for name in names
                            if run(compiler, name, "-fsyntax-only", "-x", "c++", "/dev/null").returncode == 0)
                self.succeeds(compiler, flag, *WARNINGS, "-I", ROOT / "include", "-pthread",
                              APP / "main.cpp", "-o", program)
                self.assertIn("there and back", self.succeeds(program))

    def test_a_whole_network_compiles_without_a_warning(self):
        self.succeeds("g++", "-std=c++20", *WARNINGS, "-I", ROOT / "include", "-pthread",
                      "-fsyntax-only", ROOT / "examples" / "first_chain.cpp")

    @unittest.skipUnless(shutil.which("pkg-config"), "pkg-config is not installed")
    def test_pkg_config(self):
        path = {"PKG_CONFIG_PATH": str(self.prefix / "share" / "pkgconfig")}
        self.assertEqual(self.succeeds("pkg-config", "--modversion", "retrace", **path).strip(), VERSION)
        flags = self.succeeds("pkg-config", "--cflags", "--libs", "retrace", **path).split()
        self.assertIn("-pthread", flags)
        program = self.folder / "by-pkg-config"
        self.succeeds("g++", "-std=c++20", APP / "main.cpp", "-o", program, *flags)
        self.assertIn("there and back", self.succeeds(program))

    def test_versions_and_components(self):
        for options, pattern in (
                (("COMPONENTS=teleport",), "This installation of Retrace has no Retrace::teleport"),
                (("COMPONENTS=onednn", "CMAKE_DISABLE_FIND_PACKAGE_dnnl=ON"), r"Retrace::onednn needs oneDNN 2\.6 or newer"),
                (("COMPONENTS=mpi", "CMAKE_DISABLE_FIND_PACKAGE_MPI=ON"), "Retrace::mpi needs MPI"),
                (("COMPONENTS=", "VERSION=0.0.9"), rf"RetraceConfig.cmake, version: {VERSION}"),
                (("VERSION=0.2",), rf"RetraceConfig.cmake, version: {VERSION}"),
                (("VERSION=1.0",), rf"RetraceConfig.cmake, version: {VERSION}")):
            with self.subTest(options):
                done = self.configure(self.folder / "refused", *(part for option in options for part in ("-D", option)))
                self.assertNotEqual(done.returncode, 0)
                self.assertRegex(" ".join(done.stderr.split()), pattern)
        done = self.configure(self.folder / "refused", "-D", f"VERSION={VERSION}")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_onednn_is_a_component(self):
        if BUILD.setting("RETRACE_ONEDNN") != "ON":
            self.skipTest("the build under test has no oneDNN")
        done = self.configure(self.folder / "onednn", "-D", "COMPONENTS=onednn")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_mpi_is_a_component(self):
        if BUILD.setting("RETRACE_MPI") != "ON":
            self.skipTest("the build under test has no MPI")
        done = self.configure(self.folder / "mpi", "-D", "COMPONENTS=mpi")
        self.assertEqual(done.returncode, 0, done.stderr)

    @unittest.skipUnless(shutil.which("dpkg-deb"), "dpkg-deb is not installed")
    def test_debian_package(self):
        self.succeeds("cpack", "-G", "DEB", "--config", self.folder / "package" / "CPackConfig.cmake",
                      "-B", self.folder / "deb")
        package = self.folder / "deb" / f"libretrace-dev_{VERSION}_all.deb"
        fields = dict(re.findall(r"^(\S+): (.*)$", self.succeeds("dpkg-deb", "-f", package), re.MULTILINE))
        self.assertEqual((fields["Package"], fields["Version"], fields["Architecture"], fields.get("Depends")),
                         ("libretrace-dev", VERSION, "all", None))
        entries = [line.split(maxsplit=5)[5] for line in self.succeeds("dpkg-deb", "-c", package).splitlines()]
        files = {entry.removeprefix("./") for entry in entries if not entry.endswith("/")}
        self.assertEqual(files, {f"usr/include/{header}" for header in HEADERS} | {
            "usr/share/cmake/Retrace/RetraceConfig.cmake", "usr/share/cmake/Retrace/RetraceConfigVersion.cmake",
            "usr/share/cmake/Retrace/RetraceTargets.cmake", "usr/share/doc/libretrace-dev/copyright",
            "usr/share/pkgconfig/retrace.pc"})
        self.assertEqual(sorted(entries), sorted(set(entries)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
