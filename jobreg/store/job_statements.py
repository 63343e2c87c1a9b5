"""The SQL about jobs: what is known of them, whose they are, what operators set for them."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Delete,
    Insert,
    Select,
    Update,
    bindparam,
    delete,
    func,
    insert,
    literal,
    null,
    select,
    union_all,
    update,
)

from .statements import Now
from .tables import catalogue, live, overrides, owners, runs

_SAID = ("options", "signature", "params_schema", "summary", "import_seconds", "trouble")


@cache
def note_again(now: Now) -> Update:
    """Write anew what is known of :of_job as this :of_dist and :of_version ship it."""
    return (
        update(catalogue)
        .where(
            catalogue.c.job_name == bindparam("of_job"),
            catalogue.c.dist == bindparam("of_dist"),
            catalogue.c.version == bindparam("of_version"),
        )
        .values(last_seen=now, **{name: bindparam(f"to_{name}") for name in _SAID})
    )


@cache
def note_first(now: Now) -> Insert:
    """Write for the first time what is known of :of_job in a version."""
    return insert(catalogue).values(
        job_name=bindparam("of_job"),
        dist=bindparam("of_dist"),
        version=bindparam("of_version"),
        first_seen=now,
        last_seen=now,
        **{name: bindparam(f"to_{name}") for name in _SAID},
    )


@cache
def versions() -> Select[Any]:
    """The versions of the jobs :names of which something is kept."""
    found = select(catalogue.c.job_name, catalogue.c.dist, catalogue.c.version)
    return found.where(catalogue.c.job_name.in_(bindparam("names", expanding=True)))


@cache
def known(all_jobs: bool) -> Select[Any]:
    """What is known of the jobs :names (or of all), the version seen last first."""
    found = select(catalogue).order_by(catalogue.c.job_name, catalogue.c.last_seen.desc())
    if all_jobs:
        return found
    return found.where(catalogue.c.job_name.in_(bindparam("names", expanding=True)))


@cache
def providers() -> Select[Any]:
    """The versions of all jobs, by name alone, the one seen last at the end."""
    return select(catalogue.c.job_name, catalogue.c.dist, catalogue.c.version).order_by(
        catalogue.c.last_seen
    )


@cache
def versions_of() -> Select[Any]:
    """What is known of :job_name, in every version ever seen."""
    return select(catalogue).where(catalogue.c.job_name == bindparam("job_name"))


@cache
def overrides_of() -> Select[Any]:
    """What operators set for :job_name."""
    return select(overrides).where(overrides.c.job_name == bindparam("job_name"))


@cache
def owners_of(all_jobs: bool) -> Select[Any]:
    """Whom the jobs :names (or all) belong to."""
    found = select(owners).order_by(owners.c.job_name)
    if all_jobs:
        return found
    return found.where(owners.c.job_name.in_(bindparam("names", expanding=True)))


@cache
def pin(now: Now) -> Insert:
    """Let :of_job, which has no owner, belong to :to_dist."""
    return insert(owners).values(
        job_name=bindparam("of_job"),
        dist=bindparam("to_dist"),
        pinned_by=bindparam("to_pinned_by"),
        pinned_at=now,
    )


@cache
def pin_again(now: Now) -> Update:
    """Let :of_job belong to :to_dist from now on."""
    return (
        update(owners)
        .where(owners.c.job_name == bindparam("of_job"))
        .values(dist=bindparam("to_dist"), pinned_by=bindparam("to_pinned_by"), pinned_at=now)
    )


@cache
def all_overrides() -> Select[Any]:
    """What operators set, for all jobs."""
    return select(overrides).order_by(overrides.c.job_name, overrides.c.option_name)


@cache
def owners_and_overrides() -> CompoundSelect[Any]:
    """Whom all jobs belong to, and what operators set for them: the one or the other by row."""
    nothing = null()
    owned = select(
        owners.c.job_name, owners.c.dist, owners.c.pinned_by, owners.c.pinned_at,
        nothing.label("option_name"), nothing.label("value"),
    )  # fmt: skip
    asked = select(
        overrides.c.job_name, nothing, nothing, nothing,
        overrides.c.option_name, overrides.c.value,
    )  # fmt: skip
    return union_all(owned, asked)


@cache
def take_override_back() -> Delete:
    """Forget what was set for :of_option of :of_job."""
    return delete(overrides).where(
        overrides.c.job_name == bindparam("of_job"),
        overrides.c.option_name == bindparam("of_option"),
    )


@cache
def set_override(now: Now) -> Insert:
    """Set :of_option of :of_job to :to_value; what was set before is gone already."""
    return insert(overrides).values(
        job_name=bindparam("of_job"),
        option_name=bindparam("of_option"),
        value=bindparam("to_value"),
        set_at=now,
    )


@cache
def counts_of() -> CompoundSelect[Any]:
    """How many runs of :name are in each state."""
    over = select(runs.c.state, func.count().label("number")).where(
        runs.c.job_name == bindparam("name"), runs.c.state.is_not(None)
    )
    waiting = select(live.c.state, func.count().label("number")).where(
        live.c.job_name == bindparam("name")
    )
    return over.group_by(runs.c.state).union_all(waiting.group_by(live.c.state))


@cache
def unfinished() -> Select[Any]:
    """The names that unfinished runs have, and how many of each wait or run."""
    number = func.count().label("number")
    return select(live.c.job_name, number).group_by(live.c.job_name).order_by(live.c.job_name)


@cache
def waiting_params() -> Select[Any]:
    """Id and parameters of the first :most runs of :name that wait."""
    return (
        select(runs.c.run_id, runs.c.params)
        .join(live, live.c.run_id == runs.c.run_id)
        .where(live.c.job_name == bindparam("name"), live.c.state != literal("running"))
        .order_by(live.c.seq)
        .limit(bindparam("most"))
    )
