#!/usr/bin/env python3
"""NumPy and PyTorch see the library's tensors, and it sees theirs, where they are.

    dlpack_python_test.py BUILD

Runs under python3 or /usr/bin/python3, whichever has NumPy; says so where neither has. PyTorch takes part where it is.
"""
import ctypes
import gc
import importlib.util
import os
import pathlib
import subprocess
import sys


def load(build):
    path = build / "tests" / "libinterop_dlpack.so"
    if not path.exists():
        print("skipped: libinterop_dlpack.so was not built")
        sys.exit()
    library = ctypes.CDLL(str(path))
    library.counting_tensor.restype = ctypes.c_void_p
    library.double_in_place.restype = ctypes.c_int64
    library.double_in_place.argtypes = [ctypes.c_void_p]
    library.live_bytes.restype = ctypes.c_size_t
    return library


def function(name, result, *arguments):
    made = getattr(ctypes.pythonapi, name)
    made.restype, made.argtypes = result, arguments
    return made


new_capsule = function("PyCapsule_New", ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
pointer_of = function("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
set_name = function("PyCapsule_SetName", ctypes.c_int, ctypes.py_object, ctypes.c_char_p)
TENSOR, USED = b"dltensor", b"used_dltensor"  # they have to outlive the capsules


class Exporter:
    """What from_dlpack() asks of an object: a capsule, once."""

    def __init__(self, pointer):
        self.pointer = pointer

    def __dlpack__(self, **_):
        return new_capsule(self.pointer, TENSOR, None)

    def __dlpack_device__(self):
        return 1, 0


def double(library, array):
    """By the library, on the memory of a NumPy array or a PyTorch tensor."""
    capsule = array.__dlpack__()
    pointer = pointer_of(capsule, TENSOR)
    set_name(capsule, USED)  # whoever takes the tensor over calls its deleter
    return library.double_in_place(pointer)


def check_numpy(library):
    import numpy
    array = numpy.from_dlpack(Exporter(library.counting_tensor()))
    assert array.shape == (2, 3, 4, 5) and array.dtype == numpy.float32
    assert (array.ravel() == numpy.arange(120)).all()
    assert library.live_bytes() == 480
    part = array[1, :, 2:]
    del array
    gc.collect()
    assert library.live_bytes() == 480 and part[0, 0, 0] == 70  # a slice keeps it alive
    del part
    gc.collect()
    assert library.live_bytes() == 0

    own = numpy.arange(48, dtype=numpy.float32).reshape(2, 2, 2, 6)
    before, references = own.copy(), sys.getrefcount(own)
    assert double(library, own) == 6 and (own == 2 * before).all()
    assert double(library, own[..., 1:4]) == 6  # some channels: pixels stay six apart
    before *= 2
    before[..., 1:4] *= 2
    assert (own == before).all()
    assert double(library, own.transpose(0, 3, 1, 2)) == -1  # not NHWC in memory
    assert double(library, own.astype(numpy.float64)) == -1
    assert (own == before).all() and sys.getrefcount(own) == references


def check_torch(library):
    import torch
    tensor = torch.from_dlpack(Exporter(library.counting_tensor()))
    assert tensor.shape == (2, 3, 4, 5) and tensor[1, 2, 3, 4] == 119
    del tensor
    gc.collect()
    assert library.live_bytes() == 0
    images = torch.ones(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    assert double(library, images.permute(0, 2, 3, 1)) == 3 and (images == 2).all()


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    if not importlib.util.find_spec("numpy"):
        other = "/usr/bin/python3"
        if os.path.realpath(sys.executable) != os.path.realpath(other) and os.path.exists(other):
            sys.exit(subprocess.run([other, __file__, str(build)], check=False).returncode)
        print("skipped: there is no NumPy")
        return
    library = load(build)
    check_numpy(library)
    torch = importlib.util.find_spec("torch")
    if torch:
        check_torch(library)
    print("all passed" if torch else "all passed; PyTorch skipped: it cannot be imported")


if __name__ == "__main__":
    main()
