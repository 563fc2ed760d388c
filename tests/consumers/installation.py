"""A build of the project as seen from outside: its settings, and the library as its packages install it."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*command, folder=None, **environment):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, cwd=folder,
                          env={**os.environ, **environment})


class Build:
    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        self._cache = (self.folder / "CMakeCache.txt").read_text()

    def setting(self, name):
        """"" where the build has none of that name."""
        found = re.search(rf"^{name}:\w+=(.*)$", self._cache, re.MULTILINE)
        return found[1] if found else ""

    def eigen(self):
        """The folder of Eigen/Core: beside share/eigen3/cmake, in include/eigen3."""
        return Path(self.setting("Eigen3_DIR")).parents[2] / "include" / "eigen3"

    def compiler(self):
        """With what stands before it, such as ccache."""
        return [*filter(None, self.setting("CMAKE_CXX_COMPILER_LAUNCHER").split(";")), self.setting("CMAKE_CXX_COMPILER")]

    def onednn(self):
        """Options of the linker; none where the build is without it."""
        if self.setting("RETRACE_ONEDNN") != "ON":
            return []
        return ["-L", Path(self.setting("dnnl_DIR")).parents[1], "-ldnnl", "-fopenmp"]  # whose threads it sets


def install(folder, prefix):
    """Configures the headers alone in `folder`, where cpack can be called, and installs them below `prefix`."""
    for command in (("cmake", "-S", ROOT, "-B", folder, "-D", "RETRACE_TESTS=OFF", "-D", "RETRACE_CUDA=OFF",
                     "-D", "RETRACE_EXAMPLES=OFF", "-D", "RETRACE_BENCHMARKS=OFF"),
                    ("cmake", "--install", folder, "--prefix", prefix)):
        done = run(*command)
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
