"""One job: what it is, how its runs stand, and the form that submits one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen
from starlette.responses import Response

from ...errors import BadInput, Conflict, JobRegError, StoreError, UnknownJob
from ...legible import amount
from ...lifecycle import State
from ...objects.jobs import check_known
from ...request import POLICIES, new_run_id
from .. import operate
from ..jobs import one_job
from ..runs import one, submitted
from . import forms
from .fields import fields
from .filters import written

if TYPE_CHECKING:
    from .visit import Visit

OPTIONS = ("queue", "priority", "delay", "timeout", "unique_key", "unique_policy", "tags")
"""What a form may say of a run beside its parameters."""


@frozen(kw_only=True)
class Draft:
    """A form as it is shown: fields, options, faults, and the id that its run will have.

    Sent twice, it submits one run.
    """

    fields: list[Any]
    rest: str = ""
    options: Mapping[str, str] = {}
    faults: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    like: str | None = None
    run_id: str


async def show(visit: Visit) -> Response:
    """The page; ``like`` is a run whose parameters stand in the form at first."""
    name, like = visit.path("job_name"), visit.asked("like")
    job = await visit.do(one_job, visit.client, name)
    draft = Draft(fields=fields(job["params_schema"]), run_id=new_run_id())
    if like is not None and visit.may("submit"):
        draft = await visit.do(_like, visit, job, like)
    return await _page(visit, job, draft)


def _like(visit: Visit, job: dict[str, Any], run_id: str) -> Draft:
    """The form with what a run was asked for."""
    run = one(visit.client, visit.client.get(visit.client.find_id(run_id)))
    made, rest, hidden = forms.filled(fields(job["params_schema"]), run["params"])
    options = {
        "queue": run["queue"] or "",
        "priority": str(run["priority"] or ""),
        "timeout": amount(run["timeout"]) if run["timeout"] else "",
        "tags": "\n".join(run["tags"]),
    }
    return Draft(
        fields=made, rest=rest, options=options, hidden=hidden, like=run["run_id"],
        run_id=new_run_id(),
    )  # fmt: skip


async def _page(visit: Visit, job: dict[str, Any], draft: Draft, status: int = 200) -> Response:
    pauses = await visit.do(visit.client.store.pauses)
    name = job["name"]
    paused = next((each for each in pauses if (each.kind, each.name) == ("job", name)), None)
    return visit.page(
        "job_page.html",
        status,
        job=job,
        draft=draft,
        paused=paused,
        policies=POLICIES,
        counts=[
            (state.value, job["runs"].get(state.value, 0),
             written({"state": state.value, "job": name}))
            for state in State
        ],
        everything=written({"job": name}),
    )  # fmt: skip


async def submit(visit: Visit) -> Response:
    """Submit what the form says; where that cannot be, show it again with what is wrong."""
    name, form = visit.path("job_name"), visit.form
    job = await visit.do(one_job, visit.client, name)
    made = fields(job["params_schema"])
    try:
        body = {"job_name": name, "params": forms.read(made, form), **_options(form)}
        _, run = await visit.do(submitted, visit.client, body)
    except (StoreError, UnknownJob):
        raise
    except JobRegError as error:
        faults = getattr(error, "faults", ()) or (str(error),)
        draft = Draft(
            fields=forms.told_at(forms.typed(made, form), faults),
            rest=form.get(forms.REST, ""),
            options=form,
            faults=tuple(faults),
            like=form.get("like") or None,
            run_id=new_run_id(),
        )
        return await _page(visit, job, draft, 409 if isinstance(error, Conflict) else 422)
    return visit.go("runs", run["run_id"])


def _options(form: Mapping[str, str]) -> dict[str, Any]:
    """What a form says of the run beside its parameters, as a submit takes it."""
    found: dict[str, Any] = {name: text for name in OPTIONS if (text := form.get(name, "").strip())}
    if not found.get("unique_key"):
        found.pop("unique_policy", None)
    if "priority" in found:
        try:
            found["priority"] = int(found["priority"])
        except ValueError:
            raise BadInput(f"priority: {found['priority'][:80]!r} is not a whole number.") from None
    if "tags" in found:
        found["tags"] = [each.strip() for each in found["tags"].split("\n") if each.strip()]
    if form.get("run_id"):
        found["run_id"] = form["run_id"]
    return found


async def pause(visit: Visit) -> Response:
    """Let nobody claim queued runs of a job."""
    await visit.do(check_known, visit.client, visit.path("job_name"))
    return await _do(visit, operate.pause)


async def resume(visit: Visit) -> Response:
    """Let them be claimed again."""
    return await _do(visit, operate.resume)


async def _do(visit: Visit, verb: Callable[..., object]) -> Response:
    name = visit.path("job_name")
    await visit.do(verb, visit.client.store, "job", name)
    return visit.go("jobs", name)
