"""Times training steps of Retrace and PyTorch, alternating between two processes."""

import argparse
import json
import os
import platform
import subprocess
import sys
from contextlib import ExitStack, suppress
from fnmatch import fnmatchcase
from pathlib import Path

import report
from rows import ROWS

HERE = Path(__file__).resolve().parent


class Failed(Exception):
    pass


class Process:
    """A process that answers requests, one line of JSON each."""

    def __init__(self, command, environment):
        self.command = command
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()

    def ask(self, what, **request):
        try:
            self.process.stdin.write(json.dumps({"do": what, **request}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise Failed(f"{self.command[0]} ended (status {self.process.wait()})")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(f"{Path(self.command[0]).name}: {answer['error']}")
        return answer


class Comparison:
    def __init__(self, options):
        self.options = options
        self.environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "OMP_DYNAMIC": "false",
                            "OMP_PROC_BIND": "true", "OMP_PLACES": "cores"}
        threads = ["--threads", str(options.threads)]
        self.commands = {"retrace": [options.step_time, "--serve", *threads],
                         "pytorch": [options.python, "-W", "ignore", str(HERE / "serve.py"), *threads]}

    def start(self, library):
        return Process(self.commands[library], self.environment)

    def run(self, rows):
        with ExitStack() as stack:
            processes = {library: stack.enter_context(self.start(library)) for library in self.commands}
            about = {library: process.ask("describe") for library, process in processes.items()}
            if about["pytorch"]["memcnn"] is None and any(row.mode == "memcnn" for row in rows):
                say("MemCNN cannot be imported: its rows are skipped")
                rows = [row for row in rows if row.mode != "memcnn"]
            for library, description in about.items():
                if description["threads"] != self.options.threads:
                    raise Failed(f"{library} runs on {description['threads']} threads but must run on {self.options.threads}")
            measurements = [self.prepare(processes[row.library], row) for row in rows]
            require_same_architectures(measurements)
            for number in range(self.options.rounds):
                say(f"round {number + 1} of {self.options.rounds}")
                for measurement, _ in measurements:
                    self.time(processes[measurement.row.library], measurement)
        measurements = [measurement for measurement, _ in measurements]
        if not self.options.no_memory:
            for measurement in measurements:
                self.measure_memory(measurement)
        return about, measurements

    def prepare(self, process, row):
        """Builds the network and runs its first steps. For PyTorch, selects the faster memory format."""
        say(f"{row.key}: first steps")
        if row.library == "retrace":
            sizes = process.ask("prepare", row=row.key, batch=self.options.batch, **row.request())["parameters"]
            process.ask("step", row=row.key, steps=1)
            return report.Measurement(row, self.options.batch, sum(sizes)), sizes
        seconds = {}
        for layout in ("contiguous", "channels_last"):
            sizes = process.ask("prepare", row=row.key + layout, batch=self.options.batch, format=layout,
                                **row.request())["parameters"]
            process.ask("step", row=row.key + layout, steps=1)
            seconds[layout] = process.ask("step", row=row.key + layout, steps=1)["seconds"]
        for layout in seconds:
            if layout != min(seconds, key=seconds.get):
                process.ask("drop", row=row.key + layout)
        return report.Measurement(row, self.options.batch, sum(sizes), min(seconds, key=seconds.get)), sizes

    def time(self, process, measurement):
        steps = self.options.steps
        answer = process.ask("step", row=measurement.row.key + measurement.format, steps=steps)
        measurement.seconds.append(answer["seconds"] / steps)
        measurement.loss = answer["loss"]

    def measure_memory(self, measurement):
        """Measures the memory of two steps in a separate process."""
        row = measurement.row
        say(f"{row.key}: memory")
        with self.start(row.library) as process:
            process.ask("describe")
            before = process.ask("resident")["bytes"]
            process.ask("prepare", row="it", batch=self.options.batch, format=measurement.format, **row.request())
            process.ask("step", row="it", steps=2)
            measurement.resident_bytes = process.ask("resident")["peak_bytes"] - before


def require_same_architectures(measurements):
    """Checks that the networks of both libraries have parameters of the same sizes."""
    sizes = {}
    for measurement, parameters in measurements:
        row = measurement.row
        first, known = sizes.setdefault(row.architecture, (row.key, sorted(parameters)))
        if sorted(parameters) != known:
            raise Failed(f"{row.key} has {sum(parameters)} parameters in {len(parameters)} tensors, but {first} has "
                         f"{sum(known)} in {len(known)}: they are not the same network")


def in_turn(rows):
    """Orders the rows so that the libraries alternate as evenly as possible."""
    place = {}
    for library in ("retrace", "pytorch"):
        own = [row for row in rows if row.library == library]
        place.update((row, (i + 0.5) / len(own)) for i, row in enumerate(own))
    return sorted(rows, key=place.get)


def describe_machine(comparison):
    model = platform.processor()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), model)
    except OSError:
        pass
    openmp = {name: value for name, value in comparison.environment.items() if name.startswith(("OMP_", "GOMP_", "KMP_"))}
    return {"processor": model, "processors": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "threads": comparison.options.threads, "openmp": openmp}


def say(text):
    print(text, file=sys.stderr, flush=True)


def chosen_rows(patterns):
    if not patterns:
        return list(ROWS)
    for pattern in patterns:
        if not any(fnmatchcase(row.key, pattern) for row in ROWS):
            raise Failed(f"--only {pattern} names no row; the rows are {', '.join(row.key for row in ROWS)}")
    return [row for row in ROWS if any(fnmatchcase(row.key, pattern) for pattern in patterns)]


def at_least_one(text):
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return int(text)


def parse_options():
    parser = argparse.ArgumentParser(prog="compare_pytorch.sh", description=__doc__, allow_abbrev=False)
    parser.add_argument("--rounds", type=at_least_one, default=7, help="timed bursts per row (%(default)s)")
    parser.add_argument("--steps", type=at_least_one, default=1, help="steps per burst (%(default)s)")
    parser.add_argument("--batch", type=at_least_one, default=128, help="images per step (%(default)s)")
    parser.add_argument("--threads", type=at_least_one, default=min(2, len(os.sched_getaffinity(0))),
                        help="threads of each library, bound to cores (%(default)s)")
    parser.add_argument("--only", metavar="ROWS", help="comma-separated rows to measure; * and ? are "
                                                       "wildcards: 'revnet_*,pytorch_resnet_stored'")
    parser.add_argument("--list", action="store_true", help="print the names of the rows without measuring")
    parser.add_argument("--no-memory", action="store_true", help="do not measure resident memory")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a ratio misses its target")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--json", metavar="FILE", help="write JSON")
    parser.add_argument("--svg", metavar="FILE", help="draw a chart")
    parser.add_argument("--python", metavar="PYTHON", default=sys.executable, help=argparse.SUPPRESS)
    parser.add_argument("--step-time", metavar="PROGRAM", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    processors = len(os.sched_getaffinity(0))
    if options.threads > processors:
        parser.error(f"--threads is {options.threads}, but there are {processors} processors")
    return options


def create(path):
    """Opens a file for writing. Called before the work, so that a wrong name is found early."""
    try:
        return path and open(path, "w", encoding="utf-8")
    except OSError as error:
        raise Failed(f"cannot write {path}: {error.strerror}") from None


def main():
    options = parse_options()
    rows = chosen_rows(options.only.split(",") if options.only else [])
    if options.list:
        print("\n".join(row.key for row in rows))
        return 0
    json_file, svg_file = create(options.json), create(options.svg)
    comparison = Comparison(options)
    about, measurements = comparison.run(in_turn(rows))
    measurements.sort(key=lambda m: ROWS.index(m.row))
    machine = describe_machine(comparison)
    note = (f"PyTorch {about['pytorch']['version']}, Retrace for {about['retrace']['instruction_set']}; batch "
            f"{options.batch} of 32 x 32, {options.threads} thread{'s' if options.threads > 1 else ''}; "
            f"{machine['processor']}")
    print(note + "\n")
    report.print_report(measurements, options.markdown)
    if json_file:
        machine["instruction_set"] = about["retrace"]["instruction_set"]
        with json_file:
            json.dump(report.as_json(machine, about["pytorch"], measurements), json_file, indent=2)
            json_file.write("\n")
    if svg_file:
        with svg_file:
            svg_file.write(report.as_svg(measurements, note))
    missed = any(ratio < target.least for ratio, target in report.all_ratios(measurements).values())
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as error:
        say(f"error: {error}")
        sys.exit(2)
