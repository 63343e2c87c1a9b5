"""What is printed fits, and cannot harm."""

from __future__ import annotations

import io
import json
import sys

import pytest

from jobreg.cli import output


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("two\nlines\r\t", r"two\nlines\r\t"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("nul\x00 del\x7f c1\x9b", r"nul\x00 del\x7f c1\x9b"),
        ("\u202eturned\u2066\u200f", r"\u202eturned\u2066\u200f"),
        ("line\u2028sep", r"line\u2028sep"),
        ("half \ud800", r"half \ud800"),
        ("r\u00e9sum\u00e9 \u65e5\u672c", "r\u00e9sum\u00e9 \u65e5\u672c"),
        (42, "42"),
    ],
)
def test_control_characters_are_escaped_and_nothing_else(text, shown):
    assert output.safe(text) == shown


def test_json_is_ascii_and_comes_back(capsys):
    value = {"name": "r\u00e9sum\u00e9 \u202e\x9b\x7f", "none": None}

    output.print_json(value)

    printed = capsys.readouterr().out
    assert printed.isascii()
    assert "\x7f" not in printed
    assert json.loads(printed) == value


def test_a_table_lines_up(capsys):
    output.table([("a", 1), ("longer", None)], ("NAME", "N"))

    assert capsys.readouterr().out == "NAME    N\na       1\nlonger\n"


def test_a_table_fits_80_columns_by_cutting_the_widest(capsys):
    output.table([("short", "x" * 100, "y" * 70)], ("A", "B", "C"))

    _, row = capsys.readouterr().out.splitlines()
    assert len(row) == 80
    assert row.startswith("short  xxx")
    assert row.count("…") == 2


def test_wide_characters_take_two_columns(capsys):
    output.table([("\u65e5" * 60, "end")], ("A", "B"))

    row = capsys.readouterr().out.splitlines()[1]
    assert row.count("\u65e5") == 37
    assert row.endswith("…  end")


def test_many_columns_never_shrink_to_nothing(capsys):
    output.table([["abcdefghij"] * 20], [str(number) for number in range(20)])

    row = capsys.readouterr().out.splitlines()[1]
    assert row.split() == ["abcde…"] * 20


def test_an_ascii_stream_gets_three_dots(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))

    assert output.cut("abcdefghij", 8) == "abcde..."


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "no_colour", "coloured"),
    [(Terminal(), None, True), (Terminal(), "1", False), (io.StringIO(), None, False)],
)
def test_colour_is_for_terminals_that_want_it(monkeypatch, stream, no_colour, coloured):
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_colour:
        monkeypatch.setenv("NO_COLOR", no_colour)
    monkeypatch.setattr(sys, "stdout", stream)

    output.table([("failed",)], ("STATE",), colours={"failed": "red"})

    assert ("\x1b[31mfailed\x1b[0m" in stream.getvalue()) is coloured
    assert ("\x1b" in stream.getvalue()) is coloured


def test_fields_are_uncut_and_leave_out_what_is_not_known(capsys):
    output.fields([("name", "n" * 100), ("file", None), ("location", "/x\n")])

    assert capsys.readouterr().out == f"name      {'n' * 100}\nlocation  /x\\n\n"


@pytest.mark.parametrize(
    ("told", "columns"), [("40", 40), ("200", 200), ("0", 80), ("-5", 80), ("wide", 80), ("", 80)]
)
def test_columns_says_how_wide_a_table_may_be(monkeypatch, capsys, told, columns):
    monkeypatch.setenv("COLUMNS", told)

    output.table([("a" * 300, "b" * 300)], ("A", "B"))

    assert len(capsys.readouterr().out.splitlines()[1]) == columns


def test_an_id_is_never_cut(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "20")

    output.table([("i" * 36, "x" * 50)], ("RUN", "JOB"), keep=("RUN",))

    assert "i" * 36 in capsys.readouterr().out


def test_a_dumb_terminal_gets_no_colour(monkeypatch):
    stream = Terminal()
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stdout", stream)

    output.table([("failed",)], ("STATE",), colours={"failed": "red"})

    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "size", "shown"),
    [
        ("日本語テキスト", 7, "日本語…"),
        ("日本語テキスト", 6, "日本…"),  # half a character cannot be shown
        ("e\u0301" * 10, 5, "e\u0301e\u0301…"),
    ],
)
def test_wide_and_combining_characters_are_cut_by_columns(text, size, shown):
    assert output.cut(text, size) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u200bb", r"a\u200bb"),
        ("\ufeffx", r"\ufeffx"),
        ("\u061c", r"\u061c"),
        ("\U000e0041", r"\U000e0041"),
        ("👩\u200d💻", "👩\u200d💻"),
    ],
)
def test_characters_nobody_can_see_are_escaped(text, shown):
    assert output.safe(text) == shown


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"),
     (172_799, "48 h"), (172_800, "2 d")],
)  # fmt: skip
def test_a_span_is_told_in_one_unit(seconds, told):
    assert output.span(seconds) == told
