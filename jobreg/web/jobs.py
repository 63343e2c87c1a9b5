"""The REST interface: jobs, by their permanent names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..objects.jobs import job_object, job_rows, owned, problem_object
from .asked import Asked

if TYPE_CHECKING:
    from ..client import Client

# Where a function is concerns who installs it; a client of another version is to know names alone.
_NOT_TOLD = ("target", "file", "line", "location", "editable")


def list_jobs(asked: Asked) -> dict[str, Any]:
    """Every job that is installed here or known to the store, and what is wrong with any."""
    return {
        "jobs": every_job(asked.client),
        "problems": [
            problem_object(each) | {"file": None, "line": None}
            for each in asked.client.registry.snapshot().problems
        ],
    }


def every_job(client: Client) -> list[dict[str, Any]]:
    """A row for each job: those installed here, and those only others have (``elsewhere``)."""
    snapshot = client.registry.snapshot()
    catalogue = client.store.catalogue
    rows = job_rows(snapshot)
    here = {row["name"] for row in rows}
    for name, provider in catalogue.providers().items():
        if name not in here:
            dist, _, version = provider.partition(" ")
            rows.append(
                {"name": name, "dist": dist, "version": version or None, "state": "elsewhere"}
            )
    rows.sort(key=lambda row: str(row["name"]))
    return [_told({"alias_of": None, **row}) for row in owned(rows, snapshot, catalogue.owners())]


def show_job(asked: Asked) -> dict[str, Any]:
    """One job: its options, schema and provider, and how many runs are in each state."""
    return one_job(asked.client, asked.path["job_name"])


def one_job(client: Client, name: str) -> dict[str, Any]:
    """All that may be told of a job.

    Raises:
        UnknownJob: neither this installation nor the store knows it.
    """
    return _told({"alias_of": None, **job_object(client, name)})


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what tells where functions are."""
    told = {key: value for key, value in row.items() if key not in _NOT_TOLD}
    if "claimants" in told:
        told["claimants"] = [
            {"dist": each["dist"], "version": each["version"]} for each in told["claimants"]
        ]
    if "problems" in told:
        told["problems"] = [each | {"file": None, "line": None} for each in told["problems"]]
    return told
