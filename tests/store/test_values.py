"""What is stored comes back unchanged on every database, or is refused on every one."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
import servers
from attrs import evolve
from sqlalchemy import make_url
from store_hands import PROVIDER, add, add_worker, asked, claim, claim_one, offer, outcome, settle

from jobreg import Backoff, BadInput, Client, Registry, StoreError
from jobreg.catalogue import Entry
from jobreg.codec import clip, encode_params, encode_result
from jobreg.lifecycle import Ending, ErrorReport, LogChunk, Progress
from jobreg.store import LogRow, Store, open_store, schema

HOSTILE = (
    "zero \0, bell \a, 'quotes\" `ticks`, back\\slash, %s %(x)s :name ?, \u00e9 e\u0301, "
    "\u6f22 \N{GRINNING FACE} \U0010ffff \u202e \u2028 \ufeff\r\n\t"
)


def nested(depth: int) -> object:
    value: object = "deep"
    for _ in range(depth):
        value = [value]
    return value


VALUES = {
    "text": HOSTILE,
    "key": {HOSTILE: 1, "": 2, " ": 3, "A": 4, "a": 5},
    "spaces": ["", " ", "trailing  ", "\n"],
    "deep": nested(90),
    "huge": [10**4000, -(10**4000), 2**63, -(2**63), 2**64],
    "floats": [0.1, 1e308, 5e-324, -0.0, 1.0, 123456789.123456789],
    "plain": [None, True, False, {}, [], 0, "null"],
    "long": "\N{GRINNING FACE}" * 60_000,
}


@pytest.mark.parametrize("name", VALUES)
def test_parameters_and_results_come_back_as_they_were(store, worker, name):
    params = {"value": VALUES[name]}
    text = encode_params(params, 256 * 1024)
    run = add(store, params=text)

    taken = claim_one(store, worker)
    settle(store, worker, outcome(taken, result=encode_result(params, 1024 * 1024)))

    stored = store.get(run.run_id)
    assert taken.params == stored.params == run.params == text
    assert json.loads(stored.result) == params
    assert repr(json.loads(stored.result)) == repr(params)


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 262_000])
def test_parameters_of_any_size_up_to_the_cap_come_back(store, worker, size):
    text = json.dumps({"value": "x" * size})

    add(store, params=text)

    assert claim_one(store, worker).params == text


@pytest.mark.parametrize(
    "bad",
    [float("nan"), float("inf"), "\ud800", {1, 2}, b"x", 10**5000],
    ids=["nan", "inf", "half", "set", "bytes", "huge"],
)
def test_what_json_cannot_hold_is_refused_before_it_reaches_a_database(store, bad):
    registry = Registry()
    registry.add("here.job", json.loads)
    client = Client(store=store, registry=registry)

    with pytest.raises(BadInput, match="value"):
        client.submit("here.job", {"value": bad})

    assert store.find() == ([], None)


def test_errors_tags_progress_and_logs_come_back_as_they_were(store, worker):
    run = add(store, tags=("\N{GRINNING FACE}", "trailing ", "'; DROP TABLE jobreg_runs; --"))
    taken = claim_one(store, worker)
    error = ErrorReport("Erreur\N{GRINNING FACE}", clip(HOSTILE, 65536), clip(HOSTILE * 800, 65536))
    progress = Progress(2**40, 2**50, HOSTILE)
    chunk = LogChunk(at=1, stream="stdout", level="INFO", logger=HOSTILE, text=HOSTILE)

    store.write_logs(worker, [LogRow(run.run_id, 1, 1, (chunk,))])
    settle(store, worker, outcome(taken, Ending.ERROR, error=error, progress=progress))

    stored = store.get(run.run_id)
    assert stored.tags == run.tags
    # PostgreSQL keeps no null character; so none does.
    kept = [each.replace("\0", "\\x00") for each in (error.type, error.message, error.traceback)]
    assert stored.error == store.attempts(run.run_id)[0].error == ErrorReport(*kept)
    assert stored.progress == progress
    assert store.logs(run.run_id)[0].chunks == (chunk,)


def test_what_jobs_say_of_themselves_is_kept_whatever_it_is(store):
    said = Entry(
        job_name="reports.render",
        provider=PROVIDER,
        options={"queue": HOSTILE},
        signature={"default": "half \ud800 and null \0"},
        params_schema={HOSTILE: 10**30},
        summary="half \ud800, null \0, \N{GRINNING FACE}",
        import_seconds=0.1 + 0.2,
    )

    store.catalogue.learn([said, evolve(said, job_name="b", trouble=HOSTILE)], "hello")

    known = {each.job_name: each for each in store.catalogue.known()}
    for each in known.values():
        assert each.options == said.options
        assert each.signature == said.signature
        assert each.params_schema == said.params_schema
        assert each.import_seconds == said.import_seconds
        assert each.summary == "half \\ud800, null \\x00, \N{GRINNING FACE}"
    assert known["b"].trouble == HOSTILE.replace("\0", "\\x00")


@pytest.mark.parametrize("timeout", [0.001, 0.1, 1.5, 1234567.891, 86_400.0 * 365])
def test_limits_are_kept_to_the_last_digit(store, timeout):
    assert add(store, timeout=timeout).timeout == timeout


def test_names_differ_by_case(store, worker):
    add(store, queue="Mail")
    add(store, queue="mail")

    assert sorted(store.due()) == [("Mail", "reports.render"), ("mail", "reports.render")]
    assert len(claim(store, worker, queues=["mail"]) or []) == 1


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-9, minutes=-30))])
def test_moments_come_back_to_the_microsecond_in_utc(store, zone):
    moment = datetime(2030, 3, 31, 1, 30, 0, 123457, tzinfo=zone)

    run = add(store, scheduled_at=moment)

    assert run.scheduled_at == moment
    assert run.scheduled_at.tzinfo is UTC


def test_waits_of_years_are_kept(store, worker):
    years = 86_400.0 * 800
    later = add(store, "later.job", delay=years)
    run = add(store)
    taken = claim_one(store, worker, max_attempts=2, backoff=Backoff(first=years, longest=years))

    settle(store, worker, outcome(taken, Ending.ERROR))

    for waits in (later, store.get(run.run_id)):
        assert abs((waits.scheduled_at - waits.created_at).total_seconds() - years) < 60


def near_now(moment: datetime) -> bool:
    return abs(moment.timestamp() - time.time()) < 5


def test_the_clock_is_the_databases_in_microseconds(store, worker):
    run = add(store, delay=90.0)
    scheduled = store.get(run.run_id)

    assert near_now(scheduled.created_at)
    assert 89 < (scheduled.scheduled_at - scheduled.created_at).total_seconds() < 91
    assert near_now(store.workers()[0].beat_at)
    assert 85 < store.stage_due() <= 90


def one_round(store: Store) -> None:
    """A run with text and times, from submit to its end."""
    worker = add_worker(store)
    run = add(
        store, params=json.dumps({"value": HOSTILE}, ensure_ascii=False), tags=("\U0010ffff",)
    )
    taken = claim_one(store, worker)
    settle(store, worker, outcome(taken, result=json.dumps(HOSTILE, ensure_ascii=False)))

    with store.writing() as connection:
        assert connection.get_isolation_level() == "READ COMMITTED"
    stored = store.get(run.run_id)
    assert json.loads(taken.params) == {"value": HOSTILE}
    assert json.loads(stored.result) == HOSTILE
    assert stored.tags == ("\U0010ffff",)
    assert stored.provider == PROVIDER
    assert near_now(stored.created_at)
    assert near_now(stored.finished_at)
    assert stored.created_at <= stored.finished_at


def made(url: str) -> Store:
    schema.upgrade(open_store(url, check=False))
    return open_store(url)


@pytest.mark.parametrize(
    "settings",
    [
        "timezone TO 'Asia/Kolkata'",
        "client_encoding TO 'LATIN1'",
        "default_transaction_isolation TO 'serializable'",
        "standard_conforming_strings TO off",
        "datestyle TO 'SQL, DMY'",
        "bytea_output TO 'escape'",
        "array_nulls TO off",
    ],
)
def test_a_postgresql_database_of_other_habits_keeps_what_it_is_given(postgres, settings):
    url = postgres.empty()
    postgres.run(f"ALTER DATABASE {make_url(url).database} SET {settings}")
    store = made(url)

    one_round(store)
    with store.reading() as connection:
        asked_at_once = connection.exec_driver_sql("SHOW transaction_isolation").scalar()
    ((lent,),) = store.database.lend().execute("SHOW transaction_isolation", ()).fetchall()
    assert asked_at_once == lent == "read committed"


def test_a_postgresql_user_without_a_schema_is_told_how_to_name_one(postgres):
    url = postgres.empty()
    postgres.run(f"ALTER DATABASE {make_url(url).database} SET search_path TO ''")

    with pytest.raises(StoreError, match=r"no schema has been selected.* Name a schema with"):
        schema.upgrade(open_store(url, check=False))


def test_a_postgresql_database_that_is_not_unicode_is_refused(postgres):
    for encoding in ("LATIN1", "SQL_ASCII"):
        url = postgres.empty(f"ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")

        with pytest.raises(StoreError, match=f"keeps text as {encoding}.*ENCODING 'UTF8'"):
            open_store(url)


@pytest.mark.parametrize(
    "options", ["CHARACTER SET latin1 COLLATE latin1_german1_ci", "CHARACTER SET utf8mb3", ""]
)
def test_a_mysql_database_of_other_habits_keeps_what_it_is_given(mysql, options):
    if mysql.server is not None:
        mysql.run(
            "SET GLOBAL time_zone = '+05:30'",
            "SET GLOBAL sql_mode = ''",
            "SET GLOBAL tx_isolation = 'SERIALIZABLE'",
            "SET GLOBAL sql_safe_updates = 1",
            "SET GLOBAL sql_select_limit = 1",
            "SET GLOBAL max_join_size = 1",
            "SET GLOBAL sql_big_selects = 0",
        )
    try:
        store = made(mysql.empty(options))
        one_round(store)
        add(store, queue="Mail")
        assert store.due() == [("Mail", "reports.render")]
        with pytest.raises(StoreError, match="too long"):
            add(store, queue="q" * 65)
        assert store.names.rename("reports.render", "reports.draw").unfinished == 1
        add(store, "reports.draw")
        assert len(claim(store, add_worker(store), offer("reports.draw", most=2)) or ()) == 2
    finally:
        if mysql.server is not None:
            mysql.run(
                "SET GLOBAL time_zone = SYSTEM",
                "SET GLOBAL sql_mode = DEFAULT",
                "SET GLOBAL tx_isolation = DEFAULT",
                "SET GLOBAL sql_safe_updates = DEFAULT",
                "SET GLOBAL sql_select_limit = DEFAULT",
                "SET GLOBAL max_join_size = DEFAULT",
                "SET GLOBAL sql_big_selects = DEFAULT",
            )


def test_two_postgresql_schemas_are_two_stores(postgres):
    url = postgres.empty()
    one, other = made(f"{url}?schema=one"), made(f"{url}?schema=Other")

    run = add(one)

    assert other.find() == ([], None)
    assert [each.run_id for each in open_store(one.full_url).find()[0]] == [run.run_id]
    one_round(other)
    with one.reading() as connection:
        found = connection.exec_driver_sql(
            "SELECT schemaname, count(*) FROM pg_tables WHERE tablename LIKE 'jobreg%%' GROUP BY 1"
        )
        numbers = dict(map(tuple, found))
    assert numbers.keys() == {"one", "Other"}
    assert numbers["one"] == numbers["Other"] > 4


def test_a_user_whose_password_has_every_sign_is_let_in(postgres: servers.Databases):
    if postgres.server is None:
        pytest.skip("the server is the user's own")
    password = "a@b:c/d?e#f%g&h i'j\"k\\l\N{GRINNING FACE}"
    quoted = password.replace("'", "''")
    postgres.run("DROP ROLE IF EXISTS locked_out")
    postgres.run(f"CREATE ROLE locked_out LOGIN SUPERUSER PASSWORD '{quoted}'")
    url = make_url(postgres.fresh()).set(username="locked_out", password=password)

    store = open_store(url.render_as_string(hide_password=False))

    assert add(open_store(store.full_url)).attempt == 0
    assert password not in store.url
    assert asked().attempt == 0


@pytest.mark.parametrize(
    "password", ["a@b:c/d?e#f%g&h i'j\"k\\l", "p\xe4ssword", "\u043f\U0001f600"]
)
def test_a_mysql_user_whose_password_has_every_sign_is_let_in(mysql: servers.Databases, password):
    if mysql.server is None:
        pytest.skip("the server is the user's own")
    quoted = password.replace("\\", "\\\\").replace("'", "''")
    mysql.run(f"CREATE OR REPLACE USER locked_out@'%' IDENTIFIED BY '{quoted}'")
    mysql.run("GRANT ALL ON *.* TO locked_out@'%'")
    url = make_url(mysql.fresh()).set(username="locked_out", password=password)
    option = url._replace(password=None).update_query_dict({"passwd": password})

    store = open_store(url.render_as_string(hide_password=False))

    assert add(open_store(store.full_url)).attempt == 0
    assert password not in store.url
    assert len(open_store(option.render_as_string(hide_password=False)).find()[0]) == 1
