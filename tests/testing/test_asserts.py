"""What a test can ask of the runs it caused, and what it is told when they are not there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import jobreg
from jobreg import testing
from jobreg.testing import Jobs, stored


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    with stored() as made:
        made.plugin({"mail.send": lambda to, **rest: to, "mail.sent": lambda: None})
        yield made


def test_a_submitted_job_is_found_by_a_part_of_its_params(jobs: Jobs) -> None:
    first = jobreg.submit("mail.send", {"to": "ada", "lines": [1, {"a": 2}]}, tags=["x", "y"])
    second = jobreg.submit("mail.send", {"to": "bob"}, queue="slow")

    assert [run.id for run in jobs.assert_submitted("mail.send")] == [first.id, second.id]
    assert [run.id for run in jobs.assert_submitted("mail.send", times=2)] == [first.id, second.id]
    for given in ({"params": {"to": "ada"}}, {"params": {"lines": (1, {"a": 2})}}, {"tags": ["y"]}):
        (found,) = jobs.assert_submitted("mail.send", times=1, **given)
        assert found.id == first.id
    (found,) = jobs.submitted("mail.send", queue="slow", state="queued")
    assert found.id == second.id
    assert jobs.submitted(state="failed") == []


@pytest.mark.parametrize(
    "asked",
    [
        {"params": {"to": "eve"}},
        {"params": {"to": "ada", "cc": "bob"}},
        {"queue": "slow"},
        {"tags": ["x", "z"]},
        {"times": 2},
        {"times": 0},
    ],
)
def test_what_was_not_submitted_so_is_an_assertion_error(
    jobs: Jobs, asked: dict[str, object]
) -> None:
    jobreg.submit("mail.send", {"to": "ada"}, tags=["x"])

    with pytest.raises(AssertionError, match=r"'mail\.send'.* should have been submitted"):
        jobs.assert_submitted("mail.send", **asked)


def test_the_message_lists_what_was_submitted_instead_and_close_names(jobs: Jobs) -> None:
    for number in range(25):
        jobreg.submit("mail.send", {"to": f"<{number}>"}, tags=["x"], queue="slow")

    with pytest.raises(AssertionError) as failed:
        jobs.assert_submitted("mail.snd", {"to": "ada"}, queue="slow", tags=["x"])

    lines = str(failed.value).splitlines()
    assert lines[0] == (
        "'mail.snd' params={'to': 'ada'} queue='slow' tags=['x'] should have been submitted "
        "at least once, and was never."
    )
    assert lines[1:4] == [
        "Did you mean 'mail.send'?",
        "These runs were submitted:",
        '  mail.send {"to":"<0>"} queue=slow tags=x queued',
    ]
    assert lines[-1] == "  ... and 5 more"


def test_not_submitted_is_the_opposite(jobs: Jobs) -> None:
    jobs.assert_not_submitted("mail.send")
    jobreg.submit("mail.send", {"to": "ada"})

    jobs.assert_not_submitted("mail.send", {"to": "bob"})
    jobs.assert_not_submitted("mail.sent")
    with pytest.raises(AssertionError, match="submitted never, and was once"):
        jobs.assert_not_submitted("mail.send", {"to": "ada"})


def test_nothing_submitted_says_so(jobs: Jobs) -> None:
    with pytest.raises(AssertionError, match="Nothing was submitted"):
        jobs.assert_submitted("mail.send")


def test_tags_as_one_text_are_refused(jobs: Jobs) -> None:
    for ask in (jobs.submitted, jobs.assert_submitted, jobs.assert_not_submitted):
        with pytest.raises(jobreg.BadInput, match="tags"):
            ask("mail.send", tags="urgent")


def test_the_functions_speak_of_the_block_that_is_open(jobs: Jobs) -> None:
    run = jobreg.submit("mail.send", {"to": "ada"})

    (found,) = testing.assert_submitted("mail.send", {"to": "ada"}, times=1)
    testing.assert_not_submitted("mail.sent")
    (ran,) = testing.run_pending()

    assert found.id == ran.id == run.id
    assert [each.result() for each in testing.submitted("mail.send")] == ["ada"]


@pytest.mark.parametrize(
    "verb", ["run_pending", "submitted", "assert_submitted", "assert_not_submitted"]
)
def test_outside_any_block_they_say_what_to_do(verb: str) -> None:
    arguments = () if verb in ("run_pending", "submitted") else ("mail.send",)

    with pytest.raises(jobreg.JobRegError, match=rf"{verb}\(\).*jobreg\.testing\.inline\(\)"):
        getattr(testing, verb)(*arguments)


def test_a_limit_that_is_no_number_is_refused(jobs: Jobs) -> None:
    with pytest.raises(jobreg.BadInput, match="limit"):
        jobs.run_pending(limit=-1)
