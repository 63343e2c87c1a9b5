"""What it costs to find the jobs among many distributions, beside other readers of metadata.

Run it as ``python benchmarks/registry.py [NUMBER...]`` (500 and 2,000 distributions by default).
It makes that many in a temporary folder: 4 % advertise jobs, 30 % have any entry points, all have
the METADATA and RECORD that pip writes. Each figure is the best of several fresh processes, in
milliseconds, in turns, with the files in the page cache and bytecode kept:

- *resolve*: from nothing known to the map of names, the reader being imported already;
- *with import*: the same with the import of the reader and all that it needs, in a process that
  has imported nothing. Of jobreg's most is attrs, which every process that submits has anyhow.

*Cold* in the design's sense sets our *resolve* (jobreg is there already) beside *with import* of
the others (nobody else needs them): what finding the jobs adds to a process that submits one.

``lower bound`` is a bare loop: list, read, substring test, split the lines of hits. ``look-up`` is
a known name asked for again, freshness check included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 9
READERS = {
    "lower bound": """
import os
def resolve(path):
    found = {}
    with os.scandir(path) as entries:
        folders = [each.name for each in entries if each.name.endswith(".dist-info")]
    for folder in folders:
        try:
            number = os.open(f"{path}/{folder}/entry_points.txt", os.O_RDONLY)
        except FileNotFoundError:
            continue
        data = os.read(number, 1 << 20)
        os.close(number)
        if b"jobreg.jobs" in data:
            ours = False
            for line in data.decode().splitlines():
                if line.startswith("["):
                    ours = line == "[jobreg.jobs]"
                elif ours and line:
                    name, _, target = line.partition("=")
                    found[name.strip()] = target.strip()
    return found
""",
    "jobreg": """
from jobreg.registry import Registry
def resolve(path):
    return {name: ref.target for name, ref in Registry(path=[path]).snapshot().jobs.items()}
""",
    "importlib.metadata": """
from importlib.metadata import entry_points
def resolve(path):
    sys.path[:] = [path]
    return {each.name: each.value for each in entry_points(group="jobreg.jobs")}
""",
    "importlib_metadata": """
from importlib_metadata import entry_points
def resolve(path):
    sys.path[:] = [path]
    return {each.name: each.value for each in entry_points(group="jobreg.jobs")}
""",
}
FRAME = """
import sys, time
begun = time.perf_counter()
{reader}
imported = time.perf_counter()
found = resolve(sys.argv[1])
ended = time.perf_counter()
print(len(found), (ended - imported) * 1000, (ended - begun) * 1000)
"""
LOOK_UP = """
import sys, time
from jobreg.registry import Registry
registry = Registry(path=[sys.argv[1]])
name = registry.names()[0]
begun = time.perf_counter()
for _ in range(20_000):
    registry.ref(name)
hit = (time.perf_counter() - begun) / 20_000
begun = time.perf_counter()
for _ in range(50):
    registry.snapshot(recheck=True)
print(hit * 1e6, (time.perf_counter() - begun) / 50 * 1e6)
"""


def make(folder: Path, number: int) -> int:
    """Write the distributions; returns how many jobs they advertise."""
    jobs = 0
    for index in range(number):
        name = f"package_{index:05}"
        info = folder / f"{name}-1.{index % 50}.0.dist-info"
        info.mkdir()
        header = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.{index % 50}.0\n"
        (info / "METADATA").write_text(header + "Classifier: x\n" * 20 + "\n" + "Words. " * 400)
        (info / "RECORD").write_text("".join(f"{name}/m{n}.py,sha256=x,100\n" for n in range(40)))
        if index % 25 == 0:  # 4 %
            lines = [f"{name}.job{n} = {name}.jobs:job{n}" for n in range(3)]
            (info / "entry_points.txt").write_text("\n".join(["[jobreg.jobs]", *lines, ""]))
            jobs += 3
        elif index % 100 < 27:  # with those above, 30 % in all
            text = f"[console_scripts]\n{name} = {name}.cli:main\n"
            (info / "entry_points.txt").write_text(text)
    return jobs


def run(code: str, folder: str) -> list[float]:
    """Run code in a fresh interpreter; gives the numbers it prints."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", code, folder],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(each) for each in done.stdout.split()]


def measure(number: int) -> dict[str, dict[str, float]]:
    """The best resolve and cold times of each reader, in turns, and the look-ups."""
    with tempfile.TemporaryDirectory() as folder:
        jobs = make(Path(folder), number)
        os.utime(folder, (1, 1))  # old enough to be trusted
        for file in Path(folder).rglob("*"):
            os.utime(file, (1, 1))
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in READERS}
        look_ups = []
        for _ in range(ROUNDS):
            for name, reader in READERS.items():
                found, resolve, cold = run(FRAME.format(reader=reader), folder)
                assert found == jobs, (name, found, jobs)
                times[name].append((resolve, cold))
            look_ups.append(run(LOOK_UP, folder))
        best = {
            name: {"resolve": min(r for r, _ in each), "cold": min(c for _, c in each)}
            for name, each in times.items()
        }
        hits, checks = zip(*look_ups, strict=True)
        best["look-up"] = {"hit": min(hits), "check": min(checks)}
        return best


def main() -> None:
    """Print a table for each number of distributions, or JSON with ``--json``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("numbers", nargs="*", type=int, default=[500, 2000])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = {number: measure(number) for number in asked.numbers}
    if asked.json:
        print(json.dumps(found))
        return
    for number, best in found.items():
        look_up = best.pop("look-up")
        ours = best["jobreg"]
        print(f"\n{number} distributions, {number // 25} with jobs")
        print(f"{'':20}{'resolve ms':>11}{'x':>7}{'with import ms':>16}{'x':>7}{'cold x':>9}")
        for name, each in best.items():
            resolve, cold = each["resolve"], each["cold"]
            row = f"{name:20}{resolve:11.2f}{resolve / ours['resolve']:7.2f}"
            row += f"{cold:16.1f}{cold / ours['cold']:7.2f}"
            others = name not in ("lower bound", "jobreg")
            print(row + (f"{cold / ours['resolve']:9.2f}" if others else ""))
        print(f"a known name again: {look_up['hit']:.1f} us; a freshness check: "
              f"{look_up['check']:.1f} us")  # fmt: skip


if __name__ == "__main__":
    main()
