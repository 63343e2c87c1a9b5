"""Where distributions may lie besides folders of the path, and generated environments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import importlib_metadata
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from jobreg import Registry, UnknownJob, clock
from jobreg.registry import THOROUGHLY_EVERY
from jobreg.registry.foreign import foreign_finders
from jobreg.registry.scan import scan
from jobreg.registry.snapshot import take


class Foreign(importlib_metadata.DistributionFinder):
    """A finder of somebody else's, as package managers of their own kind have."""

    def __init__(self, *texts: str | Exception) -> None:
        self.texts = texts

    def find_distributions(self, context=None):
        for number, text in enumerate(self.texts):
            yield InMemory(f"dist{number}", text)

    def find_spec(self, *_):
        return None


class InMemory(importlib_metadata.Distribution):
    def __init__(self, name, text):
        self.name_, self.text = name, text

    def read_text(self, filename):
        if isinstance(self.text, Exception):
            raise self.text
        header = f"Name: {self.name_}\nVersion: 3\n"
        return {"METADATA": header, "entry_points.txt": self.text}.get(filename)

    def locate_file(self, path):
        return Path(path)


def test_a_foreign_finder_is_asked(monkeypatch):
    finder = Foreign("[jobreg.jobs]\na = m:f\nBad = m:f\n", ValueError("no"), "[x]\n")
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])

    registry = Registry()
    found = registry.snapshot()

    assert foreign_finders() == (finder,)
    assert (found.jobs["a"].provider, found.jobs["a"].origin) == ("dist0 3", f"{__name__}.Foreign")
    assert {"bad_name", "unreadable"} <= {each.code for each in found.problems}
    finder.texts = ("[jobreg.jobs]\nb = m:f\n",)
    later = clock.seconds() + THOROUGHLY_EVERY
    monkeypatch.setattr("jobreg.clock.seconds", lambda: later)
    assert registry.snapshot(recheck=True).jobs["b"].target == "m:f"
    assert "a" not in registry.names()


def test_a_finder_that_raises_costs_its_own(monkeypatch, fake_plugins):
    fake_plugins.add("acme", "1.0", {"a": "m:f"})

    class Broken(Foreign):
        def find_distributions(self, context=None):
            raise RuntimeError("broken")

    found = scan([str(fake_plugins.path)], [Broken()])

    assert [ref.name for each in found.sources for ref in each.jobs] == ["a"]
    assert [(each.code, each.file) for each in found.problems] == [
        ("unreadable", f"{__name__}.{Broken.__qualname__}")
    ]


def test_python_s_own_finders_are_not_asked_again():
    assert foreign_finders() == ()


def test_an_egg_on_the_path_is_read(tmp_path):
    egg = tmp_path / "acme_eggs-2.0-py3.11.egg"
    (egg / "EGG-INFO").mkdir(parents=True)
    (egg / "EGG-INFO" / "entry_points.txt").write_text("[jobreg.jobs]\na = m:f\n")

    bare = take([str(egg)]).jobs["a"]
    (egg / "EGG-INFO" / "PKG-INFO").write_text("Name: Acme.Eggs\nVersion: 2.1\n")
    told = take([str(egg)]).jobs["a"]

    assert (bare.dist, bare.version) == ("acme-eggs", "2.0")
    assert (told.dist, told.version, told.metadata_path) == ("acme-eggs", "2.1", f"{egg}/EGG-INFO")


def test_an_egg_info_beside_a_dist_info_of_the_same_is_one_distribution(fake_plugins):
    fake_plugins.add("acme", "1.0", {"a": "m:f"})
    old = fake_plugins.path / "acme.egg-info"
    old.mkdir()
    (old / "PKG-INFO").write_text("Name: acme\nVersion: 0.9\n")
    (old / "entry_points.txt").write_text("[jobreg.jobs]\na = m:old\n")
    for file in old.iterdir():
        os.utime(file, (1, 1))

    found = take([str(fake_plugins.path)])

    assert (found.jobs["a"].target, dict(found.conflicts)) == ("m:f", {})
    assert [(each.code, each.file) for each in found.problems] == [("two_copies", str(old))]


def test_lib_and_lib64_are_one_place(fake_plugins, tmp_path):
    fake_plugins.add("acme", "1.0", {"a": "m:f"})
    (tmp_path / "lib64").symlink_to(fake_plugins.path)

    found = take([str(fake_plugins.path), str(tmp_path / "lib64")])

    assert (list(found.jobs), found.shadowed) == (["a"], ())


def test_an_empty_dist_info_is_no_distribution_with_jobs(fake_plugins):
    (fake_plugins.path / "hollow-1.0.dist-info").mkdir()
    (fake_plugins.path / "-1.0.dist-info").mkdir()

    assert take([str(fake_plugins.path)]).problems == ()


def test_what_a_pth_file_adds_is_found(fake_plugins, tmp_path):
    fake_plugins.add("acme", "1.0", {"a": "m:f"})
    site = tmp_path / "sited"
    site.mkdir()
    (site / "more.pth").write_text(f"{fake_plugins.path}\n")
    code = (
        f"import site; site.addsitedir({str(site)!r})\n"
        "import json, jobreg; print(json.dumps(jobreg.default_registry().names()))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == ["a"]


def test_a_file_written_over_in_place_is_found_by_who_misses_its_name(fake_plugins, monkeypatch):
    file = fake_plugins.add_raw("acme", "1.0", b"[console_scripts]\n")
    for each in (fake_plugins.path, *fake_plugins.path.rglob("*")):
        os.utime(each, (1, 1))
    now = 1000.0
    monkeypatch.setattr("jobreg.clock.seconds", lambda: now)
    registry = Registry(path=[str(fake_plugins.path)])
    assert registry.names() == []

    file.write_text("[jobreg.jobs]\na = m:f\n")
    os.utime(file, (2, 2))
    with pytest.raises(UnknownJob):  # looked at within these seconds
        registry.ref("a")
    now += THOROUGHLY_EVERY

    assert registry.ref("a").target == "m:f"


WORDS = st.text("abz019_", min_size=1, max_size=5)
NAMES = st.lists(WORDS, min_size=1, max_size=3).map(".".join)
PARTS = st.lists(st.from_regex(r"[a-z_][a-z0-9_]{0,4}", fullmatch=True), min_size=1, max_size=3)
TARGETS = st.builds(lambda m, a: f"{'.'.join(m)}:{'.'.join(a)}", PARTS, PARTS)
SPACE = st.sampled_from(["", " ", "  ", "\t"])
COMMENTS = st.sampled_from(["", "# a comment", "[other.group]\nx = y:z\n[jobreg.jobs]"])
LINES = st.builds(
    lambda name, left, right, target, comment: (name, f"{name}{left}={right}{target}\n{comment}\n"),
    NAMES, SPACE, SPACE, TARGETS, COMMENTS,
)  # fmt: skip
DISTS = st.dictionaries(
    st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,4}([._-][a-z0-9]{1,3}){0,2}", fullmatch=True),
    st.tuples(st.lists(LINES, max_size=5, unique_by=lambda line: line[0]), st.booleans()),
    max_size=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(DISTS)
def test_generated_environments_are_read_as_importlib_metadata_reads_them(tmp_path_factory, dists):
    place = tmp_path_factory.mktemp("generated")
    for number, (dist, (lines, egg)) in enumerate(dists.items()):
        stem = dist.replace("-", "_")
        info = place / (f"{stem}.egg-info" if egg else f"{stem}-1.{number}.dist-info")
        info.mkdir(exist_ok=True)
        header = info / ("PKG-INFO" if egg else "METADATA")
        header.write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.{number}\n")
        body = "".join(text for _, text in lines)
        (info / "entry_points.txt").write_text(f"[jobreg.jobs]\n{body}")

    ours = {
        (ref.name, ref.target, ref.dist, ref.version)
        for source in scan([str(place)]).sources if not source.hidden
        for ref in source.jobs
    }  # fmt: skip

    theirs: dict[tuple[str, str], set] = {}
    for dist in importlib_metadata.distributions(path=[str(place)]):
        found = {
            (each.name, each.value, normalised(dist), dist.version)
            for each in dist.entry_points.select(group="jobreg.jobs")
        }
        theirs.setdefault((normalised(dist), ""), set())
        theirs[normalised(dist), dist.version] = found
    # Of two spellings of one distribution only one counts, and which one is not compared.
    several = {name for name, version in theirs if version and sum(
        other == name and bool(v) for other, v in theirs) > 1}  # fmt: skip
    expected = {each for found in theirs.values() for each in found if each[2] not in several}
    assert {each for each in ours if each[2] not in several} == expected


def normalised(dist) -> str:
    return importlib_metadata.Prepared.normalize(dist.name).replace("_", "-")
