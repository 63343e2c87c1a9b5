"""Claims on their way to a child: what it was told of a job once is not said again."""

from __future__ import annotations

from typing import Any

import pytest

from jobreg.engines import wire
from jobreg.lifecycle import Claim, Provider
from jobreg.options import JobOptions

CAPS = {"max_log": 1}
SHARED = JobOptions(timeout=3)


def claim(number: int, options: JobOptions = SHARED, name: str = "a.job") -> Claim:
    return Claim(
        run_id=f"run {number}",
        job_name=name,
        params=f'{{"x":{number}}}',
        attempt=1 + number,
        worker_id="worker",
        options=options,
        target="a:job",
        provider=Provider("acme", "1.0"),
    )


class Ends:
    """Both ends of the pipe, and what went through."""

    def __init__(self) -> None:
        self.told, self.heard = wire.Told(), list[dict[str, Any]]()
        self.said: list[list[str]] = []

    def take(self, *claims: Claim) -> list[tuple[int, Claim]]:
        line = wire.run_to(list(enumerate(claims)), CAPS, self.told)
        message = wire.unpack(line)
        self.said.append([job["job_name"] for job in message["jobs"]])
        return list(wire.run_from(message, self.heard))


def test_claims_arrive_as_they_were_sent():
    claims = [claim(0), claim(1, JobOptions(max_attempts=5)), claim(2, name="b.job"), claim(3)]

    assert Ends().take(*claims) == list(enumerate(claims))


def test_a_job_is_told_of_once():
    ends = Ends()

    for _ in range(2):
        claims = [claim(number, name=name) for number in range(3) for name in ("a.job", "b.job")]
        assert ends.take(*claims) == list(enumerate(claims))

    assert ends.said == [["a.job", "b.job"], []]


def test_runs_with_options_of_their_own_fill_nobodys_memory(monkeypatch):
    monkeypatch.setattr(wire.Told, "_MOST", 10)
    ends = Ends()

    for number in range(30):
        own = claim(number, JobOptions(timeout=number + 1))
        assert ends.take(own, claim(number)) == [(0, own), (1, claim(number))]

    assert len(ends.heard) <= 12


def test_what_was_said_before_a_job_wrote_between_is_heard():
    """A minder that is late reads it all at once, and must blame no other for it."""
    lines = wire.Lines().feed(b'["begun",1]\n["done",2]\n\0\0@\0')
    assert [next(lines), next(lines)] == [b'["begun",1]', b'["done",2]']
    with pytest.raises(ValueError, match="no message of ours"):
        next(lines)
