"""Submit runs by name, and ask what became of them. Imports no job and no engine."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Unpack
from uuid import UUID

from attrs import evolve

from . import clock, following, settings
from .catalogue import Known
from .errors import BadInput, Conflict, JobConflict, JobRegError, UnknownJob, UnknownRun
from .handle import Run
from .judge import Kept, Terms
from .lifecycle import LogLine, Provider, RunRecord, State
from .options import Duration, count, seconds
from .registry import JobRef, Registry, default_registry, unknown_job
from .request import (
    SubmitOptions,
    checked_level,
    checked_run_id,
    listed,
    make_request,
    many_requests,
    names_of_many,
    new_run_id,
    new_run_ids,
    one_of_many,
    spread_id,
)
from .selection import Filters, Selection, names_like, select_runs
from .store import direct
from .store.on_demand import OnDemand, overlaps

if TYPE_CHECKING:
    from .store import Store

PAGE = 100
LARGEST_PAGE = 1000
# Whoever submits more than this opens the store: a kept connection is quicker from then on.
_FEW = 20
# So many runs are checked while they are stored, if it does not take the server's patience.
_MANY = range(1_000, 200_001)
_CHECKED_WITHIN = 10.0
_CANDIDATES = 5
# Seconds within which what operators set, and new versions, take effect here.
_KEEP_KNOWN = 5.0
# The same, of what the store does not know yet: the first run that a worker claims tells it.
_KEEP_UNKNOWN = 0.01


class _LookAtAllError(Exception):
    """One of many has a unique key, or checking takes too long: look at all before storing any."""


stand_in: Store | None = None
"""What clients that are given no store take; set by :func:`jobreg.verbs.standing_in` alone."""


class Client:
    """The verbs on a store and registry of your choosing. Safe to share between threads.

    Args:
        store: a store URL, the path of a SQLite file, or an open store; by default
            ``JOBREG_STORE``, else a SQLite file in the user's data folder.
        registry: the jobs that may be submitted; by default those installed here.

    Example:
        >>> import jobreg, tempfile
        >>> client = jobreg.Client(store=tempfile.mkdtemp() + "/jobs.db")
        >>> list(client.find(state="queued"))
        []
    """

    def __init__(
        self, store: str | os.PathLike[str] | Store | None = None, registry: Registry | None = None
    ) -> None:
        if isinstance(store, os.PathLike):
            store = os.fspath(store)
        store = stand_in if store is None else store
        given = getattr(store, "full_url", store)
        self.settings = settings.load(store=given)
        self.registry = registry or default_registry()
        self._store = None if isinstance(store, str) else store
        self._submitted = 0
        self._known: dict[str, Kept] = {}
        self._opening = threading.Lock()

    @property
    def store(self) -> Store:
        """The store, opened on first use."""
        store = self._store
        if store is not None:
            return store
        with self._opening:
            if self._store is None:
                from .store import open_store

                self._store = open_store(self.settings.store, sqlite_sync=self.settings.sqlite_sync)
            return self._store

    def has_store(self) -> bool:
        """Is there a store already? Makes none, where opening it would.

        Raises:
            BadInput: its URL cannot be read.
        """
        if self._store is not None:
            return True
        if direct.is_missing(self.settings.store):
            return False
        from .store import exists

        return exists(self.settings.store)

    def close(self) -> None:
        """Let go of the store's connections; the next use opens them again."""
        with self._opening:
            if self._store is not None:
                self._store.close()

    def submit(
        self,
        job_name: str,
        params: Mapping[str, Any] | None = None,
        *,
        connection: object = None,
        **options: Unpack[SubmitOptions],
    ) -> Run:
        """Ask for one run of a job and return its handle. See :func:`submit`."""
        record = make_request(job_name, params, options, self.settings.max_params)
        if connection is not None:
            return Run(self, self.store.insert([self._ready_one(record)], connection)[0])
        stored = self._insert_directly(record) if self._store is None else None
        return Run(self, self._insert_one(record) if stored is None else stored)

    def _insert_directly(self, record: RunRecord) -> RunRecord | None:
        """Store one run without SQLAlchemy, if this process may never need that; else nothing."""
        if self._submitted >= _FEW or _store_is_imported():
            return None
        self._submitted += 1
        installed = _provider(self._check_name(record.job_name))
        return direct.insert(
            self.settings.store,
            self.settings.sqlite_sync,
            record,
            lambda known: Terms.of(known, installed, self.settings.redact).apply(record),
        )

    def _insert_one(self, record: RunRecord) -> RunRecord:
        """Store one run; by what was known of its job a while ago, if the store says it is so yet.

        To ask first would be one more journey to the server, after each pause.
        """
        now, kept = clock.seconds(), self._kept_long(record.job_name)
        run = None
        if kept is not None:
            with suppress(BadInput):  # another version may have come since
                run = kept.terms.apply(record)
        if kept is None or run is None:
            return self.store.insert([self._ready_one(record)])[0]
        stored = self.store.insert_as_known(run, kept.known, lambda: self._ready_one(record))
        if self._known.get(record.job_name) is kept:
            if self._is_here(kept):
                self._known[record.job_name] = evolve(kept, read=now - _aged(kept.known))
            else:
                self._known.pop(record.job_name, None)
        return stored

    def _kept_long(self, name: str) -> Kept | None:
        """What was read of a job too long ago, if the store can say whether it is so yet.

        Where nothing that is installed here bears on its runs, the look at that may come after,
        while the run is on its way already.
        """
        kept = self._known.get(name)
        if kept is None or kept.ref is None or kept.read >= clock.seconds() - _KEEP_KNOWN:
            return None
        return kept if kept.terms.anywhere or self._is_here(kept) else None

    def _is_here(self, kept: Kept) -> bool:
        """Is the job where it was?"""
        ref = kept.ref
        return ref is not None and self.registry.snapshot().jobs.get(ref.name) == ref

    def _ready_one(self, record: RunRecord) -> RunRecord:
        """A run as it is to be stored, its name and parameters judged; nothing is stored.

        The name of one that was there before is not judged.
        """
        name, judge = record.job_name, record.retried_from is None
        terms = self._terms(name, judge=judge)
        try:
            return terms.apply(record)
        except BadInput:
            # By what was read some seconds ago; another version may have come since.
            return self._terms(name, judge=False, anew=True).apply(record)

    def ready(self, records: Sequence[RunRecord]) -> list[RunRecord]:
        """Runs as :meth:`_ready_one` has them, all or none."""
        try:
            return self._ready(records)
        except BadInput:
            return self._ready(records, anew=True)

    def _ready(self, records: Sequence[RunRecord], *, anew: bool = False) -> list[RunRecord]:
        names = dict.fromkeys(record.job_name for record in records)
        terms = {name: self._terms(name, judge=not anew, anew=anew) for name in names}
        return [terms[record.job_name].apply(record) for record in records]

    def _terms(self, name: str, *, anew: bool = False, judge: bool = True) -> Terms:
        """What bears on the runs of a job, as it was some seconds ago unless wanted anew.

        Raises:
            UnknownJob, JobConflict: as :meth:`_check_name`, where the name is to be judged.
        """
        ref = self.registry.snapshot().jobs.get(name)
        if ref is None and judge:
            ref = self._check_name(name)
        kept, now = self._known.get(name), clock.seconds()
        if kept is None or anew or kept.read < now - _KEEP_KNOWN:
            self.store.catalogue.readers.add(self)
            known = self.store.catalogue.of(name)
            now -= _aged(known)
        elif kept.ref is ref or kept.ref == ref:
            return kept.terms
        else:
            now, known = kept.read, kept.known
        same = kept if kept and kept.known is known and kept.ref == ref else None
        terms = same.terms if same else Terms.of(known, _provider(ref), self.settings.redact)
        self._known[name] = Kept(now, known, ref, terms)
        return terms

    def forget_jobs(self) -> None:
        """Forget what was read of jobs; this process has written something of them."""
        self._known.clear()

    def submit_many(
        self,
        runs: Iterable[tuple[str, Mapping[str, Any] | None] | Mapping[str, Any]],
        *,
        connection: object = None,
    ) -> list[Run]:
        """Ask for many runs, all or none. See :func:`submit_many`."""
        asked = listed(runs)
        stored = None if connection is not None else self._insert_on_demand(asked)
        if stored is None:
            records = many_requests(asked, self.settings.max_params)
            stored = self.store.insert(self.ready(records), connection) if records else []
        return [Run(self, record) for record in stored]

    def _insert_on_demand(self, asked: Sequence[object]) -> list[RunRecord] | None:
        """Store many runs, each checked while those before it are on their way.

        None, and nothing is stored, where all are to be looked at first: one cannot be used, and
        what is wrong with the others is to be told as well; or its unique key asks for others.
        """
        names = names_of_many(asked) if len(asked) in _MANY else None
        if names is None or not overlaps(self.settings.store):
            return None
        try:
            terms = {name: self._terms(name) for name in names}
        except JobRegError:
            return None  # which may come after something else that is wrong
        try:
            return self.store.insert(OnDemand(len(asked), self._ready_in_turn(asked, terms)))
        except (BadInput, _LookAtAllError):
            return None

    def _ready_in_turn(
        self, asked: Sequence[object], terms: Mapping[str, Terms]
    ) -> Iterator[RunRecord]:
        ids, most, ends = new_run_ids(), self.settings.max_params, clock.seconds() + _CHECKED_WITHIN
        for index, each in enumerate(asked):
            record = one_of_many(index, each, most, ids)
            record = terms[record.job_name].apply(record)
            if record.unique_key is not None or clock.seconds() > ends:
                raise _LookAtAllError
            yield record

    def request(
        self,
        /,
        job_name: object,
        params: Mapping[str, Any] | None = None,
        **options: Unpack[SubmitOptions],
    ) -> RunRecord:
        """Check what ``submit`` would be asked and make it a record; nothing is stored.

        Raises:
            BadInput: a value cannot be used.
        """
        return make_request(job_name, params, options, self.settings.max_params)

    def _check_name(self, name: str) -> JobRef | None:
        """Refuse a name that nobody knows; where its job is, if that is here.

        Raises:
            UnknownJob: neither this installation, a live worker nor the store knows the name.
            JobConflict: several distributions claim it here, and no operator chose one.
        """
        try:
            return self.registry.ref(name)
        except UnknownJob as error:
            self._check_elsewhere(name, error)
        except JobConflict:
            if not self.store.catalogue.owners([name]):
                raise
        return None

    def _check_elsewhere(self, name: str, error: UnknownJob) -> None:
        """Refuse a name that is not installed here, unless a live worker or the store knows it."""
        if any(worker.live and name in worker.names for worker in self.store.workers()):
            return
        known = self.store.catalogue.providers()
        if name in known:
            return
        snapshot = self.registry.snapshot()
        if any(ref.name == name for ref in (*snapshot.denied, *snapshot.invalid)):
            raise error
        # Of those that only the store knows, too, one may have been meant.
        here = {each: ref.provider for each, ref in snapshot.jobs.items()}
        raise unknown_job(name, known | here) from None

    def get(self, run_id: str | UUID) -> Run:
        """Read one run. Raises UnknownRun where the store holds none with this id."""
        return Run(self, self.store.get(checked_run_id(run_id)))

    def find_id(self, text: str) -> str:
        """The whole id of the one run whose id is, or begins with, at least 8 characters.

        Raises:
            UnknownRun: there is none.
            BadInput: the text begins no id, or those of several runs, which are told.
        """
        digits = str(text).lower().replace("-", "")
        if not re.fullmatch("[0-9a-f]{8,31}", digits):
            return checked_run_id(text, "nor at least the first 8 characters of one")
        first, last = spread_id(digits, "0"), spread_id(digits, "f")
        found = self.store.ids_between(first, last, _CANDIDATES + 1)
        if len(found) == 1:
            return found[0]
        if not found:
            raise UnknownRun(
                f"No run in the store {self.store.url} has an id that begins with {text!r}. "
                "See: jobreg runs list"
            )
        more = " and more" if len(found) > _CANDIDATES else ""
        told = ", ".join(found[:_CANDIDATES])
        raise BadInput(f"run id: {text!r} begins several: {told}{more}. Give more of it.")

    def find(self, *, limit: int | None = None, **filters: Unpack[Filters]) -> Iterator[Run]:
        """Iterate over runs, newest first, read page by page. See :func:`find`."""
        wanted = self._selection(filters)
        return self._pages(wanted, None if limit is None else count(limit, "limit", least=0))

    def _pages(self, wanted: Selection, left: int | None) -> Iterator[Run]:
        cursor = None
        while left is None or left > 0:
            most = PAGE if left is None else min(PAGE, left)
            page, cursor = self.store.find(wanted, cursor=cursor, most=most)
            for record in page:
                yield Run(self, record)
            if cursor is None:
                return
            left = None if left is None else left - len(page)

    def page(
        self, *, limit: int = PAGE, cursor: str | None = None, **filters: Unpack[Filters]
    ) -> tuple[list[Run], str | None]:
        """One page of runs, newest first, and the cursor of the next (None: it was the last).

        With tags or params a page may hold fewer than ``limit`` though another follows.

        Raises:
            BadInput: a filter cannot be used, a limit outside 1 to 1,000, a cursor of no page.
        """
        most = count(limit, "limit", most=LARGEST_PAGE)
        cursor = None if cursor is None else str(cursor)
        records, following = self.store.find(self._selection(filters), cursor=cursor, most=most)
        return [Run(self, record) for record in records], following

    def _selection(self, filters: Filters) -> Selection:
        """What these filters mean, with the other names that the job has here."""
        wanted = select_runs(filters, lambda: self.store.time())
        if wanted.job_name is None:
            return wanted
        if wanted.job_name.endswith(".*"):
            known = {*self.registry.names(), *self.store.catalogue.providers()}
            first, *others = names_like(wanted.job_name, known)
            return evolve(wanted, job_name=first, aliases=tuple(others))
        return evolve(wanted, aliases=self.registry.aliases(wanted.job_name))

    def cancel(self, run_id: str | UUID) -> Run:
        """Cancel a run. See :meth:`Run.cancel`."""
        return self.get(run_id).cancel()

    def retry(self, run: Run | str | UUID) -> Run:
        """Queue a failed or cancelled run again. See :meth:`Run.retry`."""
        run = run.refresh() if isinstance(run, Run) else self.get(run)
        record = run.record
        if record.state is State.SUCCEEDED:
            copy = RunRecord(
                run_id=new_run_id(), retried_from=record.run_id, job_name=record.job_name,
                params=record.params, queue=record.queue, priority=record.priority,
                timeout=record.timeout, max_attempts=record.max_attempts,
                max_crashes=record.max_crashes, max_age=record.max_age, tags=record.tags,
                unique_key=record.unique_key, unique_policy="reject",
            )  # fmt: skip
            return Run(self, self.store.insert([self._ready_one(copy)])[0])
        if not record.state.final or not self.store.reopen(record):
            now = run.refresh().state
            raise Conflict(
                f"Run {run.id} is {now}; only a failed or cancelled run can be queued again. "
                "Wait until it is over, or cancel it first."
            )
        return run.refresh()

    def wait_for(self, run_id: str | UUID, timeout: Duration | None = None) -> RunRecord:
        """Wait until a run is over and return its record. See :meth:`Run.wait`."""
        longest = None if timeout is None else seconds(timeout, "timeout")
        return following.until_over(self.store, checked_run_id(run_id), longest)

    def logs(
        self,
        run_id: str | UUID,
        *,
        attempt: int | None = None,
        level: str | None = None,
        follow: bool = False,
    ) -> Iterator[LogLine]:
        """Iterate over what a run printed and logged. See :meth:`Run.logs`."""
        return following.awake(self.log_steps(run_id, attempt=attempt, level=level, follow=follow))

    def log_steps(
        self,
        run_id: str | UUID,
        *,
        attempt: int | None = None,
        level: str | None = None,
        follow: bool = False,
    ) -> Iterator[LogLine | None]:
        """The lines of :meth:`logs`, and None each time that there is none yet."""
        wanted = checked_level(level)
        number = None if attempt is None else count(attempt, "attempt")
        return following.log_lines(self.store, self.get(run_id).id, number, wanted, follow)

    def waiting_on(self, records: Sequence[RunRecord]) -> dict[str, str | None]:
        """For each run id, why it is not running though it waits; None where it is not so."""
        return following.waiting_on(self.store, records)


def _aged(known: Known) -> float:
    """How old, in seconds, what was just read is taken for: where nothing is known, nearly old."""
    return 0.0 if known.signs else max(0.0, _KEEP_KNOWN - _KEEP_UNKNOWN)


def _provider(ref: JobRef | None) -> Provider | None:
    return None if ref is None else Provider(ref.dist, ref.version)


def _store_is_imported() -> bool:
    return "sqlalchemy" in sys.modules
