"""Which schema this code was written for."""

from __future__ import annotations

VERSION = "0008"
VERSION_TABLE = "jobreg_version"
