"""Reads the tables afterwards: a figure counts only where every run was done, once, and right."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping

from ..store import Store
from ..store.raw import ended

FAULTS = {
    "missing": "it is not in the store",
    "not succeeded": "its state is another, or it is not over",
    "attempts": "it had none, or more than one",
    "not in a child": "the worker's own process executed it",
    "wrong result": "what is stored is not what the job returns",
}


def check(store: Store, job_name: str, submitted: Mapping[str, int]) -> dict[str, list[str]]:
    """The ids of the runs that have a fault, by its name; each was submitted with its number."""
    faults: dict[str, list[str]] = {name: [] for name in FAULTS}
    there = set()
    for run_id, state, result, attempt, number, outcome in ended(store, job_name):
        there.add(run_id)
        said = json.loads(result or "null")
        value, pid = said if isinstance(said, list) and len(said) == 2 else (None, None)
        told = {
            "not succeeded": state != "succeeded",
            "attempts": (attempt, number, outcome) != (1, 1, "succeeded"),
            "not in a child": pid == os.getpid(),
            "wrong result": value != submitted.get(run_id, math.nan),
        }
        for name, is_so in told.items():
            if is_so and run_id not in faults[name][-1:]:
                faults[name].append(run_id)
    faults["missing"] = sorted(submitted.keys() - there)
    return faults
