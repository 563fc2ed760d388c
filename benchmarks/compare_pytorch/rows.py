"""The rows that are compared, and the targets of their ratios."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    library: str  # "retrace" or "pytorch"
    title: str
    network: str
    channels: tuple
    blocks: tuple
    mode: str

    @property
    def key(self):
        name = self.title.lower().replace("-32", "").replace("-", "")  # RevNet-32 is revnet, RevNet-40 revnet40
        return ("pytorch_" if self.library == "pytorch" else "") + name + "_" + self.mode

    @property
    def architecture(self):
        return self.network, self.channels, self.blocks

    def request(self):
        return {"network": self.network, "channels": self.channels, "blocks": self.blocks, "mode": self.mode}


NETWORKS = {
    "ResNet": ("resnet", (32, 64, 128, 256), (2, 2, 2, 2)),
    "RevNet-32": ("revnet", (32, 64, 128, 256), (4, 4, 4, 4)),
    "RevNet-40": ("revnet", (40, 80, 160, 320), (2, 2, 2, 2)),
    "hybrid": ("hybrid", (32, 128, 512, 512), (2, 2, 2, 1)),
}

MODES = {
    "retrace": {"ResNet": ("stored",), "RevNet-32": ("reversible", "stored"), "RevNet-40": ("reversible", "stored"),
                "hybrid": ("inverted", "reversible")},
    "pytorch": {"ResNet": ("stored", "checkpoint"),
                "RevNet-32": ("stored", "checkpoint", "reversible", "memcnn"),
                "RevNet-40": ("stored", "checkpoint", "reversible", "memcnn")},
}

ROWS = tuple(Row(library, title, *NETWORKS[title], mode)
             for library, networks in MODES.items() for title, modes in networks.items() for mode in modes)


@dataclass(frozen=True)
class Target:
    """Images per second of one row relative to another; `least` is the library's target."""

    above: str
    below: str
    least: float

    @property
    def name(self):
        return f"{self.above}_over_{self.below}"


TARGETS = (
    Target("revnet_reversible", "pytorch_resnet_stored", 1.5),
    Target("revnet40_reversible", "pytorch_resnet_stored", 1.0),
    Target("revnet_reversible", "pytorch_revnet_stored", 2.0),
    Target("revnet_reversible", "pytorch_revnet_reversible", 2.4),
    Target("revnet_reversible", "pytorch_revnet_memcnn", 3.2),
    Target("revnet40_reversible", "pytorch_revnet40_memcnn", 2.6),
    Target("hybrid_inverted", "pytorch_revnet40_memcnn", 1.5),
    Target("resnet_stored", "pytorch_resnet_stored", 1.5),
    Target("revnet_reversible", "revnet_stored", 0.8),
    Target("revnet_stored", "pytorch_revnet_stored", 1.8),
)
