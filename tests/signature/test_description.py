"""What a hello tells: the signature as text and as JSON Schema, default, docstring, JSON form."""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, ForwardRef, List, Optional  # noqa: UP035

import pytest
from kinds import Colour, Custom, Folder, Order

from jobreg import ParamsRefused, job
from jobreg.catalogue import CAREFUL, Hello
from jobreg.lifecycle import Provider
from jobreg.options import JobOptions
from jobreg.runner import binder_of, introduce
from jobreg.signature import Parameter, Signature
from jobreg.signature.conversion import name_of
from jobreg.signature.description import MAX_SCHEMA, describe, summary
from jobreg.signature.reading import read

DRAFT = "https://json-schema.org/draft/2020-12/schema"
ACME = Provider("acme", "1.0")


def described(function: Any) -> Signature:
    return describe(read(function, "a.job"))


def test_a_signature_tells_every_parameter_and_the_result():
    def job(account: int, csv: Path = Path("a"), *args, day: date | None = None, **rest: float):
        return str(account)

    job.__annotations__["return"] = "list[Order]"
    told = described(job)

    assert str(told) == (
        "(account: int, csv: Path = PosixPath('a'), day: date | None = None, **rest: float)"
        " -> list[Order]"
    )
    assert told.parameters == (
        Parameter(name="account", annotation="int", enforced=True),
        Parameter(
            name="csv",
            annotation="Path",
            default="PosixPath('a')",
            required=False,
            enforced=True,
        ),
        Parameter(
            name="day",
            annotation="date | None",
            default="None",
            required=False,
            enforced=True,
        ),
    )
    assert told.extra == Parameter(name="rest", annotation="float", enforced=True)
    assert told.returns == "list[Order]"


def test_the_schema_is_what_msgspec_says_of_each_annotation():
    def job(
        account: int,
        order: Order,
        price: Decimal,
        csv: Path = Path("a"),
        colour: Colour = Colour.RED,
        untyped=object(),  # noqa: B008
    ) -> dict[str, date]: ...

    told = described(job)

    schema = json.loads(told.schema)
    assert set(schema["$defs"]) == {"Colour", "Order", "Line"}
    assert schema["$defs"]["Order"]["required"] == ["due"]
    del schema["$defs"]
    assert schema == {
        "$schema": DRAFT,
        "type": "object",
        "properties": {
            "account": {"type": "integer"},
            "order": {"$ref": "#/$defs/Order"},
            "price": {"type": ["string", "number"], "format": "decimal"},
            "csv": {"type": "string", "format": "path", "default": "a"},
            "colour": {"$ref": "#/$defs/Colour", "default": "red"},
            "untyped": {},
        },
        "required": ["account", "order", "price"],
        "additionalProperties": False,
    }
    assert json.loads(told.result_schema) == {
        "$schema": DRAFT,
        "type": "object",
        "additionalProperties": {"type": "string", "format": "date"},
    }


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (dict[str, object], {"type": "object", "additionalProperties": {}}),
        (list[object | None], {"type": "array", "items": {"anyOf": [{}, {"type": "null"}]}}),
    ],
)
def test_an_object_within_an_annotation_is_anything(annotation, schema):
    def job(a): ...

    job.__annotations__ = {"a": annotation, "return": annotation}
    told = described(job)

    assert told.findings == ()
    assert json.loads(told.schema)["properties"]["a"] == schema
    assert json.loads(told.result_schema) == {"$schema": DRAFT, **schema}


def test_two_classes_of_one_name_keep_their_own_definitions():
    def of(kind: type) -> Any:
        return dataclasses.make_dataclass("Same", [("it", kind)])

    def job(a, b): ...

    one, other = of(int), of(str)
    other.__module__ = "another"
    job.__annotations__ = {"a": one, "b": other}
    schema = json.loads(described(job).schema)

    assert len(schema["$defs"]) == 2
    assert schema["properties"]["a"] != schema["properties"]["b"]


@pytest.mark.parametrize(
    ("extra", "allowed"), [(date, {"type": "string", "format": "date"}), (Any, {}), (Custom, {})]
)
def test_kwargs_allow_further_properties(extra, allowed):
    def job(**rest): ...

    job.__annotations__ = {"rest": extra}

    assert json.loads(described(job).schema)["additionalProperties"] == allowed


@dataclasses.dataclass
class Defaulted:
    at: Path = Path("x")


def test_a_class_that_has_no_schema_costs_its_own_parameter_only():
    def job(a: Defaulted, b: int): ...

    told = described(job)

    assert json.loads(told.schema)["properties"] == {"a": {}, "b": {"type": "integer"}}
    assert [each.enforced for each in told.parameters] == [True, True]
    assert told.findings[0].startswith("a: no schema can be made of it: TypeError: ")


def test_a_class_that_holds_itself_has_a_schema():
    def job(it: Folder): ...

    schema = json.loads(described(job).schema)

    inside = schema["$defs"]["Folder"]["properties"]["inside"]
    assert inside["items"] == {"$ref": "#/$defs/Folder"}


def test_a_schema_that_is_too_large_is_left_out_and_that_is_told():
    many = enum.Enum("many", {f"value{n}": f"value{n}" for n in range(MAX_SCHEMA // 8)})

    def job(it): ...

    job.__annotations__ = {"it": many}
    told = described(job)

    assert told.schema == told.result_schema == "{}"
    assert told.findings == (f"its schema is over {MAX_SCHEMA:,} bytes, and is left out",)


class Sullen:
    def __repr__(self) -> str:
        raise RuntimeError


def test_defaults_of_every_make_are_told():
    def job(a=Sullen(), b="x" * 1000, c={1}, d=[1, {"e": None}]): ...  # noqa: B006, B008

    told = described(job)

    a, b, c, d = told.parameters
    assert a.default == "<its repr raised RuntimeError>"
    assert len(b.default) == 200
    assert (c.default, d.default) == ("{1}", "[1, {'e': None}]")
    assert json.loads(told.schema)["properties"] == {
        "a": {},
        "b": {},
        "c": {},
        "d": {"default": [1, {"e": None}]},
    }


def test_the_summary_of_a_partial_is_that_of_what_it_calls():
    def render(account):
        """Render it."""

    def without(account): ...

    own = functools.partial(render)
    own.__doc__ = "Render it for Ada."

    assert summary(functools.partial(functools.partial(render), account=1)) == "Render it."
    assert summary(functools.partial(without)) == ""
    assert summary(own) == "Render it for Ada."


def test_the_summary_is_the_first_line_of_the_docstring():
    def job():
        """
        Render it.

        At length.
        """

    class Odd:
        __doc__ = 5  # type: ignore[assignment]

    def without(): ...

    assert summary(job) == "Render it."
    assert (summary(Odd()), summary(without)) == ("", "")


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, source: str) -> str:
        (tmp_path / f"{name}.py").write_text(source)
        return f"{name}:work"

    return write


HELLO = '''
from datetime import date
from jobreg import job

@job(queue="mail", max_attempts=3)
def work(day: date = date(2026, 1, 31)) -> str:
    """Send it."""
'''


def test_a_hello_is_one_value_with_a_json_form(plugin):
    target = plugin("introduced_one", HELLO)

    hello = introduce("a.job", target, ACME, 1000)
    again = introduce("a.job", target, ACME, 1000)

    assert (hello.job_name, hello.provider, hello.trouble) == ("a.job", ACME, None)
    assert hello.options is not None
    assert (hello.options.queue, hello.options.max_attempts) == ("mail", 3)
    assert str(hello.signature) == "(day: date = datetime.date(2026, 1, 31)) -> str"
    assert hello.summary == "Send it."
    assert hello.seconds is not None
    assert hello.seconds > 0
    assert again.seconds is None  # it was imported already
    wire = json.loads(json.dumps(hello.to_wire()))
    assert Hello.from_wire(wire) == hello
    hash(hello)


def test_a_hello_of_a_job_without_its_code_has_a_json_form_too(plugin):
    target = plugin("introduced_two", "import no_such_package")

    hello = introduce("a.job", target, ACME, 1000)

    assert hello.options == CAREFUL
    assert (hello.signature, hello.summary, hello.seconds) == (None, "", None)
    assert "could not be imported" in str(hello.trouble)
    assert Hello.from_wire(json.loads(json.dumps(hello.to_wire()))) == hello


def test_what_does_not_say_its_parameters_is_told_as_trouble(plugin):
    target = plugin("introduced_three", "work = dict")

    hello = introduce("a.job", target, ACME, 1000)

    assert "does not say which parameters it takes" in str(hello.trouble)


@pytest.mark.parametrize("options", [None, JobOptions(timeout=5, concurrency=2)])
def test_a_hello_that_says_little_comes_back_as_it_was(options):
    hello = Hello(job_name="a.job", provider=ACME, options=options)

    assert Hello.from_wire(json.loads(json.dumps(hello.to_wire()))) == hello


class Written:
    """An annotation of which only its text is known here."""

    def __repr__(self):
        return "list[ForwardRef('acme.Report', owner=<function run at 0x7f6ccb577cc0>)]"


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (ForwardRef("Report"), "Report"),
        (List["Report"], "List[Report]"),  # noqa: F821, UP006
        (Optional["Report"], "Report | None"),  # noqa: F821
        (Written(), "list[Report]"),
    ],
)
def test_a_name_that_only_type_checkers_know_is_the_same_in_every_process(annotation, name):
    assert name_of(annotation) == name


def test_of_a_hidden_parameter_no_default_is_told():
    @job(redact=["token"])
    def one(x: int, token: str = "hunter22secret") -> int:
        return x

    told = describe(binder_of(one, "a.hidden"))

    assert str(told) == "(x: int, token: str = [redacted]) -> int"
    assert "hunter22secret" not in told.schema
    with pytest.raises(ParamsRefused) as refused:
        binder_of(one, "a.hidden").bind({}, "Job 'a.hidden'")
    assert "hunter22secret" not in str(refused.value)
