"""Both versions of acme_reports do the same work under the same job names."""

import importlib
import json
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "example_plugins"
VERSIONS = ("1.0", "2.0")

Job = Callable[..., dict[str, Any]]


class Package:
    """One version of the package, its jobs looked up by name as its pyproject.toml says."""

    def __init__(self, version: str) -> None:
        self.folder = EXAMPLES / f"acme_reports-{version}"
        pyproject = tomllib.loads((self.folder / "pyproject.toml").read_text())
        self.project = pyproject["project"]
        self.jobs: dict[str, str] = self.project["entry-points"]["jobreg.jobs"]

    def load(self, name: str) -> Job:
        """Import a job's function from this version's source."""
        forget_acme_reports()
        sys.path.insert(0, str(self.folder / "src"))
        try:
            module, _, attr = self.jobs[name].partition(":")
            job: Job = getattr(importlib.import_module(module), attr)
        finally:
            sys.path.remove(str(self.folder / "src"))
        return job


def forget_acme_reports() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "acme_reports"]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def _clean_modules() -> Iterator[None]:
    yield
    forget_acme_reports()


@pytest.fixture(params=VERSIONS)
def package(request: pytest.FixtureRequest) -> Package:
    return Package(request.param)


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


def test_both_versions_are_one_distribution_with_the_same_job_names() -> None:
    old, new = (Package(version) for version in VERSIONS)

    assert (old.project["name"], old.project["version"]) == ("acme-reports", "1.0")
    assert (new.project["name"], new.project["version"]) == ("acme-reports", "2.0")
    assert set(old.jobs) == set(new.jobs) == {"reports.render", "reports.profile"}


def test_no_job_module_or_function_of_1_0_is_left_in_2_0() -> None:
    old, new = (Package(version) for version in VERSIONS)

    for name, target in old.jobs.items():
        module, _, function = target.partition(":")
        assert new.jobs[name].partition(":")[2] != function
        assert not (new.folder / "src" / f"{module.replace('.', '/')}.py").exists()


def test_both_versions_give_the_same_figures_of_the_example_file(tmp_path: Path) -> None:
    source = str(EXAMPLES / "releases.csv")

    old, new = (
        Package(version).load("reports.render")(source, out=str(tmp_path / f"{version}.html"))
        for version in VERSIONS
    )

    same = ("rows", "columns", "numeric_columns", "summary")
    assert [old[key] for key in same] == [new[key] for key in same]
    assert set(old) <= set(new)
    assert old["rows"] >= 40
    assert old["numeric_columns"] == ["size_mb"]


def test_the_report_lands_beside_the_csv_and_the_result_says_where(
    package: Package, tmp_path: Path
) -> None:
    source = write(tmp_path / "sales.csv", "shop,sold\nnorth,3\nsouth,5\n")

    result = package.load("reports.render")(source)

    assert result["report"] == str((tmp_path / "sales.html").resolve())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sales.csv", "sales.html"]
    assert json.loads(json.dumps(result)) == result


def test_figures_leave_out_blanks_and_count_them(package: Package, tmp_path: Path) -> None:
    source = write(tmp_path / "a.csv", 'name,price\na,"1,000.50"\nb,\nc,n/a\nd,2\ne,4\n')

    result = package.load("reports.render")(source)

    assert result["summary"] == {
        "price": {
            "count": 3,
            "missing": 2,
            "min": 2,
            "median": 4,
            "mean": pytest.approx(1006.5 / 3),
            "max": 1000.5,
            "sum": 1006.5,
        }
    }


@pytest.mark.parametrize(
    ("text", "numeric"),
    [
        ("\ufeffid,x\r\na,1\r\n", ["x"]),
        ("id;x\na;1,5\nb;1.234,5\n", ["x"]),
        ("id\tx\na\t1 000\n", ["x"]),
        ("id|x\na|1'000\n", ["x"]),
        ("zip,x\n00123,1e3\n", ["x"]),
        ("x,x\n1,2\n", ["x", "x (2)"]),
        (",b\n1,z\n", ["column 1"]),
        ("day,ver\n2024-01-02,3.11.1\n", []),
        ("a,b\n1_000,inf\n1,1\n", []),
        ("a,b\n1\n2,3,4\n\n,,\n", ["a", "b"]),
        ("a,b\n", []),
    ],
)
def test_numeric_columns_are_found_whatever_the_dialect(
    package: Package, tmp_path: Path, text: str, numeric: list[str]
) -> None:
    source = write(tmp_path / "a.csv", text)

    result = package.load("reports.render")(source)

    assert result["numeric_columns"] == numeric
    assert Path(result["report"]).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_hostile_text_is_escaped_everywhere(package: Package, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    source = write(tmp_path / "a.csv", f'{evil},day<b>,"\'><img>"\n{evil},2024-01-02,3\n')

    result = package.load("reports.render")(source, title=f"</title>{evil}")

    page = Path(result["report"]).read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not [tag for tag in ("<script", "<img", "<b>") if tag in page]
    assert page.count("</title>") == page.count("<title")


def test_the_chart_has_a_name_a_description_and_a_dot_per_value(
    package: Package, tmp_path: Path
) -> None:
    source = write(tmp_path / "a.csv", "id,day,x\n1,2020-01-01,5\n2,2024-01-05,5\n3,,7\n")

    result = package.load("reports.render")(source)

    page = Path(result["report"]).read_text(encoding="utf-8")
    chart = page[page.index("<svg") : page.index("</svg>")]
    assert '<title id="chart-name">x by ' in chart
    assert '<desc id="chart-is">' in chart
    assert chart.count("<circle") == {"1.0": 3, "2.0": 2}[package.project["version"]]


@pytest.mark.parametrize("days", [["2024-01-02"], ["1999-12-31", "2024-01-02"], ["9999-12-31"]])
@pytest.mark.parametrize("values", [["0"], ["7"], ["-1e99", "1e99"], ["1e-300", "0"]])
def test_any_numbers_and_dates_can_be_drawn(
    package: Package, tmp_path: Path, days: list[str], values: list[str]
) -> None:
    rows = [f"{day},{value}" for day in days for value in values]
    source = write(tmp_path / "a.csv", "day,x\n" + "\n".join(rows))

    result = package.load("reports.render")(source)

    page = Path(result["report"]).read_text(encoding="utf-8")
    assert page.count("<circle") == len(rows)
    assert "nan" not in page[page.index("<svg") : page.index("</svg>")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"1,2\n3,4\n", "has no header"),
        (b"a,b\n\xff,1\n", "is not UTF-8"),
        (b'a,b\n"' + b"x" * 200_000, "Is a quote left open"),
    ],
)
def test_a_file_that_is_no_csv_is_refused_with_the_reason(
    package: Package, tmp_path: Path, content: bytes, says: str
) -> None:
    source = tmp_path / "bad.csv"
    source.write_bytes(content)

    with pytest.raises(ValueError, match=says) as refused:
        package.load("reports.render")(str(source))

    assert str(source.resolve()) in str(refused.value)
    assert not (tmp_path / "bad.html").exists()


def test_a_missing_file_or_folder_is_named(package: Package, tmp_path: Path) -> None:
    render, profile = package.load("reports.render"), package.load("reports.profile")
    source = write(tmp_path / "a.csv", "a\n1\n")

    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        render(str(tmp_path / "none.csv"))
    with pytest.raises(FileNotFoundError, match=r"no folder .*none"):
        render(source, out=str(tmp_path / "none" / "a.html"))
    with pytest.raises(FileNotFoundError, match=r"none\.log"):
        profile(str(tmp_path / "none.log"))


def test_the_csv_itself_is_never_overwritten(package: Package, tmp_path: Path) -> None:
    source = write(tmp_path / "a.html", "a\n1\n")

    with pytest.raises(ValueError, match="would overwrite"):
        package.load("reports.render")(source)

    assert Path(source).read_text() == "a\n1\n"


LOG = b"""# started by hand
2026-01-01 10:00:00 INFO ready
2026-01-01 10:00:01 DEBUG cache: ERROR table loaded
[warn] slow disk

{"level": "error", "message": "no disk"}
Traceback (most recent call last):
  File "x.py", line 1, in <module>
    # ERROR in a frame is no error line
ValueError: bad
just text about an error \xff\xfe
error: last line without a line break"""

LOG_KINDS = {
    "blank": 1,
    "comment": 1,
    "debug": 1,
    "info": 1,
    "warning": 1,
    "error": 2,
    "traceback": 4,
    "other": 1,
}


def test_lines_of_a_log_are_counted_by_kind(package: Package, tmp_path: Path) -> None:
    source = tmp_path / "app.log"
    source.write_bytes(LOG)

    result = package.load("reports.profile")(str(source))

    assert result["kinds"] == LOG_KINDS
    assert result["lines"] == 12
    assert result["bytes"] == len(LOG)
    assert result["path"] == str(source.resolve())


def test_an_empty_file_has_no_lines(package: Package, tmp_path: Path) -> None:
    source = write(tmp_path / "empty.log", "")

    result = package.load("reports.profile")(source)

    assert (result["lines"], result["bytes"]) == (0, 0)


def test_a_line_longer_than_the_buffer_is_one_line(package: Package, tmp_path: Path) -> None:
    source = write(tmp_path / "long.log", "ERROR " + "x" * 300_000 + "\nnext\n")

    result = package.load("reports.profile")(source)

    assert (result["lines"], result["kinds"]["error"]) == (2, 1)
    assert result["bytes"] == 300_012


@pytest.mark.parametrize(("name", "final"), [("reports.render", 1000), ("reports.profile", 4004)])
def test_progress_rises_to_the_whole(
    package: Package,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    final: int,
) -> None:
    seen: list[tuple[float, float]] = []

    class Run:
        def progress(self, done: float, total: float, message: str) -> None:
            seen.append((done, total))

    source = write(tmp_path / "a.csv", "a,b\n" + "1,2\n" * 1000)
    job = package.load(name)
    monkeypatch.setattr(sys.modules["acme_reports.progress"], "current_run", Run)

    job(source)

    assert seen == sorted(seen, key=lambda pair: pair[0])
    assert all(done <= total for done, total in seen)
    assert seen[-1] == (final, final)
    assert 50 <= len(seen) <= 110
