"""The public names. Changing this list is changing what users may rely on."""

from __future__ import annotations

import jobreg

NAMES = [
    "__version__",
    "AsyncClient",
    "AsyncRun",
    "Backoff",
    "BadInput",
    "CancelRun",
    "Client",
    "Conflict",
    "Interrupted",
    "InvalidJob",
    "JobConflict",
    "JobLoadError",
    "JobRegError",
    "LeaseLost",
    "NotFound",
    "NotInRun",
    "ParamsRefused",
    "Registry",
    "ResultRefused",
    "RetryLater",
    "Run",
    "RunCancelled",
    "RunFailed",
    "SchemaMismatch",
    "Snooze",
    "StoreError",
    "StoreUnavailable",
    "SubmitUncertain",
    "UnknownJob",
    "UnknownRun",
    "WaitTimeout",
    "Worker",
    "current_run",
    "default_registry",
    "find",
    "get",
    "job",
    "submit",
    "submit_many",
]

TESTING = [
    "FakeClock",
    "Jobs",
    "assert_not_submitted",
    "assert_submitted",
    "inline",
    "plugin",
    "run_pending",
    "stored",
    "submitted",
    "write_plugin",
]


def test_the_public_names_are_these():
    assert sorted(jobreg.__all__) == sorted(NAMES)


def test_every_public_name_can_be_had():
    for name in NAMES:
        assert getattr(jobreg, name) is not None


def test_no_other_name_is_promised():
    assert set(dir(jobreg)) == set(NAMES)


def test_the_public_names_for_tests_are_these():
    from jobreg import testing

    assert sorted(testing.__all__) == TESTING
    assert [name for name in TESTING if not getattr(testing, name).__doc__] == []
