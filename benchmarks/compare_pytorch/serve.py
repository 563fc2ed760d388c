"""Runs PyTorch training steps on request: one line of JSON in, one line out, like `step_time --serve`."""

import argparse
import json
import sys
import time

import torch
import torch.nn.functional as F

import networks

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def process_memory(field):
    """Returns a value of /proc/self/status in bytes."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def memcnn_version():
    try:
        import memcnn
    except Exception:  # optional, so any import error means it is missing
        return None
    return getattr(memcnn, "__version__", "unknown")


class Row:
    """A network, its optimizer and its training batch."""

    def __init__(self, request):
        layout = FORMATS[request["format"]]
        self.net = networks.build(request["network"], request["channels"], request["blocks"], request["mode"])
        self.net = self.net.to(memory_format=layout).train()
        weights = [p for p in self.net.parameters() if p.dim() > 1]
        others = [p for p in self.net.parameters() if p.dim() <= 1]
        self.optimizer = torch.optim.SGD(
            [{"params": weights, "weight_decay": 5e-4}, {"params": others, "weight_decay": 0}], lr=1e-3, momentum=0.9)
        count = request["batch"]
        self.images = torch.randn(count, 3, 32, 32).contiguous(memory_format=layout)
        self.labels = torch.arange(count) % 10

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self.net(self.images), self.labels)
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Server:
    def __init__(self):
        self.rows = {}

    def describe(self, _):
        return {"version": torch.__version__, "threads": torch.get_num_threads(), "memcnn": memcnn_version(),
                "python": sys.version.split()[0], "build": torch.__config__.show()}

    def prepare(self, request):
        row = self.rows[request["row"]] = Row(request)
        return {"parameters": [p.numel() for p in row.net.parameters()]}

    def step(self, request):
        row = self.rows[request["row"]]
        start = time.perf_counter()
        for _ in range(request["steps"]):
            loss = row.step()
        return {"seconds": time.perf_counter() - start, "loss": loss}

    def drop(self, request):
        del self.rows[request["row"]]
        return {}

    def resident(self, _):
        return {"bytes": process_memory("VmRSS"), "peak_bytes": process_memory("VmHWM")}

    def answer(self, request):
        what = request.get("do")
        if what not in ("describe", "prepare", "step", "drop", "resident"):
            raise ValueError(f"there is no request '{what}'")
        return getattr(self, what)(request)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    server = Server()
    for line in iter(sys.stdin.readline, ""):
        try:
            answer = server.answer(json.loads(line))
        except Exception as error:  # reported to the caller
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
