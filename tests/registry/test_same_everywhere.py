"""One answer in every process, thread and fork, whatever the hash seed and the path's order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from jobreg import Registry
from jobreg.store import open_store

ASK = """
import io, json, sys
from contextlib import redirect_stdout
import jobreg
from jobreg.cli import run
from jobreg.store import open_store
from jobreg.worker.ownership import Ownership

told = {}
for words in (["jobs", "list", "--json"], ["jobs", "list", "--owners", "--json"]):
    with redirect_stdout(io.StringIO()) as out:
        run(words)
    claims = lambda job: [each["dist"] for each in job["claimants"]] if "claimants" in job else None
    told[" ".join(words)] = {
        job["name"]: [job["state"], job["dist"], claims(job)]
        for job in json.loads(out.getvalue())["jobs"]
    }
client = jobreg.Client()
for name in ("shared.job", "alpha.own", "omega.own"):
    try:
        told[f"submit {name}"] = client.submit(name).state
    except jobreg.JobRegError as error:
        told[f"submit {name}"] = [type(error).__name__, str(error)]
ownership = Ownership(client.store, client.registry)
ownership.look()
told["worker"] = ownership.names()
print(json.dumps(told))
"""


def answers(fake_plugins, store, processes):
    """What fresh processes say, each with a hash seed of its own, on either order of the path."""
    places = [fake_plugins.path / "one", fake_plugins.path / "two"]

    def ask(number):
        path = os.pathsep.join(map(str, places if number % 2 else reversed(places)))
        environ = fake_plugins.env(
            JOBREG_STORE=store, PYTHONPATH=path, PYTHONHASHSEED=str(number * 7919)
        )
        done = subprocess.run(
            [sys.executable, "-c", ASK], env=environ, capture_output=True, text=True, check=True
        )
        return done.stdout

    with ThreadPoolExecutor(2) as pool:
        found = set(pool.map(ask, range(processes)))
    return [json.loads(each) for each in found]


@pytest.mark.parametrize("processes", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_a_conflict_is_the_same_in_every_process(fake_plugins, tmp_path, processes):
    fake_plugins.add("omega", "1.0", {"shared.job": "o:f", "omega.own": "o:g"}, folder="one")
    fake_plugins.add("alpha", "2.0", {"shared.job": "a:f", "alpha.own": "a:g"}, folder="two")
    store = f"sqlite:///{tmp_path / 'jobs.db'}"
    opened = open_store(store)

    [before] = answers(fake_plugins, store, processes)

    whole = {"alpha.own": ["ok", "alpha", None], "omega.own": ["ok", "omega", None]}
    torn = {"shared.job": ["conflict", None, ["alpha", "omega"]]}
    assert before["jobs list --json"] == before["jobs list --owners --json"] == whole | torn
    kind, message = before["submit shared.job"]
    assert kind == "JobConflict"
    assert "alpha 2.0 and omega 1.0" in message
    assert (before["submit alpha.own"], before["submit omega.own"]) == ("queued", "queued")
    assert before["worker"] == ["alpha.own", "omega.own"]

    opened.catalogue.adopt("shared.job", "omega")
    [after] = answers(fake_plugins, store, max(6, processes // 4))
    opened.close()

    assert after["jobs list --json"] == whole | torn
    settled = {"shared.job": ["ok", "omega", ["alpha", "omega"]]}
    assert after["jobs list --owners --json"] == whole | settled
    assert after["submit shared.job"] == "queued"
    assert after["worker"] == ["alpha.own", "omega.own", "shared.job"]


def test_threads_that_ask_first_together_see_one_snapshot(fake_plugins):
    for number in range(50):
        fake_plugins.add(f"dist{number}", "1.0", {f"job{number}": "m:f"})
    registry = Registry(path=[str(fake_plugins.path)])
    start = threading.Barrier(8)

    def first_use():
        start.wait(10)
        return registry.snapshot()

    with ThreadPoolExecutor(8) as pool:
        found = [each.result(30) for each in [pool.submit(first_use) for _ in range(8)]]

    assert len({tuple(each.jobs.items()) for each in found}) == 1
    assert len(found[0].jobs) == 50


FIRST_USE = """
import json, os, sys, threading
import jobreg, jobreg.registry

rounds = []

def first_uses():
    while True:  # each time as if for the first time, so that forks meet it at every moment
        rounds.append(1)
        jobreg.registry._default = None
        jobreg.default_registry().names()

readers = []
for _ in range(2):
    threading.Thread(target=first_uses, daemon=True).start()
for _ in range(8):
    reader, writer = os.pipe()
    if os.fork() == 0:
        registry = jobreg.default_registry()
        told = [registry.names(), registry.load("a.job")()]
        os.write(writer, json.dumps(told).encode())
        os._exit(0)
    os.close(writer)
    readers.append(reader)
before = len(rounds)
told = [os.fdopen(reader).read() for reader in readers]
while len(rounds) < before + 20:  # they still go round
    pass
codes = [os.wait()[1] for _ in readers]
print(json.dumps([sorted(set(told)), sorted(set(codes))]))
"""
# Imported while the registry is asked, it asks the registry itself, also from another thread.
RESOLVES = """
import threading
import jobreg
found = []
def ask():
    found.append([jobreg.default_registry().names(), jobreg.default_registry().ref("b.job").dist])
ask()
thread = threading.Thread(target=ask)
thread.start()
thread.join(20)
def f():
    return found
"""


def test_forked_children_and_plugins_that_resolve_while_imported(fake_plugins):
    fake_plugins.add("alpha", "1.0", {"a.job": "resolves:f"}, {"resolves.py": RESOLVES})
    fake_plugins.add("beta", "1.0", {"b.job": "plain:f"}, {"plain.py": "def f(): pass"})

    done = subprocess.run(
        [sys.executable, "-c", FIRST_USE], env=fake_plugins.env(), capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip

    names = ["a.job", "b.job"]
    [[told], codes] = json.loads(done.stdout)
    assert json.loads(told) == [names, [[names, "beta"], [names, "beta"]]]
    assert codes == [0]
