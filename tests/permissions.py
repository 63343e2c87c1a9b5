"""Permissions that hold for a process of the tests whoever starts them, root as well."""

from __future__ import annotations

# What such a process executes first.
OBEY_PERMISSIONS = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
header, held = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert libc.capget(header, held) == 0
held[0] &= ~0b110  # of those in force: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
held[1] &= ~0b110  # of those that may come into force again
assert libc.capset(header, held) == 0
"""
