"""Who may know whom, by contract, and what a fresh interpreter has loaded, by looking.

Contracts cannot see laziness, so both are needed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobreg.store import open_store

ROOT = Path(__file__).parents[2]
HEAVY = {
    "alembic",
    "asyncio",
    "dill",
    "importlib_metadata",
    "msgspec",
    "multiprocess",
    "platformdirs",
    "psycopg",
    "pymysql",
    "sqlalchemy",
}
LOOK = """
import atexit, json, runpy, sys
atexit.register(lambda: print("\\n" + json.dumps(sorted(sys.modules)), file=sys.stderr))
sys.argv[:] = {argv!r}
{code}
"""
COMMAND = "runpy.run_module('jobreg', run_name='__main__', alter_sys=True)"


def loaded(code: str, env: dict[str, str], argv: tuple[str, ...] = ()) -> set[str]:
    """Run code in a fresh interpreter and give the modules it had loaded in the end."""
    script = LOOK.format(argv=["jobreg", *argv], code=code)
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


def top(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_the_layers_hold():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_jobreg_loads_nothing_else(fake_plugins):
    modules = loaded("import jobreg", fake_plugins.env())

    # The little of Python's own that the imports of an editable install may have loaded before.
    assert modules - loaded("", fake_plugins.env()) <= {"jobreg", "__future__"}


def test_importing_job_loads_its_own_file_only(fake_plugins):
    modules = loaded("from jobreg import job", fake_plugins.env())

    assert {name for name in modules if name.startswith("jobreg")} == {"jobreg", "jobreg.decorator"}
    assert not top(modules) & HEAVY


def test_decorating_a_job_loads_nothing_heavy(fake_plugins):
    plain = loaded("from jobreg import job; job()(lambda: None)", fake_plugins.env())
    given = loaded("from jobreg import job; job(queue='q')(lambda: None)", fake_plugins.env())

    assert not top(plain) & (HEAVY | {"attr", "attrs", "click"})
    assert not top(given) & (HEAVY | {"click"})


def test_a_store_loads_the_dialect_of_its_own_database(fake_plugins, tmp_path):
    url = f"sqlite:///{tmp_path}/jobs.db"
    open_store(url).close()  # Alembic, which makes the tables, loads them all

    modules = loaded(
        f"from jobreg.store import open_store; open_store({url!r})", fake_plugins.env()
    )

    dialects = {name.split(".")[2] for name in modules if name.startswith("sqlalchemy.dialects.")}
    assert dialects - {"_typing"} == {"sqlite"}


def test_the_registry_loads_nothing_heavy(fake_plugins):
    fake_plugins.add("acme", "1.0", {"a": "guest_module:f"}, {"guest_module.py": "1 / 0"})
    code = "import jobreg; assert jobreg.default_registry().names() == ['a']"

    modules = loaded(code, fake_plugins.env())

    assert not top(modules) & (HEAVY | {"click", "logging", "guest_module"})


@pytest.mark.parametrize(
    "argv", [("--help",), ("jobs", "list"), ("jobs", "list", "--json"), ("jobs", "show", "a")]
)
def test_looking_at_jobs_loads_neither_database_nor_plugin(fake_plugins, argv):
    fake_plugins.add("acme", "1.0", {"a": "guest_module:f"}, {"guest_module.py": "1 / 0"})

    modules = loaded(COMMAND, fake_plugins.env(), argv)

    # Who shows a job looks whether there is a store to ask, and so where it would be.
    needed = {"platformdirs"} if "show" in argv else set()
    assert "click" in modules  # it did run
    assert not top(modules) & ((HEAVY | {"guest_module", "logging"}) - needed)


def test_help_loads_no_command(fake_plugins):
    modules = loaded(COMMAND, fake_plugins.env(), ("--help",))

    ours = {name for name in modules if name.startswith("jobreg.cli")}
    assert ours == {"jobreg.cli", "jobreg.cli.output"}
