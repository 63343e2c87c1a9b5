"""jobreg runs cancel and retry: by id, by filter, without doing it, and where some cannot be."""

from __future__ import annotations

import json

import pytest
from commands import DONE, FAILED, NAME, QUEUED
from store_hands import Ending, add, add_worker, claim_one, everything, finish, states

from jobreg.cli import run

NO_RUN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def tell(file, monkeypatch, capsys):
    """Run a command in this process; gives exit code, what it printed as JSON, and stderr."""
    monkeypatch.setenv("JOBREG_STORE", str(file))

    def call(*arguments: str):
        code = run([*arguments, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return call


def did(told):
    return {each["run_id"]: each["did"] for each in told["runs"]}


def test_cancel_by_id_tells_what_it_did(tell, kept):
    code, told, err = tell("runs", "cancel", QUEUED)

    assert (code, err) == (0, "")
    assert told == {
        "runs": [
            {
                "run_id": QUEUED,
                "job_name": NAME,
                "was": "queued",
                "state": "cancelled",
                "did": "cancelled",
                "new_run_id": None,
                "error": None,
            }
        ],
        "dry_run": False,
    }
    assert kept.get(QUEUED).state == "cancelled"


def test_cancel_asks_the_worker_of_a_running_run(tell, kept):
    worker = add_worker(kept)
    claim_one(kept, worker)

    code, told, _ = tell("runs", "cancel", QUEUED)

    assert (code, did(told)) == (0, {QUEUED: "asked"})
    assert kept.cancels_asked(worker) == [(QUEUED, 1)]


def test_a_run_that_is_cancelled_already_is_no_error(tell, kept):
    kept.cancel(QUEUED)

    code, told, _ = tell("runs", "cancel", QUEUED)

    assert (code, did(told)) == (0, {QUEUED: "nothing"})


def test_what_cannot_be_is_told_and_the_rest_is_done(tell, kept):
    code, told, err = tell("runs", "cancel", NO_RUN, DONE, QUEUED)

    assert code == 4
    assert [each["did"] for each in told["runs"]] == [None, None, "cancelled"]
    assert [each["state"] for each in told["runs"]] == [None, "succeeded", "cancelled"]
    assert err.splitlines() == [
        f"jobreg: {each['error']}" for each in told["runs"] if each["error"]
    ]
    assert f"Run {DONE} is succeeded; what is over cannot be cancelled." in err
    assert kept.get(QUEUED).state == "cancelled"


def test_an_unknown_id_among_others_is_exit_code_3(tell, kept):
    code, told, _ = tell("runs", "cancel", NO_RUN, QUEUED)

    assert (code, len(told["runs"])) == (3, 2)
    assert kept.get(QUEUED).state == "cancelled"


def test_a_malformed_id_among_others_is_refused_before_anything_is_done(tell, kept):
    before = everything(kept)

    code, told, err = tell("runs", "cancel", QUEUED, "nonsense")

    assert (code, told) == (2, None)
    assert "run id: 'nonsense' is not a UUID" in err
    assert everything(kept) == before


def test_cancel_by_filter_touches_what_it_finds_and_nothing_else(tell, kept):
    mine = {add(kept, queue="mail").run_id, add(kept, queue="mail", delay=60.0).run_id}
    other = add(kept, "other.job", queue="mail").run_id

    code, told, _ = tell("runs", "cancel", "--queue", "mail", "--job-name", NAME)

    assert (code, set(did(told))) == (0, mine)
    assert {kept.get(each).state for each in mine} == {"cancelled"}
    assert kept.get(other).state == kept.get(QUEUED).state == "queued"


def test_cancel_by_state_and_limit_takes_the_newest(tell, kept):
    add(kept, delay=60.0)
    newest = add(kept).run_id

    _, told, _ = tell("runs", "cancel", "--state", "queued", "--limit", "1")

    assert did(told) == {newest: "cancelled"}
    assert states(kept) == {
        "succeeded": 1, "failed": 1, "cancelled": 1, "queued": 1, "scheduled": 1
    }  # fmt: skip


def test_all_of_several_pages_are_cancelled(tell, kept):
    for _ in range(250):
        add(kept)

    code, told, _ = tell("runs", "cancel", "--all")

    assert (code, len(told["runs"])) == (0, 251)
    assert states(kept) == {"succeeded": 1, "failed": 1, "cancelled": 251}


@pytest.mark.parametrize("verb", ["cancel", "retry"])
@pytest.mark.parametrize("chosen", [["--all"], ["--job-name", NAME], [QUEUED], [FAILED]])
def test_a_dry_run_tells_the_same_and_touches_nothing(tell, kept, verb, chosen):
    before = everything(kept)

    code, told, _ = tell("runs", verb, *chosen, "--dry-run")
    after = everything(kept)
    really, done, _ = tell("runs", verb, *chosen)

    assert told["dry_run"]
    assert after == before
    assert (really, did(done)) == (code, did(told))


def test_retry_by_filter_touches_only_what_failed_or_was_cancelled(tell, kept):
    cancelled = add(kept).run_id
    kept.cancel(cancelled)

    code, told, _ = tell("runs", "retry", "--job-name", NAME)

    assert (code, did(told)) == (0, {FAILED: "queued", cancelled: "queued"})
    assert states(kept) == {"succeeded": 1, "queued": 3}


def test_retry_of_a_succeeded_run_by_its_id_gives_a_copy(tell, kept):
    _, told, _ = tell("runs", "retry", DONE)

    (change,) = told["runs"]
    assert change["did"] == "copied"
    assert kept.get(change["new_run_id"]).retried_from == DONE
    assert kept.get(DONE).state == "succeeded"


def test_a_run_that_is_not_over_is_not_retried(tell, kept):
    code, told, err = tell("runs", "retry", QUEUED, FAILED)

    assert (code, did(told)) == (4, {QUEUED: None, FAILED: "queued"})
    assert f"Run {QUEUED} is queued; only a failed or cancelled run" in err


def test_an_id_given_twice_is_one_run(tell):
    code, told, _ = tell("runs", "retry", FAILED, FAILED.upper(), f"{{{FAILED}}}")

    assert (code, did(told)) == (0, {FAILED: "queued"})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["cancel"], "Say which runs to cancel: IDs, or filters"),
        (["cancel", "--limit", "5"], "Say which runs to cancel"),
        (["cancel", QUEUED, "--state", "queued"], "Give IDs, or filters, or --all"),
        (["retry", FAILED, "--all"], "Give IDs, or filters, or --all"),
        (["retry", FAILED, "--limit", "1"], "Give IDs, or filters, or --all"),
        (["cancel", "--all", "--queue", "mail"], "Give filters or --all, not both"),
        (["cancel", "--state", "failed"], "cancel finds only runs that are scheduled, queued"),
        (["retry", "--state", "queued"], "retry finds only runs that are failed, cancelled"),
        (["cancel", "--all", "--limit", "0"], "--limit 0: give a whole number from 1"),
    ],
)
def test_a_choice_that_may_touch_too_much_is_refused(tell, kept, arguments, told):
    before = everything(kept)

    code, printed, err = tell("runs", *arguments)

    assert (code, printed) == (2, None)
    assert told in err
    assert everything(kept) == before


def test_an_empty_filter_finds_nothing_rather_than_everything(tell, kept):
    before = everything(kept)

    code, told, _ = tell("runs", "cancel", "--job-name", "")

    assert (code, told["runs"]) == (0, [])
    assert everything(kept) == before


def test_a_store_that_fails_half_way_ends_it_with_what_was_done_told(tell, kept, monkeypatch):
    from jobreg.errors import StoreUnavailable
    from jobreg.store import Store

    others = [add(kept).run_id for _ in range(2)]
    cancel = Store.cancel

    def fails_at_second(self, run_id):
        if run_id != others[1]:
            raise StoreUnavailable("gone")
        return cancel(self, run_id)

    monkeypatch.setattr(Store, "cancel", fails_at_second)

    code, told, err = tell("runs", "cancel", "--all")

    assert (code, err) == (5, "jobreg: gone\n")
    assert list(did(told).items()) == [(others[1], "cancelled"), (others[0], None)]


def test_ctrl_c_half_way_tells_what_was_done(tell, kept, monkeypatch):
    from jobreg.store import Store

    other = add(kept).run_id
    cancel = Store.cancel

    def interrupted_at_second(self, run_id):
        if run_id != other:
            raise KeyboardInterrupt
        return cancel(self, run_id)

    monkeypatch.setattr(Store, "cancel", interrupted_at_second)

    code, told, err = tell("runs", "cancel", "--all")

    assert (code, did(told), err) == (130, {other: "cancelled"}, "jobreg: interrupted\n")


def test_people_see_a_table_and_a_count(jobreg, kept):
    for _ in range(30):
        add(kept)

    done = jobreg("runs", "cancel", "--all")

    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0].split() == ["RUN", "WAS", "DONE", "JOB"]
    assert len(lines) == 1 + 20 + 2
    assert lines[-2:] == ["and 11 more", "Done: 31 cancelled."]


def test_people_are_told_where_nothing_was_found_with_close_names(jobreg):
    done = jobreg("runs", "retry", "--job-name", "reports.rendr")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "No such runs. Did you mean 'reports.render'?\n"


def test_a_unique_beginning_of_an_id_will_do(tell, kept):
    other = "deadbeef-0000-4000-8000-000000000000"
    add(kept)
    kept.insert([kept.get(QUEUED).__class__(run_id=other, job_name=NAME)])

    for beginning in ("deadbeef", "DEADBEEF-00", "deadbeef0000"):
        code, told, _ = tell("runs", "show", beginning)

        assert (code, told["run_id"]) == (0, other)


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        ("01a00000", 2, f"begins several: {QUEUED}, {FAILED}, {DONE}. Give more of it."),
        ("0badcafe", 3, "has an id that begins with '0badcafe'"),
        ("01a0000", 2, "is not a UUID, nor at least the first 8 characters of one"),
        ("01a0000g", 2, "is not a UUID"),
        (DONE + "0", 2, "is not a UUID"),
        (NO_RUN, 3, f"No run {NO_RUN} in the store"),
    ],
)
@pytest.mark.parametrize("command", ["show", "wait", "why", "cancel", "retry"])
def test_an_id_that_is_not_one_is_told(tell, kept, command, given, code, told):
    before = everything(kept)

    got, _, err = tell("runs", command, given)

    assert got == code
    assert told in err
    assert err.count("\n") == 1
    assert everything(kept) == before


def test_finished_runs_stay_where_they_are_when_others_are_cancelled(tell, kept):
    finish(kept, add_worker(kept), Ending.SUCCEEDED)

    code, told, _ = tell("runs", "cancel", "--all")

    assert (code, told["runs"]) == (0, [])
    assert states(kept) == {"succeeded": 2, "failed": 1}
