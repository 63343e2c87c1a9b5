"""What is hidden of a run's parameters and of texts that hold them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobreg.lifecycle import LogChunk, RunRecord
from jobreg.redaction import Redaction, shown

KEY = "-----BEGIN KEY-----\nMIIEvQ\nIBADAN\n-----END KEY-----"


@pytest.mark.parametrize(
    ("params", "names", "pattern", "seen"),
    [
        ({"a": 1, "b": "x"}, ["b"], None, {"a": 1, "b": "[redacted]"}),
        ({"a": None}, ["a"], None, {"a": "[redacted]"}),
        ({"a": {"deep": {"b": 1}}}, ["b"], None, {"a": {"deep": {"b": 1}}}),
        ({"a": [{"pass_word": "x"}]}, [], "pass_?word", {"a": [{"pass_word": "[redacted]"}]}),
        ({"a": ["sk-abc and more"]}, [], "sk-[a-z]+", {"a": ["[redacted] and more"]}),
        ({"passwords": "x"}, [], "password", {"passwords": "x"}),
        ({"a": 5, "b": True}, [], r"\b", {"a": 5, "b": True}),
        ({"a": "abc"}, [], r"\b", {"a": "abc"}),
    ],
)
def test_parameters_as_shown(
    params: dict[str, Any], names: list[str], pattern: str | None, seen: dict[str, Any]
) -> None:
    assert Redaction.of(json.dumps(params), names, pattern).shown() == seen


@pytest.mark.parametrize(
    ("secret", "text", "seen"),
    [
        ("s3cret", "it is s3cret!", "it is [redacted]!"),
        ("it's\tme", repr("it's\tme"), '"[redacted]"'),
        ('say "ä"', json.dumps({"x": 'say "ä"'}), '{"x": "[redacted]"}'),
        ({"deep": ["long enough", 123456]}, "123456 is long enough", "[redacted] is [redacted]"),
        ("abc", "abc", "abc"),
        (True, "True and true", "True and true"),
        (KEY, "the line IBADAN of it", "the line [redacted] of it"),
        (KEY, f"all of it: {KEY}.", "all of it: [redacted]."),
        ([], "nothing", "nothing"),
    ],
)
def test_what_a_hidden_value_says_is_hidden_in_texts(secret: Any, text: str, seen: str) -> None:
    hidden = Redaction({"x": secret, "y": "text"}, ["x"])

    assert hidden.text(text) == seen


def test_the_longer_of_two_secrets_goes_whole() -> None:
    hidden = Redaction({"a": "secret", "b": "secret-and-more"}, ["a", "b"])

    assert hidden.text("secret-and-more, secret") == "[redacted], [redacted]"


def test_a_pattern_hides_in_texts_what_no_parameter_holds() -> None:
    assert Redaction({}, (), "[0-9]{16}").text("card 4111111111111111") == "card [redacted]"


def test_where_nothing_is_hidden_everything_is_as_it_was() -> None:
    chunks = (LogChunk(0, "stdout", "INFO", None, "text"),)
    nothing = Redaction.of('{"a": 1}', (), None)

    assert nothing.chunks(chunks) is chunks
    assert nothing.text("text") == "text"


@pytest.mark.parametrize(
    ("key", "seen"),
    [
        ('{"pin":"12","user":7}', '{"pin": "[redacted]", "user": 7}'),
        ("for s3cret", "for [redacted]"),
        ("user 7", "user 7"),
        (None, None),
    ],
)
def test_a_unique_key_does_not_tell_what_it_was_made_of(key: str | None, seen: str | None) -> None:
    run = RunRecord(
        run_id="1", job_name="a", params='{"pin": "12", "word": "s3cret"}', unique_key=key
    )

    told = shown(run, ["pin", "word"], None)

    assert (told.unique_key, json.loads(told.params)["word"]) == (seen, "[redacted]")
    assert shown(run, (), None) is run
