#!/usr/bin/env python3
"""Checks that units compiled for different instruction sets share no function of the library.

usage: shared_symbols.py NM OBJECT OBJECT

Where two units define the same weak symbol, the linker keeps one definition for both: that of the
wider instruction set, if it comes first.
"""
import subprocess
import sys


def weak_symbols(nm, unit):
    """The demangled names of what the unit defines for the linker to choose from."""
    lines = subprocess.run([nm, "--demangle", "--defined-only", unit], check=True, capture_output=True,
                           text=True).stdout.splitlines()
    return {name for _, kind, name in (line.split(" ", 2) for line in lines) if kind in "WVu"}


def main():
    nm, first, second = sys.argv[1:]
    of_first, of_second = weak_symbols(nm, first), weak_symbols(nm, second)
    library = [name for name in of_first if "retrace::" in name]
    shared = sorted(name for name in of_first & of_second if "retrace::" in name)
    print(f"{len(library)} functions of the library in {first}, {len(shared)} of them shared with {second}")
    print("\n".join(shared))
    return 0 if library and not shared else 1


if __name__ == "__main__":
    sys.exit(main())
