#!/usr/bin/env python3
"""Writes the data frame of an R data file (.rda) as CSV, without R:  rda_to_csv.py FILE.rda > FILE.csv

Reads version 2 and 3 of R's format "X" (R Internals, section 1.8), uncompressed or compressed by gzip, bzip2 or xz.
Columns are numbers, factors and texts. A missing value is an empty field.
"""
import bz2
import csv
import gzip
import lzma
import math
import struct
import sys

OPENERS = {b"\x1f\x8b": gzip.decompress, b"BZ": bz2.decompress, b"\xfd7": lzma.decompress}
MISSING = -2**31
SYMBOL, PAIRLIST, CHARS, LOGICALS, INTEGERS, REALS, TEXTS, LIST, REFERENCE, NIL = 1, 2, 9, 10, 13, 14, 16, 19, 255, 254


class Damaged(Exception):
    pass


class Reader:
    """Reads objects as lists or dictionaries; `of` has the attributes of each list by its identity."""

    def __init__(self, content):
        self.content, self.at, self.symbols, self.of = content, 0, [], {}

    def take(self, count):
        if count < 0 or self.at + count > len(self.content):
            raise Damaged("it ends too early")
        self.at += count
        return self.content[self.at - count:self.at]

    def integers(self, count):
        return list(struct.unpack(f">{count}i", self.take(4 * count)))

    def integer(self):
        return self.integers(1)[0]

    def object(self):
        flags = self.integer()
        kind = flags & 0xFF
        if kind == NIL:
            return {}
        if kind == REFERENCE:
            return self.symbols[(flags >> 8) - 1]
        if kind == SYMBOL:
            self.symbols.append(self.object())
            return self.symbols[-1]
        if kind == PAIRLIST:
            return self.pairs(flags)
        length = self.integer()
        if kind == CHARS:
            return None if length == -1 else self.take(length).decode("utf-8", "replace")
        if kind in (LOGICALS, INTEGERS):
            values = [None if each == MISSING else each for each in self.integers(length)]
        elif kind == REALS:
            values = [None if math.isnan(each) else each for each in struct.unpack(f">{length}d", self.take(8 * length))]
        elif kind in (TEXTS, LIST):
            values = [self.object() for _ in range(length)]
        else:
            raise Damaged(f"it has an object of kind {kind}, which is none of a data frame")
        if flags & 0x200:
            self.of[id(values)] = self.object()
        return values

    def pairs(self, flags):
        found = {}
        while flags & 0xFF == PAIRLIST:
            if flags & 0x200:
                self.object()
            name = self.object() if flags & 0x400 else None
            found[name] = self.object()
            flags = self.integer()
        return found


def read_frame(content):
    """Returns the names and the columns of the first data frame of a file."""
    content = next((opened(content) for start, opened in OPENERS.items() if content.startswith(start)), content)
    reader = Reader(content)
    if reader.take(7) not in (b"RDX2\nX\n", b"RDX3\nX\n"):
        raise Damaged("it is not an R data file")
    version = reader.integers(3)[0]
    if version == 3:
        reader.take(reader.integer())  # the encoding
    for value in reader.object().values():
        attributes = reader.of.get(id(value), {})
        if "data.frame" in attributes.get("class", []):
            return attributes["names"], [column(each, reader.of.get(id(each), {})) for each in value]
    raise Damaged("it has no data frame")


def column(values, attributes):
    """A factor has numbers from 1, and their texts as levels."""
    if "levels" not in attributes:
        return values
    return [None if each is None else attributes["levels"][each - 1] for each in values]


def text(value):
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def main():
    if len(sys.argv) != 2 or sys.argv[1] == "--help":
        print(__doc__, end="")
        return 0 if "--help" in sys.argv else 2
    try:
        with open(sys.argv[1], "rb") as file:
            names, columns = read_frame(file.read())
    except (Damaged, OSError, EOFError, struct.error, lzma.LZMAError, IndexError, KeyError, TypeError,
            AttributeError, RecursionError) as error:
        print(f"rda_to_csv.py: {sys.argv[1]}: {error}", file=sys.stderr)
        return 1
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(names)
    table.writerows(map(text, row) for row in zip(*columns))
    return 0


if __name__ == "__main__":
    sys.exit(main())
