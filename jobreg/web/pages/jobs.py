"""The registry: every job with its provider; one job with its schema, and a form to submit it."""

from __future__ import annotations

from typing import Any

from ...errors import BadInput, Conflict, NotFound
from .. import jobs as rest, runs as rest_runs
from . import forms
from .visit import Answer, Moved, Shown, Visit

_OPTIONS = ("queue", "priority", "delay", "timeout", "unique_key")


def show_all(visit: Visit) -> Answer:
    """Every job that is installed here or known to the store."""
    return Shown("jobs.html", rest.list_jobs(visit.as_asked()))


def show(visit: Visit) -> Answer:
    """One job; ``from`` in the query is a run whose parameters the form begins with."""
    params = None
    if visit.asked("from"):
        run = visit.client.get(visit.client.find_id(visit.asked("from")))
        params = rest_runs.one(visit.client, run)["params"]
    return _page(visit, params)


def _page(
    visit: Visit, params: dict[str, Any] | None = None, error: Exception | None = None
) -> Shown:
    job = rest.one_job(visit.client, visit.path["job_name"])
    pauses = {(each.kind, each.name) for each in visit.client.store.pauses()}
    facts = {
        "job": job,
        "paused": ("job", job["name"]) in pauses,
        "fields": forms.fields_of(job["params_schema"], visit.form, params),
        "options": {name: visit.filled(name) for name in (*_OPTIONS, "tags")},
        "error": None if error is None else str(error),
        "faults": getattr(error, "faults", ()),
    }
    return Shown("job.html", facts, 200 if error is None else 422)


def submit(visit: Visit) -> Answer:
    """Submit a run of what the form holds, and go to its page; or show what is wrong with it."""
    job = rest.one_job(visit.client, visit.path["job_name"])
    body: dict[str, Any] = {"job_name": job["name"]}
    try:
        body["params"] = forms.read_params(forms.fields_of(job["params_schema"], visit.form))
        for name in _OPTIONS:
            if visit.filled(name).strip():
                body[name] = visit.filled(name).strip()
        if "priority" in body:
            body["priority"] = _whole(body["priority"])
        tags = [tag.strip() for tag in visit.filled("tags").split(",")]
        body["tags"] = [tag for tag in tags if tag]
        _, run = rest_runs.submitted(visit.client, body)
    except (BadInput, Conflict, NotFound) as error:
        return _page(visit, error=error)
    return Moved(f"/runs/{run['run_id']}")


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadInput(f"priority: {text[:40]!r} is not a whole number.") from None


def pause(visit: Visit) -> Answer:
    """Pause a job, and show it."""
    rest.pause_job(visit.as_asked())
    return Moved(f"/jobs/{visit.path['job_name']}")


def resume(visit: Visit) -> Answer:
    """Resume a job, and show it."""
    rest.resume_job(visit.as_asked())
    return Moved(f"/jobs/{visit.path['job_name']}")
