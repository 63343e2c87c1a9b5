"""What children say, print and log, heard as it comes and told on as reports."""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

from attrs import evolve
from multiprocess import connection

from ..catalogue import Hello
from ..events import emit
from ..lifecycle import Claim, Ending, LogChunk, Outcome
from ..redaction import Redaction
from . import wire
from .base import Note, Output, Report, over_time
from .children import Child

_LINE = 1000
_LAST_BREATH = 0.1
# A wake costs more than a short run does. Where so many runs ended since the last, one waits a
# little, and then hears of many at once.
_MANY = 4
_BREATH = 0.002

Tell = Callable[[Report], None]


class Minder(Protocol):
    """Who minds the children, and decides what follows from what they say."""

    def over(self, child: Child, claim: Claim, outcome: Outcome, *, changed: bool) -> None:
        """A run is over; ``changed``: its child must not be used again."""

    def unbegun(self, child: Child, claim: Claim) -> None:
        """A child gives a claim back that had been called back."""

    def introduced(self, child: Child, *, changed: bool) -> None:
        """A child has said what the job is that it was to import."""

    def listened(self, child: Child) -> None:
        """All that a child has said until now was heard."""


class Hearing:
    """Wakes the minder at what children say, print and log, at their deaths, and by :meth:`nudge`.

    ``redact`` is the pattern of what no output may show.
    """

    def __init__(self, minder: Minder, tell: Tell, redact: str | None) -> None:
        self._minder = minder
        self._tell = tell
        self._redact = redact
        self._over = 0
        self._nudge_out, self._nudge_in = connection.Pipe(duplex=False)
        self._ears = selectors.DefaultSelector()
        self._ears.register(self._nudge_out, selectors.EVENT_READ, self._nudge_out.recv_bytes)

    # the wait

    def nudge(self) -> None:
        """Let a wait return, as soon as it can."""
        with contextlib.suppress(OSError):
            self._nudge_in.send_bytes(b"")

    def wait(self, pause: float) -> list[Callable[[], object]]:
        """Wait for something to be heard, at most so many seconds; what is to be called for it."""
        if self._over >= _MANY:
            time.sleep(min(_BREATH, pause))
        self._over = 0
        return [key.data for key, _ in self._ears.select(pause)]

    def close(self) -> None:
        """Hear nothing any more."""
        self._ears.close()
        self._nudge_out.close()
        self._nudge_in.close()

    # to whom

    def listen(self, to: Child) -> None:
        """Hear a child from now on."""
        self._ears.register(to.pipe, selectors.EVENT_READ, partial(self._read, to))
        ended = partial(setattr, to, "ended", True)
        self._ears.register(to.process.sentinel, selectors.EVENT_READ, ended)
        for end in to.capture.ours:
            self._ears.register(end, selectors.EVENT_READ, partial(self._overhear, to, end))

    def wait_for_room(self, children: Iterable[Child]) -> None:
        """Wake too where one of them reads that has not been sent everything."""
        for each in children:
            if bool(each.unsent) != each.awaits_room and not each.pipe.closed:
                each.awaits_room = not each.awaits_room
                if each.awaits_room:
                    self._ears.register(each.inbox, selectors.EVENT_WRITE, each.send_on)
                else:
                    self._ears.unregister(each.inbox)

    def last_words(self, of: Child) -> None:
        """All that a dead child has said: it may have sent an outcome before it died."""
        while not of.pipe.closed and of.pipe.poll():
            self._read(of)
        for claim, chunks in of.silence():
            self._pass_on(of, claim, chunks)

    def forget(self, child: Child) -> None:
        """Hear a child no more."""
        self._hang_up(child)
        for end in (child.process.sentinel, *child.capture.ours):
            self._ears.unregister(end)

    # what

    def flow(self, child: Child, now: float) -> None:
        """Pass on what the runs that execute have printed until now."""
        for claim, chunks in child.hear(now):
            self._pass_on(child, claim, chunks)

    def _overhear(self, child: Child, end: int) -> None:
        """Take what is in one pipe of a child's output."""
        if not child.capture.read(end):
            self._ears.unregister(end)
            child.capture.drop(end)

    def _pass_on(self, child: Child, claim: Claim | None, chunks: tuple[LogChunk, ...]) -> None:
        """Report output of a run a child executes; what it says outside of one is an event."""
        if not chunks:
            return
        if claim is not None:
            hidden = Redaction.of(claim.params, claim.options.redact, self._redact)
            self._tell(Output(claim.run_id, claim.attempt, hidden.chunks(chunks)))
            return
        for chunk in chunks:
            for line in chunk.text.split("\n"):
                emit("child.output", pid=child.pid, job_name=child.probing, text=line[:_LINE])

    def _read(self, child: Child) -> None:
        """Take every message a child has sent."""
        try:
            data = os.read(child.pipe.fileno(), wire.READ)
            if not data:
                raise EOFError
            first = next(iter(child.given), None)
            for line in child.lines.feed(data):
                self._understand(child, wire.unpack(line))
            if next(iter(child.given), None) != first:
                child.next()
            self._minder.listened(child)
        except BlockingIOError:
            return
        except (EOFError, OSError, ValueError, TypeError, LookupError) as error:
            # Closed, or a job wrote into our pipe. A child nobody can talk to is of no use.
            closed = isinstance(error, EOFError | OSError)
            child.unclear = not (closed and connection.wait([child.process.sentinel], _LAST_BREATH))
            self._hang_up(child)
            child.kill()

    def _hang_up(self, child: Child) -> None:
        """Close the pipes of messages."""
        if not child.pipe.closed:
            self._ears.unregister(child.pipe)
            if child.awaits_room:
                self._ears.unregister(child.inbox)
            child.pipe.close()
            child.inbox.close()

    def _understand(self, child: Child, message: list[Any]) -> None:
        match message[0]:
            case "done":
                _, number, _, _, _, marks = message
                outcome = wire.done_from(child.given[number], message, child.pid)
                self._end(child, number, outcome, marks)
            case "outcome":
                _, number, told, changed, marks = message
                outcome = wire.outcome_from(child.given[number], told, child.pid)
                self._end(child, number, outcome, marks, changed)
            case "progress":
                _, number, progress = message
                claim, said = child.given[number], wire.progress_from(progress)
                assert said is not None
                self._tell(Note(claim.run_id, claim.attempt, said))
            case "begun":
                _, number, nanoseconds, marks = message
                child.has_begun(number, nanoseconds / 1e9, marks)
            case "skipped":
                skipped = child.end(message[1])
                if skipped is not None:
                    self._minder.unbegun(child, skipped)
            case "hello":
                _, hello, changed = message
                self._pass_on(child, None, child.capture.finish())
                child.probing = None
                self._minder.introduced(child, changed=changed)
                self._introduce(child, hello)
            case "read":
                self._introduce(child, message[1])
            case _:
                raise ValueError(f"a child says {message[0]!r}")

    def _introduce(self, child: Child, hello: dict[str, Any]) -> None:
        # Which provider it serves is for us to say, not for a child.
        self._tell(evolve(Hello.from_wire(hello), provider=child.provider))

    def _end(
        self,
        child: Child,
        number: int,
        outcome: Outcome,
        marks: list[int] | None,
        changed: bool = False,
    ) -> None:
        """A run is over; all that it has printed comes before its outcome."""
        self._over += 1
        claim = child.given[number]
        said = child.last_words(number, marks)
        if said:
            self._pass_on(child, claim, said)
        child.end(number)
        if outcome.ending is Ending.TIMEOUT:
            error = over_time(claim, outcome.error, locks=number == child.locks)
            outcome = evolve(outcome, error=error)
        self._minder.over(child, claim, outcome, changed=changed)
