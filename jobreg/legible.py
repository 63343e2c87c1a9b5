"""Text that people can read: spans of time in words, and nothing in it that acts on a screen."""

from __future__ import annotations

import re

# C0 and C1 controls (a terminal acts on them), line and paragraph separators, and what makes one
# name look like another: marks that turn the direction of text, and characters of no width.
HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def safe(text: object) -> str:
    r"""Make one harmless line of a text: control characters are escaped.

    Example:
        >>> print(safe("report\n\x1b[31m"))
        report\n\x1b[31m
    """
    return HARMFUL.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


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
