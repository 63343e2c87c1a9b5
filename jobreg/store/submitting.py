"""The verbs by which runs enter the store: each once, however often it is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

from .. import clock, failpoints
from ..catalogue import Known
from ..errors import (
    BadInput,
    Conflict,
    JobRegError,
    StoreError,
    StoreUnavailable,
    SubmitUncertain,
    UnknownRun,
)
from ..lifecycle import RunRecord
from .borrowed import Borrowed
from .catalogue import StoredCatalogue
from .database import ANSWER_WITHIN, Database, InsertAsKnown
from .inserting import Inserting
from .on_demand import OnDemand
from .reading import Reading
from .transacting import Unanswered, Undone, again, tried_again

_FIRST_PAUSE = 0.05
"""Seconds until it is asked again whether a run was stored; each further pause is twice it."""


class Submitting(Reading):
    """A store into which runs are put."""

    catalogue: StoredCatalogue

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.borrowed = Borrowed(database)

    def insert(self, runs: Sequence[RunRecord], connection: object = None) -> list[RunRecord]:
        """Store new runs, all or none, and return them in order.

        A run whose id is already there with the same job and params is that earlier run. On a
        ``connection`` of the caller's they are there once the caller commits.

        Raises:
            Conflict: an id is already there with another job or other params.
            StoreUnavailable: nothing was stored.
            SubmitUncertain: the database was told to, its answer was lost, and it could not be
                asked again.
        """
        if connection is not None:
            return self._insert_beside(runs, connection)
        began = clock.seconds()
        try:
            return self._insert(runs)
        except Unanswered as error:
            return self._asked_again(runs, lambda: runs, began + ANSWER_WITHIN, error)

    def insert_as_known(
        self, run: RunRecord, known: Known, anew: Callable[[], RunRecord]
    ) -> RunRecord:
        """Store a run that was made ready by what was known of its job, if just that is known yet.

        Else, and where something went wrong, the same run is made ready ``anew`` and stored as
        :meth:`insert` does it, which raises what that raises.
        """
        insert = self.database.insert_as_known
        if insert is None:
            now_known = self.catalogue.of(run.job_name)
            return self.insert([run if now_known == known else anew()])[0]
        began = clock.seconds()
        try:
            stored = self._insert_as_known(insert, run, known)
        except Unanswered as error:
            ready = partial(self._ready_again, run, anew)
            return self._asked_again([run], ready, began + ANSWER_WITHIN, error)[0]
        return stored[0] if stored else self.insert([anew()])[0]

    def _insert_as_known(
        self, insert: InsertAsKnown, run: RunRecord, known: Known
    ) -> list[RunRecord]:
        """Store it in one step, or return nothing."""
        if not _may_be_new([run]):
            return []
        before = failpoints.begin("insert")
        try:
            return self._at_once(insert, self.now, run, known.signs, ping=False)
        except Unanswered:
            raise
        except StoreError:
            return []  # the connection may have died while it was idle; all else is told there
        finally:
            failpoints.begin(before)

    def _ready_again(self, run: RunRecord, anew: Callable[[], RunRecord]) -> list[RunRecord]:
        """What to store of a run that may be there: if it is, it was judged then."""
        try:
            self.get(run.run_id)
        except UnknownRun:
            return [anew()]
        return [run]

    def _asked_again(
        self,
        runs: Sequence[RunRecord],
        ready: Callable[[], Sequence[RunRecord]],
        until: float,
        lost: Unanswered,
    ) -> list[RunRecord]:
        """Store runs that may be stored, which by their ids is done once, as soon as it can be."""
        pause = _FIRST_PAUSE
        while clock.seconds() + pause < until:
            time.sleep(pause)
            try:
                return self._insert(ready())
            except StoreUnavailable:
                pause *= 2
            except Conflict:
                raise
            except JobRegError:
                break
        ids = tuple(run.run_id for run in runs)
        many = f" and {len(ids) - 1} more were" if len(ids) > 1 else " was"
        whose = (
            "each its own, the error's run_ids" if len(ids) > 1 else "which stores it at most once"
        )
        raise SubmitUncertain(
            f"{lost} Whether run {ids[0]}{many} stored is not known: "
            f"submit again with the same run id, {whose}.",
            run_ids=ids,
        ) from lost

    @again
    def _insert_beside(self, runs: Sequence[RunRecord], given: object) -> list[RunRecord]:
        try:
            with self.borrowed.use(given) as connection:
                self._see_that_it_is_ours(connection)
                return Inserting(connection, self.database, self.now).insert(runs)
        except DBAPIError as error:
            raise self._told(error) from error

    def _see_that_it_is_ours(self, given: Connection) -> None:
        """See that what is stored on a caller's connection can be found by others.

        Raises:
            BadInput: it is one to another database of the same kind.
            StoreError: its name is not that of our URL, and the store cannot be asked for its own.
        """
        reached = self.database.reached_by(given)
        if reached == self.database.called():
            return
        with self.reading() as own:  # the URL may have another name for it, as poolers do
            ours = self.database.reached_by(own)
        if reached != ours:
            raise BadInput(
                "connection: it is one to another database than the store's. Give one to "
                f"{self.url}."
            )

    @tried_again
    def _insert(self, runs: Sequence[RunRecord]) -> list[RunRecord]:
        if _may_be_new(runs):
            try:
                return self._insert_new(runs)
            except StoreError as error:
                known = isinstance(error, Undone) or isinstance(error.__cause__, IntegrityError)
                if not known:
                    raise
        with self._transaction() as connection:
            return Inserting(connection, self.database, self.now).insert(runs)

    def _insert_new(self, runs: Sequence[RunRecord]) -> list[RunRecord]:
        """Store runs as if none of their ids were there, which is the rule; else nothing."""
        insert_one = self.database.insert_one
        if insert_one is not None and len(runs) == 1:
            return [self._at_once(insert_one, self.now, runs[0])]
        with self._transaction() as connection:
            return self.database.insert(connection, self.now, runs)


def _may_be_new(runs: Sequence[RunRecord]) -> bool:
    """Can these be stored without a look at others, unless one of their ids is there?"""
    if len(runs) == 1:
        return runs[0].unique_key is None
    return isinstance(runs, OnDemand) or (
        len(runs) > 0
        and all(run.unique_key is None for run in runs)
        and len({run.run_id for run in runs}) == len(runs)
    )
