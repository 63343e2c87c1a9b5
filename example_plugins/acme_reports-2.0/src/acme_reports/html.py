"""The job ``reports.render``: an HTML report of any CSV file."""

import os
from pathlib import Path

from acme_reports.columns import read_table
from acme_reports.layout import lay_out
from acme_reports.progress import report_progress
from jobreg import job


# One attempt only: a file that could not be read gives the same error the next time.
@job(timeout="10m")
def build_report(csv: str, out: str | None = None, title: str | None = None) -> dict[str, object]:
    """Write an HTML report of a CSV file: figures of its numeric columns, a chart, first rows.

    ``csv`` is the file, ``out`` where the report goes (default: beside the CSV file, same name,
    ``.html``; a folder is fine), ``title`` its heading. Returns ``report`` (the absolute path),
    ``rows``, ``columns``, ``numeric_columns`` and ``summary``, the figures by numeric column: what
    version 1.0 returns.
    """
    source = Path(csv).expanduser().resolve()
    target = report_path(source, out)
    table = read_table(source, report_progress)
    summary = {column.name: column.summary() for column in table.of_kind("number")}
    write_whole(target, lay_out(title or source.stem, source.name, table, summary))
    return {
        "report": str(target),
        "rows": table.rows,
        "columns": [column.name for column in table.columns],
        "numeric_columns": list(summary),
        "summary": summary,
    }


def report_path(source: Path, out: str | None) -> Path:
    """Return where the report goes; refuse a folder that is missing, and the CSV file itself."""
    target = Path(out).expanduser().resolve() if out else source.with_suffix(".html")
    if target.is_dir():
        target = target / f"{source.stem}.html"
    if not target.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {target.parent} to write the report to.")
    if target == source:
        raise ValueError(f"The report would overwrite {source}. Name another file with 'out'.")
    return target


def write_whole(target: Path, text: str) -> None:
    """Write a file so that readers see the old or the new one, never a half.

    A run may be executed twice when its worker dies; each attempt writes a file of its own and
    moves it into place at the end.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(text.encode("utf-8", errors="replace"))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
