#!/usr/bin/env python3
"""Python's safetensors loads what the trainer saves: names, shapes, numbers and metadata.

    safetensors_test.py BUILD

Does nothing where python3 has no safetensors and numpy (pip install safetensors numpy).
"""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile


def main():
    program = pathlib.Path(sys.argv[1]).resolve() / "examples" / "train_cifar10"
    if not program.exists():
        print("train_cifar10 was not built: nothing to test")
        return
    try:
        import numpy
        from safetensors import safe_open
        from safetensors.numpy import load_file
    except ImportError as missing:
        print(f"skipped: {missing}")
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [program, "--arch", "hybrid", "--channels", "8,32", "--blocks", "1,1", "--batch", "4",
             "--train-images", "8", "--eval-images", "4", "--steps", "3", "--threads", "1",
             "--checkpoint-dir", folder], check=True, capture_output=True)
        path = pathlib.Path(folder) / "checkpoint-00000003.safetensors"
        tensors = load_file(path)
        raw = path.read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8:8 + length])
        metadata = header.pop("__metadata__")
        assert set(tensors) == set(header)
        for name, tensor in tensors.items():
            begin, end = header[name]["data_offsets"]
            assert tensor.dtype == numpy.float32 and list(tensor.shape) == header[name]["shape"]
            assert tensor.tobytes() == raw[8 + length + begin:8 + length + end], name
            assert numpy.isfinite(tensor).all(), name
        assert tensors["stem.weight"].shape == (3, 3, 3, 8)
        assert tensors["momentum.stem.weight"].shape == (3, 3, 3, 8)
        assert (tensors["head.norm.running_variance"] > 0).all()
        with safe_open(path, framework="np") as file:
            assert file.metadata() == metadata and file.metadata()["step"] == "3"
    print(f"all passed: {len(tensors)} tensors")


if __name__ == "__main__":
    main()
