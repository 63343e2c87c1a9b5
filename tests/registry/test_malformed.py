"""The matrix of malformed metadata: whatever is wrong, in our group or another's, costs itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from permissions import OBEY_PERMISSIONS

from jobreg import Registry
from jobreg.registry.snapshot import take
from jobreg.store.tables import catalogue

OURS, OTHERS = b"[jobreg.jobs]", b"[console_scripts]"
GOOD = b"fine.job = m:f"

# What one distribution's entry_points.txt holds below its header, the code and the line.
LINES = {
    "no equals": (b"nothing at all", "bad_line"),
    "no name": (b" = m:f", "bad_line"),
    "no target": (b"a.b =", "bad_line"),
    "not UTF-8": (b"a.\xff = m:f", "bad_encoding"),
    "hyphen in the module": (b"a.b = foo-bar:x", "bad_target"),
    "no function": (b"a.b = module", "bad_target"),
    "extras": (b"a.b = m:f [more]", "extras"),
    "NUL": (b"a\x00b = m:f", "bad_name"),
    "NUL in the target": (b"a.b = m\x00:f", "bad_target"),
    "capital": (b"Bad = m:f", "bad_name"),
    "too long": (b"a" * 129 + b" = m:f", "bad_name"),
    "a long line": (b"x" * 300_000, "bad_line"),
    "duplicate key": (GOOD.replace(b"m:f", b"m:g"), "duplicate"),
}


def names(snapshot):
    return sorted(snapshot.jobs)


@pytest.fixture
def neighbours(fake_plugins):
    """Whole plugins before and after, by name, of the one that is spoilt."""
    for dist in ("aaa", "zzz"):
        fake_plugins.add(dist, "1.0", {f"{dist}.job": "m:f"})
    return fake_plugins


@pytest.mark.parametrize(("line", "code"), LINES.values(), ids=LINES)
def test_a_malformed_line_of_ours_is_told_with_file_and_line(neighbours, line, code):
    file = neighbours.add_raw("mmm", "1.0", b"\n".join([OURS, GOOD, line, b"last.job = m:f", b""]))

    found = take([str(neighbours.path)])

    assert names(found) == ["aaa.job", "fine.job", "last.job", "zzz.job"]
    (problem,) = found.problems
    assert (problem.code, problem.file, problem.line, problem.dist) == (code, str(file), 3, "mmm")
    assert found.jobs["fine.job"].target == "m:f"


@pytest.mark.parametrize("line", [line for line, _ in LINES.values()], ids=LINES)
def test_a_malformed_line_of_others_costs_nothing(neighbours, line):
    data = b"\n".join([OTHERS, line, OURS, GOOD, b"[gui_scripts]", line, b""])
    neighbours.add_raw("mmm", "1.0", data)
    neighbours.add_raw("nnn", "1.0", b"\n".join([line, OTHERS, line]))

    found = take([str(neighbours.path)])

    assert names(found) == ["aaa.job", "fine.job", "zzz.job"]
    assert found.problems == ()


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (b"Name: mmm\nVersion: 1.0+" + b"a" * 125, "version '1.0+aaa"),
        (b"Name: " + b"m" * 257 + b"\nVersion: 1.0", "name 'mmm"),
        (b"Name: mmm\nVersion: 1.0\x002", "version '1.0\\x002' has control characters"),
        (b"Name: m\x00m\nVersion: 1.0", "name 'm\\x00m' has control characters"),
        (b"Name: m\x1b[31mm\nVersion: 1.0", "name 'm\\x1b[31mm' has control characters"),
        ("Name: mmm\nVersion: 1.0\x852".encode(), "has control characters"),
    ],
    ids=["long version", "long name", "NUL in version", "NUL in name", "escape", "C1"],
)
def test_a_name_or_version_that_no_database_holds_makes_the_jobs_invalid(neighbours, header, told):
    file = neighbours.add_raw("mmm", "1.0", b"\n".join([OURS, GOOD, b"other.job = m:g", b""]))
    file.with_name("METADATA").write_bytes(header + b"\n")

    found = take([str(neighbours.path)])

    assert names(found) == ["aaa.job", "zzz.job"]
    assert [ref.name for ref in found.invalid] == ["fine.job", "other.job"]
    (problem,) = found.problems
    assert (problem.code, problem.file, problem.name) == ("bad_provider", str(file), None)
    assert told in problem.message


def test_a_name_and_a_version_as_long_as_the_store_holds_are_good(neighbours):
    file = neighbours.add_raw("mmm", "1.0", b"\n".join([OURS, GOOD, b""]))
    dist, version = (catalogue.c[name].type.length for name in ("dist", "version"))
    header = f"Name: {'m' * dist}\nVersion: {'1' * version}\n"
    file.with_name("METADATA").write_text(header)

    found = take([str(neighbours.path)])

    assert (names(found), found.problems) == (["aaa.job", "fine.job", "zzz.job"], ())
    assert (dist, version) == (256, 128)


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf", b""], ids=["BOM", "no BOM"])
@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"], ids=["CRLF", "LF", "CR"])
def test_every_way_to_end_a_line_is_accepted(neighbours, data, end):
    neighbours.add_raw("mmm", "1.0", data + end.join([OURS, GOOD, b""]))

    found = take([str(neighbours.path)])

    assert (names(found), found.problems) == (["aaa.job", "fine.job", "zzz.job"], ())


@pytest.mark.parametrize("group", [OURS, OTHERS], ids=["ours", "another's"])
def test_a_file_of_10_mb_is_told_and_not_read(neighbours, group):
    padding = b"# " + b"x" * 10_000_000
    file = neighbours.add_raw("mmm", "1.0", b"\n".join([group, padding, OURS, GOOD, b""]))

    found = take([str(neighbours.path)])

    assert names(found) == ["aaa.job", "zzz.job"]
    (problem,) = found.problems
    assert (problem.code, problem.file, problem.dist) == ("too_large", str(file), "mmm")


def test_links_that_lead_in_a_circle_are_told(neighbours):
    loop = neighbours.path / "loop-1.0.dist-info"
    loop.symlink_to(loop)
    file = neighbours.add_raw("mmm", "1.0", b"")
    file.unlink()
    file.symlink_to(file)

    found = take([str(neighbours.path), str(loop)])

    assert names(found) == ["aaa.job", "zzz.job"]
    assert {each.code for each in found.problems} == {"unreadable"}
    assert {each.file for each in found.problems} == {
        str(loop), str(loop / "entry_points.txt"), str(file)
    }  # fmt: skip


PIECES = [
    b"[", b"]", b"=", b":", b".", b"-", b"a", b"Z", b"_", b" ", b"\t", b"#", b";", b"\n", b"\r",
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xc3\xa9", b"\xe2\x80\xa8", b"\x1c", b"\xff\xfe", OURS,
    OTHERS, b"jobreg.jobs", b"name = module:function", b"module:function [extra]",
]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=30).map(b"".join),
    st.sampled_from(["entry_points.txt", "METADATA"]),
)
def test_no_bytes_whatever_cost_the_neighbours_anything(neighbours, data, spoilt):
    file = neighbours.add_raw("mmm", "1.0", b"[jobreg.jobs]\nmmm.job = m:f\nBad = m:f\n")
    file.with_name(spoilt).write_bytes(data)

    found = take([str(neighbours.path)])

    assert {"aaa.job", "zzz.job"} <= {*found.jobs, *found.conflicts}
    assert {ref.dist for ref in found.jobs.values()} >= {"aaa", "zzz"}
    assert all(each.file == str(file) and (each.line or 0) > 0 for each in found.problems)
    if spoilt == "METADATA":
        assert [each.code for each in found.problems] == ["bad_name"]


LOOK = f"""{OBEY_PERMISSIONS}
import json, sys
from jobreg.registry.snapshot import take
found = take(sys.argv[1:])
print(json.dumps([sorted(found.jobs), sorted([each.code, each.file] for each in found.problems)]))
"""


def test_what_may_not_be_read_is_told(neighbours, tmp_path):
    file = neighbours.add_raw("mmm", "1.0", OURS)
    file.chmod(0)
    folder = neighbours.add_raw("nnn", "1.0", OURS).parent
    folder.chmod(0)
    place = tmp_path / "place"
    place.mkdir(mode=0)

    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(neighbours.path), str(place)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    folder.chmod(0o755)
    place.chmod(0o755)

    assert done.returncode == 0, done.stderr
    jobs, problems = json.loads(done.stdout)
    assert jobs == ["aaa.job", "zzz.job"]
    assert problems == sorted(
        ["unreadable", str(each)] for each in (file, folder / "entry_points.txt", place)
    )


def test_a_folder_whose_name_is_no_text_has_one_that_can_be_stored(fake_plugins):
    folder = os.fsencode(fake_plugins.path) + b"/caf\xe9-1.0.dist-info"
    os.makedirs(folder)
    with open(folder + b"/entry_points.txt", "w") as file:
        file.write("[jobreg.jobs]\ncafe.f = m:f\n")

    ref = Registry(path=[str(fake_plugins.path)]).ref("cafe.f")

    assert (ref.dist, ref.version) == ("caf\ufffd", "1.0")
