"""What the hot statements cost: each is answered from an index, however much waits or is over."""

from __future__ import annotations

import re
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg import sql
from sqlalchemy import Executable, create_engine, event, make_url, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ClauseElement
from store_hands import JOB, add_worker, asked, claim, offer, outcome, states

from jobreg.lifecycle import Claim, LogChunk
from jobreg.store import (
    LogRow,
    Store,
    claim_statements,
    finding,
    mysql,
    open_store,
    postgresql_hot,
    reading_statements,
    settle_statements,
    sqlite,
    sqlite_hot,
    statements,
)

_EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN (COSTS OFF)", "mysql": "EXPLAIN"}
_ANALYZE = {"sqlite": "ANALYZE {}", "postgresql": "ANALYZE {}", "mysql": "ANALYZE TABLE {}"}
# What a database says where it looks at rows one by one, or puts them in order itself.
_SCANS = {"sqlite": "SCAN jobreg", "postgresql": "Seq Scan", "mysql": "'ALL'"}
# A table of a handful of rows, which is read whole.
_PAUSES = "Seq Scan on jobreg_pauses"
TABLES = {name: f"jobreg_{name}" for name in ("live", "pauses")}
DUE = {"sqlite": text(sqlite.DUE), "postgresql": text(postgresql_hot.DUE.format(**TABLES))}
_SORTS = {"sqlite": "TEMP B-TREE", "postgresql": "Sort", "mysql": "filesort"}


class Explain(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, statement: Any) -> None:
        self.statement = statement


@compiles(Explain)
def _explain(element: Explain, compiler: Any, **options: Any) -> str:
    return f"{_EXPLAIN[compiler.dialect.name]} {compiler.process(element.statement, **options)}"


@pytest.fixture
def full(store: Store) -> Store:
    """A store in which much waits, of many names in some queues, and some runs."""
    runs = [asked(f"foreign.n{n % 40}", queue=f"q{n % 5}") for n in range(4000)]
    store.insert([*runs, *(asked(JOB) for _ in range(200))])
    store.insert([asked(JOB, delay=1000.0 + n) for n in range(300)])
    worker = add_worker(store)
    said = (LogChunk(1, "stdout", "INFO", None, "a line"),)
    for taken in claim(store, worker, offer(most=20)):
        store.write_logs(worker, [LogRow(taken.run_id, 1, n, said) for n in range(100)])
    with store.writing() as connection:
        for table in ("jobreg_runs", "jobreg_live", "jobreg_logs"):
            connection.exec_driver_sql(_ANALYZE[store.engine.dialect.name].format(table))
    return store


def plan(store: Store, statement: Any, **asked_for: Any) -> str:
    with store.writing() as connection:
        return "\n".join(map(str, connection.execute(Explain(statement), asked_for)))


# Statement, what it is asked, and the index that must answer, where there is a choice of them.
HOT: list[tuple[str, dict[str, Any], str]] = [
    ("heads", {"queue": "q1", "name": "foreign.n1", "most": 10}, "jobreg_live_heads"),
    ("next_due", {}, "jobreg_live_due"),
    ("due_scheduled", {"most": 9}, "jobreg_live_due"),
    ("held", {"of_worker": "w", "run_ids": ["r", "s"]}, "run_id"),
    ("holding", {"of_worker": "w"}, "jobreg_live_by_worker"),
    ("cancels_asked", {"of_worker": "w"}, ""),
    ("live_row", {"of_run": "r"}, ""),
    ("runs_by_id", {"run_ids": ["r"]}, ""),
    ("logs_of_run", {"of_run": "r", "attempt": 1, "number": 0, "most": 9}, ""),
    ("logs_before", {"of_run": "r", "attempt": 1, "number": 9, "most": 9}, ""),
]


def maker(name: str) -> Any:
    modules = (statements, claim_statements, settle_statements, reading_statements)
    return next(getattr(each, name) for each in modules if hasattr(each, name))


def test_hot_statements_are_answered_from_an_index(full):
    name = full.engine.dialect.name
    arguments: dict[str, tuple[Any, ...]] = {
        "next_due": (full.now,),
        "due_scheduled": (full.now,),
        "held": (full.now,),
        "logs_of_run": (False,),
    }

    plans = {
        statement: plan(full, maker(statement)(*arguments.get(statement, ())), **asks)
        for statement, asks, _ in HOT
    }

    for statement, _, index in HOT:
        told = plans[statement]
        # Optimized away: the index was read while the plan was made.
        assert index in told or "optimized away" in told, (statement, told)
        assert _SCANS[name] not in told, (statement, told)
    assert _SORTS[name] not in plans["heads"]


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("more", ["", sqlite_hot.UNSEEN], ids=["seen", "unseen"])
def test_what_sqlite_is_told_to_claim_is_answered_from_an_index(full, more):
    pair = ("q1", "foreign.n1")
    words = sqlite_hot.NEXT.format(now=full.database.words_of(full.now), more=more)
    with full.writing() as connection:
        asked_for = (0, 3, 3, *pair, "w", *pair * (more.count("?") // 2), 10)
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", asked_for).all()

    told = "\n".join(map(str, rows))
    assert "jobreg_live_heads" in told
    assert "SCAN" not in told.replace("SCAN CONSTANT ROW", "")
    assert _SORTS["sqlite"] not in told


def explained_by(lent: Any, told: list[str]) -> Any:
    """What keeps how a statement would be executed by the plan that is kept, in place of doing it.

    Of a statement that is not prepared EXPLAIN tells the plan for these values.
    """

    def explain(words: str, values: Any) -> Any:
        numbers = count(1)
        with_numbers = re.sub("%s", lambda _: f"${next(numbers)}", words)
        given = ", ".join(sql.Literal(each).as_string(lent.connection) for each in values)
        lent.cursor.execute(f"PREPARE kept AS {with_numbers}".encode())
        rows = lent.cursor.execute(
            f"EXPLAIN (COSTS OFF) EXECUTE kept{f'({given})' if given else ''}".encode()
        ).fetchall()
        lent.cursor.execute(b"DEALLOCATE kept")
        told.extend(line.strip() for (line,) in rows)
        assert not values or any(re.search(r"\$\d", line) for line in told)
        return SimpleNamespace(fetchall=list)

    return explain


def unconditional(told: list[str]) -> list[str]:
    """The looks at runs that go through all of them."""
    looks = re.compile(r"Scan (using \w+ )?on jobreg_(live|runs)\b")
    return [
        line
        for line, next_line in zip(told, [*told[1:], ""], strict=True)
        if looks.search(line) and not re.match("(Index|TID|Recheck) Cond: ", next_line)
    ]


@pytest.mark.parametrize("numbers", [(0, 1, 2, 3), (300, 4000)], ids=str)
@pytest.mark.parametrize("known", ["VACUUM ANALYZE", "ANALYZE", "SELECT 1"])
def test_postgresql_claims_and_settles_row_by_row_however_few_there_were_when_it_planned(
    postgres, known, numbers
):
    """A plan is kept while what it was made for grows: to read all of two runs looks cheap."""
    store = open_store(postgres.fresh())
    worker, words = add_worker(store), postgresql_hot.Words(None)
    lent, other = store.database.lend(), store.database.make_to_lend()
    each = Claim(run_id="r", job_name=JOB, params="", attempt=1, tries=0, crashes=0)
    there = 0

    for number in numbers:
        store.insert([asked() for _ in range(number - there)])
        there = number
        other.execute(known)
        claims: list[str] = []
        settles: list[str] = []
        due: list[str] = []
        words.due(explained_by(lent, due))
        words.claim(explained_by(lent, claims), "1", worker, "default", offer(most=800), False)
        words.finish(explained_by(lent, settles), "1", worker, "h", [outcome(each)])

        several: list[str] = []
        pairs = {("default", job): offer(job, most=800) for job in (JOB, "mail.send")}
        words.claim_pairs(explained_by(lent, several), "1", worker, pairs)

        assert unconditional(claims) == []
        assert unconditional(settles) == []
        assert unconditional(several) == []
        assert any("Tid Scan on jobreg_live" in line for line in several)
        locks = several.index("->  LockRows", several.index("CTE heads"))
        assert several[locks + 1] == "->  Index Scan using jobreg_live_heads on jobreg_live"
        assert any("Tid Scan on jobreg_live" in line for line in claims)
        assert any("jobreg_live_heads" in line for line in claims)
        # They are read in order. What is sorted is what was read, to be counted.
        assert len([line for line in claims if "Sort" in line]) == len(["Sort", "Sort Key"])
        assert sum("using jobreg_live_heads" in line for line in due) == 2
        assert not [line for line in due if "Sort" in line]
        for table in ("live", "runs"):
            assert sum(f"using jobreg_{table}_run_id_key" in line for line in settles) == 1
        told = claims + settles + several
        assert not [line for line in told if "Seq Scan" in line or "Hash" in line]


def test_postgresql_settles_row_by_row_whatever_it_knows_of_the_tables(postgres):
    """It may know nothing at first; and to read all that waits may look cheaper to it."""
    store = open_store(postgres.fresh())
    store.insert([asked() for _ in range(3000)])
    worker = add_worker(store)
    lent, now = store.database.lend(), store.database.words_of(store.now)
    told: list[str] = []

    def explain(words: str, values: Any) -> Any:
        rows = lent.execute(f"EXPLAIN (ANALYZE, COSTS OFF) {words}", values).fetchall()
        told.extend(line for (line,) in rows)
        return SimpleNamespace(fetchall=list)

    for _ in range(2):
        done = [outcome(each) for each in claim(store, worker, offer(most=800))]
        told.clear()
        postgresql_hot.Words(None).finish(explain, now, worker, "h", done)
        lent.cursor.execute("ANALYZE jobreg_live, jobreg_runs")

        for table in ("live", "runs"):
            assert sum(f"jobreg_{table}_run_id_key" in line for line in told) == 1, told
        assert not [line for line in told if _SCANS["postgresql"] in line or "Hash" in line]
    assert states(store) == {"queued": 1400, "succeeded": 1600}


def test_what_postgresql_is_kept_to_is_said_as_the_connection_begins_and_of_no_other(postgres):
    """What is set later would stay, behind a pooler, for whoever has it next."""
    store = open_store(postgres.fresh())
    ways = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_sort", "jit")
    asked_for = "SELECT name, setting, source FROM pg_settings WHERE name = ANY(%s)"
    lent = store.database.lend()

    rows = lent.execute(asked_for, (list(ways),)).fetchall()
    with store.writing() as connection:
        others = connection.exec_driver_sql(asked_for, (list(ways),)).all()

    assert sorted(rows) == sorted((name, "off", "client") for name in ways)
    assert {name: setting for name, setting, _ in others} == dict.fromkeys(ways, "on") | {
        "jit": "off"
    }


def test_no_statement_is_compiled_whatever_the_options_of_the_url_are(postgres):
    """What is left to be sorted counts as very dear, and so as worth it."""
    url = make_url(postgres.fresh()).update_query_dict({"options": "-c search_path=public"})
    store = open_store(url.render_as_string(hide_password=False))

    lent = store.database.lend()

    assert lent.execute("SHOW jit", ()).fetchall() == [("off",)]
    assert lent.execute("SHOW search_path", ()).fetchall() == [("public",)]
    assert lent.execute("SHOW enable_sort", ()).fetchall() == [("off",)]
    assert lent.execute("SHOW array_nulls", ()).fetchall() == [("on",)]
    store.close()


def test_what_the_environment_gives_libpq_stands_beside_what_is_ours(postgres, monkeypatch):
    url = postgres.fresh()
    monkeypatch.setenv("PGOPTIONS", "-c search_path=public -c lock_timeout=200")
    store = open_store(url)

    with store.writing() as connection:
        told = [
            connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("search_path", "lock_timeout", "statement_timeout", "array_nulls")
        ]

    assert told == ["public", "200ms", "30s", "on"]
    store.close()


# A page's order, what else is asked, and the index that gives it in that order.
PAGES: list[tuple[str, dict[str, Any], str]] = [
    ("seq", {}, ""),
    ("name", {"job_name": JOB}, "jobreg_runs_by_job"),
    ("state", {"state": "failed"}, "jobreg_runs_by_state"),
    ("state", {"state": "failed", "reason": "timeout"}, "jobreg_runs_by_state"),
    ("due", {"live_state": "queued"}, "jobreg_live_due"),
    ("due", {"live_state": "queued", "job_name": JOB}, "jobreg_live_due"),
    ("due", {"live_state": "scheduled"}, "jobreg_live_due"),
    ("time", {"since": 1, "until": 2**61}, "jobreg_runs_by_time"),
    ("time", {"since": 1, "job_name": JOB}, "jobreg_runs_by_time"),
]


@pytest.mark.ddl
def test_a_page_is_read_from_one_index_in_its_order(full):
    for order, asks, index in PAGES:
        name = full.engine.dialect.name
        in_order = {"name": "job_name", "state": "state"}.get(order)
        statement = finding.page_of_runs(order, tuple(each for each in asks if each != in_order))
        late = {"before": 2**62, "at": 2**62, "most": 10}

        told = plan(full, statement, **asks, **late)

        assert index in told, told
        assert _SCANS[name] not in told, told
        # Of rows with one time PostgreSQL sorts those that a page may end with.
        whole = {**_SORTS, "postgresql": "->  Sort"}
        assert whole[name] not in told, told


@pytest.mark.ddl
def test_a_page_of_what_runs_looks_at_nothing_else(full):
    statement = finding.page_of_runs("due", ("live_state", "held"))
    late = {"before": 2**62, "at": 2**62, "most": 10}

    told = plan(full, statement, live_state="running", held=True, **late)

    index = {"mysql": "jobreg_live_due"}.get(full.engine.dialect.name, "jobreg_live_by_worker")
    assert index in told, told
    assert _SCANS[full.engine.dialect.name] not in told, told


@pytest.mark.ddl
def test_runs_are_counted_from_indexes(full):
    name = full.engine.dialect.name
    told = plan(full, reading_statements.count_runs())

    if name == "sqlite":
        assert "SCAN jobreg_live" not in told, told
    assert sum(full.counts().values()) == 4500


def rows_read(connection: Any) -> int:
    found = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'")
    return sum(int(value) for _, value in found)


def test_postgresql_jumps_to_due_names_also_without_statistics(postgres):
    """A table that was filled just now has none; the planner may then read it all."""
    store = open_store(postgres.fresh())
    store.insert([asked(f"foreign.n{n % 40}", queue=f"q{n % 5}") for n in range(10_000)])
    words = postgresql_hot.Words(None)

    with store.reading() as connection:
        asked_for = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {DUE['postgresql']}"
        told = connection.exec_driver_sql(asked_for).scalar()
        due = words.due(connection.exec_driver_sql)

    assert len(due) == 40
    assert told[0]["Plan"]["Shared Hit Blocks"] < 1_000


def test_looking_for_due_names_does_not_look_at_every_run(full):
    name = full.engine.dialect.name
    if name == "mysql":
        with full.reading() as connection:
            before = rows_read(connection)
            found = full.database.due(connection)
            looked_at = rows_read(connection) - before
        assert len(found) == 41
        assert looked_at < 300
    else:
        told = plan(full, DUE[name])
        assert "jobreg_live_heads" in told
        assert _SCANS[name] not in told.replace(_PAUSES, "")


def test_a_claim_of_many_names_takes_few_statements_and_reads_no_more_than_their_heads(mysql):
    store = open_store(mysql.fresh())
    store.insert([asked(queue=f"q{n % 400:03}", priority=-n) for n in range(2000)])
    worker, said = add_worker(store), list[str]()
    event.listen(store.engine, "before_cursor_execute", lambda *told: said.append(told[2]))
    with store.reading() as connection:
        before = rows_read(connection)
        found = store.database.due(connection)
        looked_at = rows_read(connection) - before
        before = rows_read(connection)
        heads = store.database.look(connection, dict.fromkeys(found, 3))
        read = rows_read(connection) - before
    said.clear()

    taken = claim(store, worker, offer(most=5))

    assert found == [(f"q{n:03}", JOB) for n in range(400)]
    assert [[head.priority for head in each] for each in heads.values()] == [
        [-n, -n - 400, -n - 800] for n in range(400)
    ]
    assert read <= 3 * 400
    assert looked_at < 4 * 2000  # what waits after the first 50 names, through two small tables
    assert len(taken) == 5
    assert len(said) < 100
    store.close()


@pytest.mark.parametrize("name", ["mysql", "mariadb"])
def test_runs_that_are_held_are_looked_up_by_id_also_on_an_engine_of_the_jobs(name):
    dialect = create_engine(f"{name}+pymysql://").dialect

    words = str(settle_statements.held(mysql.MySQL.now).compile(dialect=dialect))

    assert "FORCE INDEX (run_id)" in words
