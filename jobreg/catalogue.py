"""What is known of jobs without importing them: learned from the children that did."""

from __future__ import annotations

from attrs import frozen

from .lifecycle import Provider
from .options import JobOptions


@frozen(kw_only=True)
class Hello:
    """A child's first message about a job: its provider and options.

    ``trouble`` says what went wrong where the job could not be imported; its options are then
    the defaults, so that its runs are still claimed, fail, and tell their cause.
    """

    job_name: str
    provider: Provider
    options: JobOptions
    trouble: str | None = None


class Catalogue:
    """The hellos of one worker, by name and version: another version is asked anew."""

    def __init__(self) -> None:
        self._hellos: dict[str, Hello] = {}

    def learn(self, hello: Hello) -> None:
        """Keep what a child said; it stands for that name until its version changes."""
        self._hellos[hello.job_name] = hello

    def options(self, job_name: str, provider: Provider) -> JobOptions | None:
        """The options of a job as this provider ships it, or None where nobody has asked yet."""
        hello = self._hellos.get(job_name)
        return hello.options if hello is not None and hello.provider == provider else None
