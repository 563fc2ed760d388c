"""Reports the measurements as a table, as JSON and as a chart."""

from dataclasses import dataclass, field
from html import escape
from statistics import median

from rows import TARGETS, Row


@dataclass
class Measurement:
    row: Row
    batch: int
    parameters: int
    format: str = ""  # the faster of PyTorch's memory formats
    seconds: list = field(default_factory=list)  # per step, one entry per round
    resident_bytes: int = 0  # peak growth of the process compared with before building a network
    loss: float = 0

    @property
    def images_per_second(self):
        return self.batch / median(self.seconds)

    def json(self):
        return {
            "row": self.row.key, "library": self.row.library, "network": self.row.network,
            "channels": self.row.channels, "blocks": self.row.blocks, "mode": self.row.mode,
            "format": self.format or None, "parameters": self.parameters, "batch": self.batch,
            "images_per_second": self.images_per_second, "step_seconds": median(self.seconds),
            "all_step_seconds": self.seconds, "resident_bytes": self.resident_bytes or None, "loss": self.loss,
        }


def ratios(images_per_second, targets=TARGETS):
    """Returns the ratio of every target whose two rows were measured: name -> (ratio, target).

    >>> from rows import Target
    >>> ratios({"a": 30, "b": 20}, [Target("a", "b", 1.4), Target("a", "c", 1.0)])
    {'a_over_b': (1.5, Target(above='a', below='b', least=1.4))}
    """
    return {t.name: (images_per_second[t.above] / images_per_second[t.below], t)
            for t in targets if t.above in images_per_second and t.below in images_per_second}


def all_ratios(measurements):
    return ratios({m.row.key: m.images_per_second for m in measurements})


def print_lines(lines, left, markdown):
    """Prints a table. The first `left` columns are text, the others numbers."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    edge, between = ("| ", " | ") if markdown else ("", "  ")
    for number, line in enumerate(lines):
        cells = (cell.ljust(width) if i < left else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(line, widths)))
        print((edge + between.join(cells) + edge[::-1]).rstrip())
        if markdown and number == 0:
            print("|" + "|".join("-" * (w + 1) + ("-" if i < left else ":") for i, w in enumerate(widths)) + "|")


def print_report(measurements, markdown):
    lines = [("network", "library", "mode", "format", "parameters", "images/s", "from", "to", "peak")]
    for m in measurements:
        rates = [m.batch / seconds for seconds in m.seconds]
        lines.append((m.row.title, m.row.library, m.row.mode, m.format, f"{m.parameters / 1e6:.2f} M",
                      f"{m.images_per_second:.0f}", f"{min(rates):.0f}", f"{max(rates):.0f}",
                      f"{m.resident_bytes / 1e6:.0f} MB" if m.resident_bytes else ""))
    print_lines(lines, 4, markdown)
    print("\nImages/s: median over the rounds; from, to: the slowest and the fastest round. Peak: growth of the resident\n"
          "memory of a separate process, compared with before it builds the network.\n")
    lines = [("images/s", "over", "ratio", "at least", "")]
    for ratio, target in all_ratios(measurements).values():
        lines.append((target.above, target.below, f"{ratio:.2f}", f"{target.least:.2f}",
                      "met" if ratio >= target.least else "MISSED"))
    if len(lines) > 1:
        print_lines(lines, 2, markdown)


def as_json(machine, torch, measurements):
    found = all_ratios(measurements)
    return {"machine": machine, "torch": torch, "rows": [m.json() for m in measurements],
            "ratios": {name: ratio for name, (ratio, _) in found.items()},
            "targets": {name: {"least": target.least, "met": ratio >= target.least}
                        for name, (ratio, target) in found.items()}}


def as_svg(measurements, note):
    """Draws bars of images per second, in the order of the measurements."""
    left, width, row, top = 250, 480, 24, 70
    colours = {"retrace": "#2f6fc0", "pytorch": "#d9963a"}
    largest = max(m.images_per_second for m in measurements)
    bottom = top + row * len(measurements)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 150}" height="{bottom + 40}" '
             f'viewBox="0 0 {left + width + 150} {bottom + 40}" '
             'font-family="Helvetica, Arial, DejaVu Sans, sans-serif" font-size="13" fill="#24292f">',
             f'<rect width="{left + width + 150}" height="{bottom + 40}" fill="#ffffff"/>',
             '<text x="20" y="28" font-size="17" font-weight="bold">Images per second in training</text>',
             f'<text x="20" y="51" fill="#57606a">{escape(note)}</text>']
    for i, m in enumerate(measurements):
        y, bar = top + row * i, width * m.images_per_second / largest
        memory = f", {m.resident_bytes / 1e6:.0f} MB" if m.resident_bytes else ""
        parts += [f'<text x="{left - 8}" y="{y + 16}" text-anchor="end">{escape(m.row.title)} {escape(m.row.mode)}'
                  f' ({"Retrace" if m.row.library == "retrace" else "PyTorch"})</text>',
                  f'<rect x="{left}" y="{y + 3}" width="{bar:.1f}" height="{row - 6}" '
                  f'fill="{colours[m.row.library]}"/>',
                  f'<text x="{left + bar + 6:.1f}" y="{y + 16}">{m.images_per_second:.0f}{memory}</text>']
    parts.append(f'<text x="{left}" y="{bottom + 24}" fill="#57606a">'
                 'images per second, and the peak growth of resident memory</text></svg>')
    return "\n".join(parts) + "\n"
