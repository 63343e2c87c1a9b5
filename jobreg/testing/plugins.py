"""Plugins without pip: real metadata in a folder, so that whoever looks finds them installed."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from ..errors import InvalidJob, JobConflict
from ..registry import default_registry
from ..registry.scan import GROUP, name_fault, normalise

_numbers = itertools.count(1)
_standing: list[str] = []


def write_plugin(
    folder: Path | str,
    jobs: Mapping[str, str],
    *,
    dist: str = "fake",
    version: str = "1.0",
    modules: Mapping[str, str] | None = None,
) -> Path:
    """Write a distribution into a folder, as pip would leave it, and return its entry_points.txt.

    With the folder on ``sys.path``, or in ``PYTHONPATH`` for other processes, it is installed.

    Args:
        folder: where; made where it is missing.
        jobs: what each name points to, as ``"module:function"``. Nothing is checked.
        dist: the name of the distribution.
        version: its version.
        modules: the source of each file, such as ``{"hello.py": "def greet(): ..."}``.

    Example:
        >>> import jobreg, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> _ = write_plugin(folder, {"hello.greet": "hello:greet"}, dist="hello-jobs")
        >>> jobreg.Registry(path=[folder]).ref("hello.greet").provider
        'hello-jobs 1.0'
    """
    folder = Path(folder)
    for name, source in (modules or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source, encoding="utf-8")
    info = folder / f"{dist.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    header = f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n\nAbout it.\n"
    (info / "METADATA").write_text(header, encoding="utf-8")
    lines = [f"{name} = {target}" for name, target in jobs.items()]
    file = info / "entry_points.txt"
    file.write_bytes("\n".join([f"[{GROUP}]", *lines, ""]).encode())
    return file


@contextmanager
def plugin(
    jobs: Mapping[str, Callable[..., object] | str],
    *,
    dist: str | None = None,
    version: str = "1.0",
    modules: Mapping[str, str] | None = None,
) -> Iterator[Path]:
    """Have a plugin installed in this process, for as long as the block lasts; gives its folder.

    A function may be any: a lambda, or one that lies in a test. It can be run in this process
    only. Child processes and the command line can run a job given as ``"module:function"`` with
    its source in ``modules``: workers started here find it, others with the folder in
    ``PYTHONPATH``.

    Args:
        jobs: for each name a function, or ``"module:function"``.
        dist: the name of the distribution; by default ``fake``, or ``fake-2`` if there is one.
            Given that of an installed one, it takes the place of all of that one's jobs.
        version: its version.
        modules: the source of each file, such as ``{"hello.py": "def greet(): ..."}``.

    Raises:
        InvalidJob: a name or a function cannot be a job's.
        JobConflict: an installed distribution has a job of that name.

    Example:
        >>> import jobreg, jobreg.testing
        >>> with jobreg.testing.inline(), jobreg.testing.plugin({"math.double": lambda x: 2 * x}):
        ...     jobreg.submit("math.double", {"x": 21}).result()
        42
    """
    dist = dist or _free_name()
    own = ModuleType(f"jobreg_fake_{next(_numbers)}")
    targets = {name: _target(name, what, own) for name, what in jobs.items()}
    brought = {own.__name__, *(Path(name).parts[0].removesuffix(".py") for name in modules or {})}
    with TemporaryDirectory(prefix="jobreg-plugin-") as folder:
        write_plugin(folder, targets, dist=dist, version=version, modules=modules)
        sys.modules[own.__name__] = own
        sys.path.insert(0, folder)
        _standing.append(dist)
        try:
            _look_again()
            _refuse_conflicts(jobs, dist)
            yield Path(folder)
        finally:
            _standing.remove(dist)
            if folder in sys.path:  # unless a fixture has put back an older path
                sys.path.remove(folder)
            for name in [each for each in sys.modules if each.partition(".")[0] in brought]:
                del sys.modules[name]
            _look_again()


def _free_name() -> str:
    names = ("fake", *(f"fake-{number}" for number in range(2, len(_standing) + 2)))
    return next(name for name in names if name not in _standing)


def _target(name: str, what: object, own: ModuleType) -> str:
    """What an entry point says; a function is put into a module that only this process has."""
    fault = name_fault(name)
    if fault:
        raise InvalidJob(fault)
    if isinstance(what, str):
        return what
    if not callable(what):
        raise InvalidJob(
            f"What was given for job {name!r} is no function: {what!r:.80}. "
            'Give one, or where one is, as "module:function".'
        )
    attr = f"job_{id(what)}"
    setattr(own, attr, what)
    return f"{own.__name__}:{attr}"


def _look_again() -> None:
    importlib.invalidate_caches()
    default_registry().snapshot(recheck=True)


def _refuse_conflicts(names: Mapping[str, object], dist: str) -> None:
    conflicts = default_registry().snapshot().conflicts
    for name in names:
        others = [ref for ref in conflicts.get(name, ()) if ref.dist != normalise(dist)]
        if others:
            raise JobConflict(
                f"Job {name!r} is installed, from {others[0].provider}. To stand in for that "
                f"distribution, give dist={others[0].dist!r}; else take another name."
            )
