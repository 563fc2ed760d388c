#!/usr/bin/env python3
"""The page that plot_run makes of logs: its structure, that it needs nothing from elsewhere, and
what it does about logs that are cut off or no logs.

    plot_run_test.py BUILD
"""
import html.parser
import json
import pathlib
import subprocess
import sys
import tempfile
import xml.dom.minidom

VOID = {"meta", "link", "br", "img", "input"}


class Page(html.parser.HTMLParser):
    """Counts elements, and fails on any that is not closed or could load something."""

    def __init__(self, text):
        super().__init__()
        self.open, self.svgs, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        assert tag not in ("script", "link", "img", "iframe", "object"), tag
        for name, value in attributes:
            assert name not in ("src", "href", "xlink:href"), (tag, name)
            assert "url(" not in (value or ""), (tag, name)
            assert name == "xmlns" or "//" not in (value or ""), (tag, name, value)
        if tag == "svg":
            self.svgs.append({"title": dict(attributes)["aria-label"], "curves": 0, "dots": 0})
        elif tag == "polyline":
            points = dict(attributes)["points"].split()
            for point in points:
                x, y = (float(number) for number in point.split(","))
                assert 0 <= x <= 560 and 0 <= y <= 300, point
            self.svgs[-1]["curves"] += 1
            self.svgs[-1]["points"] = len(points)
        elif tag == "circle":
            self.svgs[-1]["dots"] += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        self.texts.append(data)


def lines(steps, arch="revnet", mode="reversible", seed=1, **more):
    result = []
    for step in range(1, steps + 1):
        line = {"arch": arch, "mode": mode, "data": "synthetic", "batch": 10, "seed": seed,
                "step": step, "steps": steps, "epoch": 1 + step // 100, "loss": 2 / step,
                "train_accuracy": 1 - 1 / step, "learning_rate": 0.1, "images_per_second": 100.0,
                "seconds": step * 0.1, "peak_bytes": {"activation": 3000, "stash": 1000}}
        if step % 100 == 0:
            line |= {"test_loss": 1 / step, "test_accuracy": 0.5 if step < 300 else 0.75}
        result.append(json.dumps({**line, **more}))
    return result


def main():
    program = pathlib.Path(sys.argv[1]).resolve() / "examples" / "plot_run"
    if not program.exists():
        print("plot_run was not built: nothing to test")
        return
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)

        def write(name, rows, end="\n"):
            (folder / name).write_text("\n".join(rows) + end)
            return name

        def plot(*arguments):
            return subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True,
                                  check=False)

        one = write("one", lines(500))
        two = write("two", lines(200, mode="stored") + lines(200, seed=2, lowest_snr_db=90.5))
        done = plot(one, two, "--page", "page.html", "--markdown", "table.md")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
        page = Page((folder / "page.html").read_text())
        titles = [svg["title"] for svg in page.svgs]
        assert titles == ["Loss", "Test loss", "Accuracy on the batches", "Test accuracy",
                          "Learning rate", "Images a second", "Peak memory",
                          "Worst signal-to-noise ratio of a reconstruction"], titles
        assert [svg["curves"] for svg in page.svgs] == [3] * 7 + [1]
        assert page.svgs[3]["dots"] == 5 + 2 + 2
        assert page.svgs[0]["points"] <= 300
        assert page.open == [] and page.texts.count("75.0 %") >= 2
        table = (folder / "table.md").read_text().splitlines()
        assert len(table) == 5 and len({row.count("|") for row in table}) == 1, table
        assert table[2] == ("| one | revnet | reversible | synthetic | 6 | 10 | 1 | 0.100 | 75.0 % | "
                            "75.0 % | 0:30 | 100 | 0.0 MB |"), table[2]

        done = plot(one, two, "--svg", "runs.svg", "--page", "")
        assert done.returncode == 0, done
        picture = xml.dom.minidom.parse(str(folder / "runs.svg"))
        panels = [each for each in picture.getElementsByTagName("svg") if each.hasAttribute("aria-label")]
        assert [panel.getAttribute("aria-label") for panel in panels] == [
            "Loss", "Accuracy", "Peak memory", "Worst signal-to-noise ratio of a reconstruction"]
        assert [len(panel.getElementsByTagName("polyline")) for panel in panels] == [6, 6, 3, 1]

        again = write("again", lines(200))
        plot(one, again)
        text = (folder / "run.html").read_text()
        for log in ("one", "again"):
            assert f"revnet reversible, batch 10, seed 1 ({log})" in text, log

        killed = write("killed", lines(50)[:20] + ['{"arch":"revnet","mo'], end="")
        done = plot(killed)
        assert done.returncode == 0 and "cut off" in done.stderr, done
        assert "1 (not finished)" in done.stdout, done.stdout
        assert "Test accuracy" not in (folder / "run.html").read_text()

        hostile = write("hostile", lines(3, arch='<script src="x">', loss=None))
        assert plot(hostile).returncode == 0
        assert "Loss" not in [svg["title"] for svg in Page((folder / "run.html").read_text()).svgs]

        for rows, what in ((lines(3)[:1] + ["{"] + lines(3), "bad line 2"), ([], "holds no step"),
                           (['{"step": "one"}'] + lines(2), "bad line 1")):
            done = plot(write("bad", rows))
            assert done.returncode == 2 and what in done.stderr, (what, done)
        assert plot("missing").returncode == 2
        assert plot().returncode == 2 and plot("--help").returncode == 0
    print("all passed")


if __name__ == "__main__":
    main()
