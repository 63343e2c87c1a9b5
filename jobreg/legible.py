"""Text for people: nothing in it can harm, and spans of time are short."""

from __future__ import annotations

import re
from collections.abc import Callable

# C0 and C1 controls (a terminal acts on them), line and paragraph separators, and what makes one
# name look like another: marks that turn the direction of text, and characters of no width.
HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
REDACTED = "[redacted]"
"""What stands in the place of a secret."""
_BREAKS = re.compile(f"(?![\n\t]){HARMFUL.pattern}")


def safe(text: object) -> str:
    r"""Make one harmless line of a text: control characters are escaped.

    Example:
        >>> print(safe("report\n\x1b[31m"))
        report\n\x1b[31m
    """
    return HARMFUL.sub(_escaped, str(text))


def safe_lines(text: object) -> str:
    """The same of a text of several lines, which stay as they are, and so do tabs."""
    return _BREAKS.sub(_escaped, str(text))


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def brief(value: object, show: Callable[[object], str] = str) -> str:
    """The first 80 characters of what a value is as text, for a message that refuses it.

    Example:
        >>> brief(10**5000)
        'a number of thousands of digits'
    """
    try:
        return show(value)[:80]
    except ValueError:  # sys.set_int_max_str_digits
        return "a number of thousands of digits"


def amount(number: float) -> str:
    """A number as people write it, to a millionth: without an exponent below 10**15.

    Example:
        >>> amount(1_209_600.0), amount(100001.5), amount(1 / 3)
        ('1209600', '100001.5', '0.333333')
    """
    if abs(number) >= 1e15:
        return f"{number:g}"
    return f"{number:.6f}".rstrip("0").rstrip(".")


def span(seconds: float) -> str:
    """A time span for people: ``45 s``, ``12 min``, ``3.5 h``, ``2 d``.

    Example:
        >>> span(5400)
        '90 min'
    """
    for unit, size, most in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < most * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"
