"""Which copy of a distribution counts, by whose name, and who is asked first."""

from __future__ import annotations

import os
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import PathFinder

import importlib_metadata
import pytest

from jobreg import Registry
from jobreg.registry.foreign import Finders, foreign_finders
from jobreg.registry.snapshot import take


def write(folder, label, jobs, header="", headers="METADATA"):
    info = folder / label
    info.mkdir(parents=True)
    if header:
        (info / headers).write_text(header)
    lines = [f"{name} = {target}" for name, target in jobs.items()]
    (info / "entry_points.txt").write_text("\n".join(["[jobreg.jobs]", *lines, ""]))
    return info


class Rival(importlib_metadata.DistributionFinder):
    """Gives the distributions that lie in a folder, as somebody else's finder."""

    def __init__(self, folder):
        self.folder = folder

    def find_distributions(self, context=None):
        for info in self.folder.glob("*.dist-info"):
            yield importlib_metadata.PathDistribution(info)

    def find_spec(self, *_):
        return None


class Other(Rival):
    """One of another kind: the copies that it gives do not lie beside those of the first."""


def test_folders_named_against_the_rules_are_no_copies_of_each_other(tmp_path):
    write(tmp_path / "one", "plugin-a-1.0.dist-info", {"a": "m:f"}, "Name: plugin-a\nVersion: 1\n")
    write(tmp_path / "one", "plugin-b-1.0.dist-info", {"b": "m:f"}, "Name: plugin-b\nVersion: 1\n")
    write(tmp_path / "two", "plugin-1.0.dist-info", {"c": "m:f"}, "Name: plugin\nVersion: 1\n")

    found = take([str(tmp_path / "one"), str(tmp_path / "two")])

    assert [(each.name, each.dist) for each in found.jobs.values()] == [
        ("a", "plugin-a"), ("b", "plugin-b"), ("c", "plugin"),
    ]  # fmt: skip
    assert (found.shadowed, found.problems) == ((), ())


@pytest.mark.parametrize(
    ("label", "dist", "version"),
    [
        ("plugin-a-1.0.dist-info", "plugin-a", "1.0"),
        ("Plugin_A-1.0-py3.11.egg-info", "plugin-a", "1.0"),
        ("my-plugin.egg-info", "my-plugin", ""),
        ("acme__x.y-2!1.0+local.dist-info", "acme-x-y", "2!1.0+local"),
    ],
)
def test_without_a_header_the_label_tells_name_and_version(tmp_path, label, dist, version):
    write(tmp_path, label, {"a": "m:f"})

    ref = take([str(tmp_path)]).jobs["a"]

    assert (ref.dist, ref.version) == (dist, version)


def test_copies_are_known_by_their_headers_whatever_their_folders_are_called(tmp_path):
    header = "Name: Plugin.A\nVersion: {}\n"
    write(tmp_path / "one", "plugin_a-2.0.dist-info", {"a": "m:new"}, header.format("2.0"))
    write(tmp_path / "two", "plugin-a-1.0.dist-info", {"a": "m:old"}, header.format("1.0"))
    write(tmp_path / "two", "renamed-1.0.dist-info", {"a": "m:odd"}, header.format("0.1"))

    found = take([str(tmp_path / "one"), str(tmp_path / "two")])

    assert (found.jobs["a"].target, dict(found.conflicts)) == ("m:new", {})
    assert [ref.target for ref in found.shadowed] == ["m:old", "m:odd"]


def test_a_leftover_without_header_hides_nothing(tmp_path):
    (tmp_path / "one" / "acme-2.0.dist-info").mkdir(parents=True)
    write(tmp_path / "two", "acme-1.0.dist-info", {"a": "m:f"}, "Name: acme\nVersion: 1.0\n")

    found = take([str(tmp_path / "one"), str(tmp_path / "two")])

    assert found.jobs["a"].version == "1.0"


def test_finders_before_and_after_python_s_own_stand_before_and_after_the_path(
    tmp_path, monkeypatch
):
    for place in ("first", "path", "last"):
        jobs = {"a": f"{place}:f", f"{place}.own": "m:f"}
        write(tmp_path / place, "acme-1.0.dist-info", jobs, "Name: acme\nVersion: 1\n")
    first, last = Rival(tmp_path / "first"), Other(tmp_path / "last")
    monkeypatch.setattr(sys, "meta_path", [first, PathFinder, last])
    assert foreign_finders() == Finders(before=(first,), after=(last,))

    def jobs(*finders):
        return list(take([str(tmp_path / "path")], finders=Finders(*finders)).jobs)

    assert jobs((first,), (last,)) == ["a", "first.own"]
    assert jobs((), (last,)) == ["a", "path.own"]


def test_what_a_finder_gives_of_a_folder_on_the_path_is_no_second_copy(tmp_path):
    write(tmp_path, "acme-1.0.dist-info", {"a": "m:f"}, "Name: acme\nVersion: 1\n")

    found = take([str(tmp_path)], finders=Finders(before=(Rival(tmp_path),)))

    assert (list(found.jobs), found.shadowed, found.problems) == (["a"], (), ())


@pytest.mark.parametrize(
    ("archive", "label"),
    [("plugins.zip", "acme-1.5.dist-info"), ("acme-1.5-py3.11.egg", "EGG-INFO")],
)
def test_metadata_in_an_archive_says_where_it_lies(tmp_path, archive, label):
    header = "METADATA" if label.endswith("dist-info") else "PKG-INFO"
    with zipfile.ZipFile(tmp_path / archive, "w") as writer:
        writer.writestr(f"{label}/{header}", "Name: acme\nVersion: 1.5\n")
        writer.writestr(f"{label}/entry_points.txt", b"[jobreg.jobs]\na = m:f\n\xff = m:f\n")

    found = take([str(tmp_path / archive)])

    ref = found.jobs["a"]
    assert ref.metadata_path == f"{tmp_path / archive}/{label}"
    assert (ref.provider, ref.origin) == ("acme 1.5", str(tmp_path / archive))
    (problem,) = found.problems
    assert (problem.code, problem.line) == ("bad_encoding", 3)
    assert problem.file == f"{tmp_path / archive}/{label}/entry_points.txt"


def test_archives_and_finders_are_what_importlib_metadata_is_imported_for(tmp_path):
    import subprocess

    code = (
        "import sys; from jobreg.registry.snapshot import take\n"
        "take(sys.argv[1:]); print('importlib_metadata' in sys.modules)"
    )
    with zipfile.ZipFile(tmp_path / "plugins.zip", "w") as writer:
        writer.writestr("x", "")
    (tmp_path / "noise.pth").write_text("not an archive")

    def imported(*path):
        return subprocess.check_output([sys.executable, "-c", code, *map(str, path)], text=True)

    assert imported(tmp_path, tmp_path / "noise.pth") == "False\n"
    assert imported(tmp_path / "plugins.zip") == "True\n"


def test_threads_that_look_at_once_are_given_the_same_object(fake_plugins, monkeypatch):
    fake_plugins.add("acme", "1.0", {"a": "m:f"})
    registry = Registry([str(fake_plugins.path)])
    meet = threading.Barrier(8)
    all_looked = take

    def slow(*arguments):
        found = all_looked(*arguments)
        meet.wait(20)  # nobody has published yet
        return found

    monkeypatch.setattr("jobreg.registry.take", slow)
    with ThreadPoolExecutor(8) as pool:
        found = [each.result(30) for each in [pool.submit(registry.snapshot) for _ in range(8)]]

    assert len({id(each) for each in found}) == 1


def test_a_look_that_began_earlier_does_not_undo_a_later_one(fake_plugins, monkeypatch):
    file = fake_plugins.add("acme", "1.0", {"a": "m:f"})
    registry = Registry([str(fake_plugins.path)])
    looked, go_on = threading.Event(), threading.Event()

    def held_up(*arguments):
        found = take(*arguments)
        if threading.current_thread() is not threading.main_thread():
            looked.set()
            assert go_on.wait(20)
        return found

    monkeypatch.setattr("jobreg.registry.take", held_up)
    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(registry.snapshot)
        assert looked.wait(20)
        file.write_text("[jobreg.jobs]\nb = m:f\n")
        os.utime(file, (1, 1))
        registry.snapshot()
        go_on.set()

        assert list(early.result(20).jobs) == ["b"]
    assert registry.names() == ["b"]
