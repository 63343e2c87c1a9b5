"""In the child: many coroutines on one event loop; whose step it is, is known at any moment.

Every task is wrapped, those that a job starts too, so that the page tells the supervisor whose
code is on the stack: it is to blame if the process dies, and it is meant by a signal.
"""

from __future__ import annotations

import _thread
import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from ..errors import Interrupted
from ..lifecycle import Claim, Ending
from ..registry.motion import was_moved
from ..runner import Execution
from .neighbours import OURS, Neighbour, Together
from .numbered import NUMBER
from .term import hear_term

if TYPE_CHECKING:
    from .child import Post
    from .page import Page
    from .tap import Tap

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
_Task = asyncio.Task[Any]


class Aio(Together):
    """The event loop hears the supervisor between two steps of the runs."""

    def __init__(self, page: Page, tap: Tap, post: Post, store_url: str) -> None:
        hear_term(self._on_term)
        self._pool = _Pool()
        self._tasks: dict[int, set[_Task]] = {}
        self._note, self._note_beside = page.stepper()
        self._serving = True
        self._loop = _Loop(self._make_task, self._pool)
        super().__init__(page, tap, post, store_url, lambda: self._pool.threads)

    def serve(self) -> None:
        """Do what the supervisor says, until it is gone or done with us."""
        asyncio.set_event_loop(self._loop)
        self._loop.add_reader(self.post.end, self._hear)
        while self._serving:
            # asyncio lets these through from any task, such as one that a job left to itself.
            with suppress(SystemExit, KeyboardInterrupt):
                self._loop.run_forever()

    def _hear(self) -> None:
        messages = self.post.read()
        if messages is None:
            self._serving = False
            self._loop.stop()
        for message in messages or ():
            self.understand(message)

    def take_up(self, number: int, claim: Claim, message: dict[str, Any]) -> None:
        """Let one run take part in the loop."""
        run = OnLoop(number, self, message["max_result"])
        self.runs[number], self._tasks[number] = run, set()
        context = copy_context()
        context.run(NUMBER.set, number)
        run.task = self._loop.create_task(self._execute(run, claim, message), context=context)

    async def _execute(self, run: OnLoop, claim: Claim, message: dict[str, Any]) -> None:
        execution = Execution(
            claim,
            run,
            run.report,
            message["max_result"],
            message["max_error"],
            message["redact"],
            was_moved=was_moved,
        )
        with execution:
            function, arguments = execution.load()
            execution.begin()
            try:
                try:
                    positional, named = arguments
                    value = function(*positional, **named)
                    execution.take(await value if inspect.isawaitable(value) else value)
                finally:
                    await self._end_others(run)
            finally:
                execution.end()
        self._loop.forget(run.number)
        if not self._others(run):
            del self._tasks[run.number]
        self.ended(run.number, execution.outcome())

    async def _end_others(self, run: OnLoop) -> None:
        """Cancel the tasks that a job has left, as ``asyncio.run`` does, and see them end."""
        for each in self._others(run):
            each.cancel()
        if others := self._others(run):
            await asyncio.wait(others)

    def _others(self, run: OnLoop) -> list[_Task]:
        """The tasks of a run that are not over, beside its first."""
        return [
            each for each in self._tasks[run.number] if each is not run.task and not each.done()
        ]

    def left(self) -> bool:
        """Is a task or call of a run that is over still there?"""
        return bool(self._tasks) or self._pool.open > 0 or self._loop.changed

    def _make_task(self, loop: Any, coroutine: Any, **how: Any) -> _Task:
        context = how.get("context")
        number = NUMBER.get() if context is None else context.get(NUMBER, 0)
        if number:
            coroutine = Step(coroutine, number, self._begin_step, self._note)
        task: _Task = self._loop.factory_of(number)(loop, coroutine, **how)
        tasks = self._tasks.get(number)
        if tasks is not None:
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        return task

    def _begin_step(self) -> int:
        """Note who is beside; whose step goes on after this one, as where an eager task begins."""
        self._note_beside(_thread._count() - self._pool.threads + self._pool.open)
        return self.page.taken

    def _on_term(self, _signal: int, frame: FrameType | None) -> None:
        """Interrupt the run whose step it is, if that is the one that is to end."""
        run, why = self.runs.get(self.page.taken), self.page.interrupt
        if run is None or why is None or not run.executing or run.told:
            return
        # In our own frames its step is over, or has not begun; half a message must not stay in
        # the pipe. The supervisor will signal again.
        if self.post.sending.locked() or (frame is not None and frame.f_code in Step.frames):
            return
        run.asked, run.told = run.asked or Ending(why), True
        raise Interrupted(run.reason)


class _Loop(asyncio.SelectorEventLoop):
    """What a run sets as its task factory or default executor is so for it alone."""

    def __init__(self, make_task: Callable[..., _Task], pool: ThreadPoolExecutor) -> None:
        super().__init__()
        super().set_task_factory(make_task)
        super().set_default_executor(pool)
        self._factories: dict[int, Callable[..., Any] | None] = {}
        self._executors: dict[int, ThreadPoolExecutor] = {}
        self.changed = False
        """Has a run set what holds for all?"""

    def set_task_factory(self, factory: Callable[..., Any] | None) -> None:
        """Let it make the tasks of the run that asks for it; None is asyncio's own way."""
        if factory is not None and not callable(factory):
            raise TypeError("task factory must be a callable or None")
        self._factories[NUMBER.get()] = factory

    def get_task_factory(self) -> Callable[..., Any] | None:
        """What this run has set."""
        return self._factories.get(NUMBER.get())

    def factory_of(self, number: int) -> Callable[..., Any]:
        """What makes the tasks of a run."""
        return self._factories.get(number) or _make_plain

    def set_default_executor(self, executor: Any) -> None:
        """Let it make the calls of the run that asks for it."""
        if not isinstance(executor, ThreadPoolExecutor):
            raise TypeError("executor must be ThreadPoolExecutor instance")
        self._executors[NUMBER.get()] = executor

    def run_in_executor(
        self, executor: Any, func: Callable[[*_Ts], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """Have a call made where ``executor`` makes it, or by this run's default."""
        if executor is None:
            executor = self._executors.get(NUMBER.get())
        return super().run_in_executor(executor, func, *args)

    def set_exception_handler(self, handler: Any) -> None:
        """Let it hear of what no task awaits, of all runs."""
        self.changed = True
        super().set_exception_handler(handler)

    def set_debug(self, enabled: bool) -> None:
        """Let asyncio look closely at all runs."""
        self.changed = True
        super().set_debug(enabled)

    def forget(self, number: int) -> None:
        """A run is over."""
        self._factories.pop(number, None)
        self._executors.pop(number, None)


def _make_plain(loop: asyncio.AbstractEventLoop, coroutine: Any, **how: Any) -> _Task:
    return asyncio.Task(coroutine, loop=loop, **how)


class OnLoop(Neighbour):
    """A run that takes part in the loop."""

    task: _Task

    def ask(self, why: Ending) -> None:
        """Let it know that it is to end, and cancel its task, once."""
        self.asked = self.asked or why
        if self.executing and not self.told:
            self.told = True
            self.task.cancel()


class Step(Coroutine[Any, Any, Any]):
    """A coroutine of a job; while it is on the stack, the page holds the number of its run."""

    frames: frozenset[Any]

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        number: int,
        begin: Callable[[], int],
        note: Callable[[int], None],
    ) -> None:
        self._coroutine = coroutine
        self._number = number
        self._begin = begin
        self._note = note

    def send(self, value: Any) -> Any:
        """Take the coroutine a step further."""
        before = self._begin()
        self._note(self._number)
        try:
            return self._coroutine.send(value)
        finally:
            self._note(before)

    def throw(self, *error: Any) -> Any:
        """Take the coroutine a step further, by an exception."""
        before = self._begin()
        self._note(self._number)
        try:
            return self._coroutine.throw(*error)
        finally:
            self._note(before)

    def close(self) -> None:
        """End the coroutine."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> Any:
        # What debuggers and libraries ask a task's coroutine for: cr_frame, cr_await, __name__.
        return getattr(self._coroutine, name)


Step.frames = frozenset({Step.send.__code__, Step.throw.__code__})


class _Pool(ThreadPoolExecutor):
    """The threads of ``asyncio.to_thread``; it knows how many there are, and of open calls."""

    def __init__(self) -> None:
        super().__init__(thread_name_prefix=f"{OURS}pool", initializer=self._grow)
        self._changing = threading.Lock()
        self.threads = self.open = 0

    def submit(self, function: Any, /, *given: Any, **named: Any) -> Future[Any]:
        """Have a call made by one of the threads."""
        with self._changing:
            self.open += 1
        future = super().submit(function, *given, **named)
        future.add_done_callback(self._close)
        return future

    def _grow(self) -> None:
        self.threads += 1  # the initializer of each thread; they are started one by one

    def _close(self, _: object) -> None:
        with self._changing:
            self.open -= 1
