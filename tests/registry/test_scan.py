"""Discovery: what it reads, and what it survives."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from jobreg.registry.scan import JobRef, Scan, name_fault, scan


def names(found: Scan) -> list[str]:
    return [ref.name for source in found.sources for ref in source.jobs]


def codes(found: Scan) -> list[str]:
    inside = [each.code for source in found.sources for each in source.problems]
    return inside + [each.code for each in found.problems]


def test_a_job_is_found_with_its_provider_and_place(fake_plugins):
    file = fake_plugins.add("Acme.Reports", "2.1.0", {"reports.render": "acme.work:Jobs.render"})

    found = scan([str(fake_plugins.path)])

    (ref,) = found.sources[0].jobs
    assert ref == JobRef(
        name="reports.render",
        module="acme.work",
        attr="Jobs.render",
        dist="acme-reports",
        version="2.1.0",
        metadata_path=str(file.parent),
        origin=str(fake_plugins.path),
    )
    assert ref.target == "acme.work:Jobs.render"
    assert codes(found) == []


def test_other_groups_and_comments_are_not_jobs(fake_plugins):
    ours = b"[jobreg.jobs]\n# c = a:c\n; d = a:d\ne = a:e\n"
    data = b"[console_scripts]\nx = a:b\n" + ours + b"[other]\nf = a:f"
    fake_plugins.add_raw("acme", "1.0", data)

    found = scan([str(fake_plugins.path)])

    assert names(found) == ["e"]
    assert codes(found) == []


def test_byte_order_mark_and_windows_line_ends_are_accepted(fake_plugins):
    fake_plugins.add_raw("acme", "1.0", b"\xef\xbb\xbf[jobreg.jobs]\r\na = m:f\r\nb = m:g\r\n")

    found = scan([str(fake_plugins.path)])

    assert names(found) == ["a", "b"]
    assert codes(found) == []


@pytest.mark.parametrize(
    ("line", "code", "name"),
    [
        (b"caf\xe9 = m:f", "bad_encoding", None),
        (b"no target here", "bad_line", None),
        (b"= m:f", "bad_line", None),
        (b"Upper.Case = m:f", "bad_name", "Upper.Case"),
        (b"two..dots = m:f", "bad_name", "two..dots"),
        ("caf\u00e9 = m:f".encode(), "bad_name", "caf\u00e9"),
        (b"a" * 129 + b" = m:f", "bad_name", "a" * 129),
        (b"no.colon = module", "bad_target", "no.colon"),
        (b"not.words = m:f-g", "bad_target", "not.words"),
        (b"two.colons = m:f:g", "bad_target", "two.colons"),
        (b"wants.extras = m:f [pdf]", "extras", "wants.extras"),
        (b"good.one = m:other", "duplicate", "good.one"),
    ],
)
def test_a_bad_line_costs_that_line_only(fake_plugins, line, code, name):
    data = b"[jobreg.jobs]\ngood.one = m:f\n" + line + b"\ngood.two = m:g\n"
    file = fake_plugins.add_raw("acme", "1.0", data)

    found = scan([str(fake_plugins.path)])

    assert names(found) == ["good.one", "good.two"]
    (problem,) = found.sources[0].problems
    assert (problem.code, problem.name) == (code, name)
    assert (problem.file, problem.line, problem.dist) == (str(file), 3, "acme")


def test_a_wrongly_advertised_job_is_kept_as_invalid(fake_plugins):
    fake_plugins.add("acme", "1.0", {"Bad": "m:f", "no.colon": "module"})

    found = scan([str(fake_plugins.path)])

    invalid = [(ref.name, ref.target) for ref in found.sources[0].invalid]
    assert invalid == [("Bad", "m:f"), ("no.colon", "module")]


def test_an_unreadable_file_is_a_problem_of_its_distribution(fake_plugins):
    fake_plugins.add("good", "1.0", {"a": "m:f"})
    (fake_plugins.path / "broken-1.0.dist-info" / "entry_points.txt").mkdir(parents=True)

    found = scan([str(fake_plugins.path)])

    assert names(found) == ["a"]
    assert [(each.code, each.dist) for each in found.problems] == [("unreadable", "broken")]


def test_without_a_header_the_folder_names_the_distribution(fake_plugins):
    file = fake_plugins.add("acme-reports", "3.1", {"a": "m:f"})
    (file.parent / "METADATA").unlink()

    found = scan([str(fake_plugins.path)])

    (ref,) = found.sources[0].jobs
    assert (ref.dist, ref.version) == ("acme-reports", "3.1")


def test_an_egg_info_folder_is_read(fake_plugins):
    info = fake_plugins.path / "acme.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Name: acme\nVersion: 0.9\n")
    (info / "entry_points.txt").write_text("[jobreg.jobs]\na = m:f\n")

    found = scan([str(fake_plugins.path)])

    assert [(ref.name, ref.version) for ref in found.sources[0].jobs] == [("a", "0.9")]


def test_what_an_interrupted_pip_left_behind_is_not_read(fake_plugins):
    fake_plugins.add("~cme", "1.0", {"a": "m:f"})

    found = scan([str(fake_plugins.path)])

    assert names(found) == []


def test_the_same_distribution_later_on_the_path_is_hidden(fake_plugins):
    fake_plugins.add("acme", "2.0", {"a": "m:new"}, folder="first")
    fake_plugins.add("Acme", "1.0", {"a": "m:old"}, folder="second")
    path = [str(fake_plugins.path / "first"), str(fake_plugins.path / "second")]

    found = scan(path)

    assert [(each.hidden, each.jobs[0].version) for each in found.sources] == [
        (False, "2.0"),
        (True, "1.0"),
    ]


def test_a_version_without_jobs_hides_an_older_one_that_has_some(fake_plugins):
    fake_plugins.add_raw("acme", "2.0", b"", folder="first")
    fake_plugins.add("acme", "1.0", {"a": "m:old"}, folder="second")
    path = [str(fake_plugins.path / "first"), str(fake_plugins.path / "second")]

    found = scan(path)

    assert [each.hidden for each in found.sources] == [True]


def test_of_two_versions_in_one_folder_the_newest_written_counts(fake_plugins):
    old = fake_plugins.add("acme", "9.0", {"a": "m:old"})
    fake_plugins.add("acme", "10.0", {"a": "m:new"})
    os.utime(old, (1, 1))

    found = scan([str(fake_plugins.path)])

    visible = [ref.version for each in found.sources if not each.hidden for ref in each.jobs]
    assert visible == ["10.0"]


def test_a_folder_reached_by_two_spellings_is_read_once(fake_plugins, tmp_path):
    fake_plugins.add("acme", "1.0", {"a": "m:f"})
    (tmp_path / "link").symlink_to(fake_plugins.path)

    found = scan([str(fake_plugins.path), f"{fake_plugins.path}/", str(tmp_path / "link")])

    assert names(found) == ["a"]


def test_a_zip_file_on_the_path_is_looked_into(tmp_path):
    archive = tmp_path / "plugins.zip"
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("acme-1.5.dist-info/METADATA", "Name: acme\nVersion: 1.5\n")
        writer.writestr("acme-1.5.dist-info/entry_points.txt", "[jobreg.jobs]\na = m:f\nB = m:g\n")

    found = scan([str(archive)])

    (ref,) = found.sources[0].jobs
    assert (ref.name, ref.dist, ref.version, ref.origin) == ("a", "acme", "1.5", str(archive))
    assert codes(found) == ["bad_name"]


def test_strange_path_entries_are_survived(tmp_path, monkeypatch):
    (tmp_path / "noise.zip").write_bytes(b"not a zip file")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    path = ["", str(tmp_path / "missing"), "a\0b", str(tmp_path / "noise.zip"), Path("x"), None]

    found = scan(path)

    assert found.sources == ()


@pytest.mark.parametrize("name", ["a", "reports.render", "a_1.b_2.c", "1", "a" * 128])
def test_good_names(name):
    assert name_fault(name) is None


@pytest.mark.parametrize("name", ["", ".", "a.", ".a", "a..b", "A", "a-b", "a b", "a\n", "\u0661"])
def test_bad_names(name):
    fault = name_fault(name)

    assert fault
    assert repr(name) in fault
