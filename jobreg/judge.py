"""What the store knows of a job is applied to a run before it is stored; no job is imported.

The judge knows the part of JSON Schema 2020-12 (json-schema.org/draft/2020-12) that a job's own
description is written in. What it does not know it lets pass: the version of the job that will
run has the last word.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from types import NoneType
from typing import Any

from attrs import evolve, field, frozen

from . import codec
from .catalogue import Entry, Known
from .errors import BadInput
from .lifecycle import Provider, RunRecord
from .options import JobOptions
from .redaction import hidden_of
from .registry import JobRef
from .request import MAX_KEY
from .signature.refusal import below, faults as all_faults, first_faults, hiding, refusal

SEEN_WITHIN = timedelta(days=1)
"""A version seen this shortly before the newest may run still: what it takes is not refused."""

_KINDS: dict[object, frozenset[type]] = {
    "string": frozenset((str,)), "integer": frozenset((int,)), "boolean": frozenset((bool,)),
    "null": frozenset((NoneType,)), "array": frozenset((list,)), "object": frozenset((dict,)),
    "number": frozenset((int, float)),
    None: frozenset((str, int, bool, NoneType, list, dict, float)),
}  # fmt: skip
_NO_KIND: frozenset[type] = frozenset()
_PLAIN_WORDS = frozenset(("type", "title", "description", "default"))
# How deep to look into unions within unions; what lies deeper, or refers to itself, is left to the
# full check.
_UNIONS_DEEP = 2


@frozen
class Terms:
    """What bears on every run of a job that is submitted here.

    ``versions`` are those that could be imported, the last seen first; ``installed`` is who
    provides the job here; ``options`` are what operators set, before what the job says.
    ``anywhere`` tells that what they take is taken, with the same options, whatever is installed
    here, and that nothing there could refuse the name, which belongs to somebody. ``redact`` is
    the pattern of what no refusal shows.
    """

    versions: tuple[Entry, ...]
    installed: Provider | None
    options: JobOptions
    anywhere: bool = False
    redact: str | None = None
    judges: bool = field(init=False)
    """Is a run judged? One installed here that the store never saw may be the one that runs it."""
    fill: bool = field(init=False)
    """Is there something to give a run that its submitter did not say?"""
    plain: Plain = field(init=False)
    """What fits the version last seen, whatever the others take."""

    @judges.default
    def _is_judging(self) -> bool:
        seen = (each.provider for each in self.versions)
        return bool(self.versions) and self.installed in (None, *seen)

    @fill.default
    def _fills(self) -> bool:
        return _given(self.options) != (None, None, None)

    @plain.default
    def _plain(self) -> Plain:
        return Plain.of(self.versions[0].params_schema if self.judges else None)

    @classmethod
    def of(cls, known: Known, installed: Provider | None, redact: str | None = None) -> Terms:
        """The terms that follow from what the store holds of the job."""
        whole = (each for each in known.entries if each.trouble is None)
        versions = sorted(whole, key=lambda each: str(each.last_seen), reverse=True)
        mine = (each.options for each in versions if installed in (None, each.provider))
        options = known.effective(next(mine, None))
        own = next((each for each in versions if each.provider == installed), None)
        anywhere = (
            own is not None
            and _is_late(own, versions)
            and any(each.pinnable for each in versions)
            and all(_gives(known, each, options) for each in (None, *versions))
        )
        return cls(tuple(versions), installed, options, anywhere, redact)

    def apply(self, record: RunRecord) -> RunRecord:
        """Return a run as it is to be stored: with the queue, priority and key its job gives it.

        What the submitter said stands before what is said here.

        Raises:
            BadInput: no version of the job would take its parameters; each fault, with its path.
        """
        if self.judges and not self.plain.fits(codec.decode(record.params)):
            _judge(record, self.versions, self.installed, self.redact)
        if not self.fill:
            return record
        options = self.options
        return evolve(
            record,
            queue=options.queue if record.queue is None else record.queue,
            priority=options.priority if record.priority is None else record.priority,
            unique_key=record.unique_key or _key(record, options.unique),
        )


@frozen
class Kept:
    """What a client has read of a job, when, and what follows for who has it here (``ref``)."""

    read: float
    known: Known
    ref: JobRef | None
    terms: Terms


def _given(options: JobOptions) -> tuple[object, ...]:
    """What a run is given of its job's options, where its submitter said nothing."""
    return options.queue, options.priority, options.unique


def _gives(known: Known, version: Entry | None, given: JobOptions) -> bool:
    """Is a run given the same where this version, or one that is not known, is installed?"""
    try:
        own = known.effective(None if version is None else version.options)
        return _given(own) == _given(given)
    except (BadInput, LookupError, TypeError, ValueError):  # another version of jobreg wrote it
        return False


def _is_late(entry: Entry, versions: Sequence[Entry]) -> bool:
    """May this version, of those with the last seen first, be at work yet?"""
    newest, seen = versions[0].last_seen, entry.last_seen
    return newest is not None and seen is not None and seen >= newest - SEEN_WITHIN


def _key(record: RunRecord, unique: tuple[str, ...] | None) -> str | None:
    """The unique key that a job's own options make of a run's parameters."""
    if unique is None:
        return None
    params = codec.decode(record.params)
    chosen = {name: params.get(name) for name in unique} if unique else params
    text = json.dumps(chosen, sort_keys=True, separators=(",", ":"))
    return text if len(text) <= MAX_KEY else f"sha256:{sha256(text.encode()).hexdigest()}"


def _judge(
    record: RunRecord, versions: Sequence[Entry], installed: Provider | None, redact: str | None
) -> None:
    """Refuse parameters that no version takes of those that may be at work during a deployment."""
    params = codec.decode(record.params)
    refused: Entry | None = None
    for each in versions:
        if each.provider != installed and not _is_late(each, versions):
            continue
        if each.params_schema is None or next(faults(each.params_schema, params), None) is None:
            return
        refused = refused or each
    if refused is not None and refused.params_schema is not None:
        provider, takes = refused.provider, refused.takes()
        way_out = (
            f"See: jobreg jobs show {record.job_name}"
            if takes is None
            else f"It takes {evolve(takes, returns=None)}."
        )
        who = f"Job {record.job_name!r} of {provider.dist} {provider.version}"
        with hiding(hidden_of(versions, record.params, redact).text):
            told = first_faults(faults(refused.params_schema, params))
        raise BadInput(refusal(who, told, way_out), faults=tuple(told))


@frozen
class Plain:
    """By their types alone: which parameters fit a schema. Of others it takes a judge to tell.

    ``kinds`` are the types that fit, by name; ``required`` are those without a default.
    """

    kinds: Mapping[str, frozenset[type]]
    required: frozenset[str]

    @classmethod
    def of(cls, schema: Mapping[str, Any] | None) -> Plain:
        """What can be told of a schema that describes the whole object of parameters."""
        judge = _Judge(schema.get("$defs") if isinstance(schema, Mapping) else None)
        whole = judge.resolved(schema)
        takes = whole.get("properties", {}) if isinstance(whole, Mapping) else None
        required = whole.get("required", []) if isinstance(whole, Mapping) else None
        if not isinstance(takes, Mapping) or not isinstance(required, list):
            # What that means is for the judge to say: neither with a parameter "" nor without.
            return cls({}, frozenset(("",)))
        kinds = {name: judge.kinds(each) for name, each in takes.items()}
        return cls(kinds, frozenset(name for name in required if isinstance(name, str)))

    def fits(self, params: Mapping[str, Any]) -> bool:
        """True where these fit; False where they may fit yet."""
        kinds = self.kinds
        return self.required <= params.keys() and all(
            type(value) in kinds.get(name, _NO_KIND) for name, value in params.items()
        )


def faults(schema: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[str]:
    """Name what is wrong with ``params``, each fault with its path; nothing where nothing is.

    ``schema`` describes the whole object of parameters.

    Example:
        >>> schema = {"type": "object", "properties": {"account": {"type": "integer"}},
        ...           "required": ["account"], "additionalProperties": False}
        >>> list(faults(schema, {"acount": 42}))
        ["missing 'account'", "unknown 'acount' (did you mean 'account'?)"]
    """
    judge = _Judge(schema.get("$defs"))
    whole = judge.resolved(schema)
    schema = whole if isinstance(whole, Mapping) else {}
    takes, others = schema.get("properties", {}), schema.get("additionalProperties", True)

    def of_value(value: Any, name: str, path: str) -> Iterator[str]:
        return judge.check(takes.get(name, others), value, path)

    return all_faults(takes, schema.get("required", ()), others is not False, params, of_value)


def resolved(schema: object, definitions: Mapping[str, Any]) -> object:
    """The definition that a schema refers to; a schema that refers to none as it is."""
    for _ in range(20):  # a reference to a reference; never in circles without an end
        if not isinstance(schema, Mapping) or "$ref" not in schema:
            break
        schema = definitions.get(str(schema["$ref"]).removeprefix("#/$defs/"))
    return schema


class _Judge:
    """Follows a schema into arrays and objects; what is left is told by who converts values."""

    def __init__(self, definitions: object) -> None:
        self._definitions = definitions if isinstance(definitions, Mapping) else {}
        self._kinds: dict[int, frozenset[type]] = {}

    def check(self, schema: object, value: object, path: str) -> Iterator[str]:
        """Name what is wrong with the value at a path."""
        schema = self.resolved(schema)
        if not isinstance(schema, Mapping) or type(value) in self.kinds(schema):
            return
        if "anyOf" in schema:
            yield from self._any_of(schema, value, path)
        elif isinstance(value, dict) and schema.get("type") == "object":
            yield from self._object(schema, value, path)
        elif isinstance(value, list) and schema.get("type") == "array":
            yield from self._list(schema, value, path)
        else:
            yield from self._misfits(schema, value, path)

    def resolved(self, schema: object) -> object:
        """A schema itself, where this one refers to it."""
        return resolved(schema, self._definitions)

    def kinds(self, schema: object) -> frozenset[type]:
        """The types all of whose values fit, as far as can be told without msgspec.

        Its import takes its time.
        """
        known = self._kinds.get(id(schema))
        if known is None:
            known = self._kinds[id(schema)] = self._kinds_of(schema, _UNIONS_DEEP)
        return known

    def _kinds_of(self, schema: object, deep: int) -> frozenset[type]:
        schema = self.resolved(schema)
        if not isinstance(schema, Mapping):
            return _NO_KIND
        if "anyOf" in schema:
            choices = schema["anyOf"] if deep and isinstance(schema["anyOf"], list) else ()
            return _NO_KIND.union(*(self._kinds_of(each, deep - 1) for each in choices))
        kind = schema.get("type")
        if not schema.keys() <= _PLAIN_WORDS or not isinstance(kind, str | None):
            return _NO_KIND
        return _KINDS.get(kind, _NO_KIND)

    def _any_of(self, schema: Mapping[str, Any], value: object, path: str) -> Iterator[str]:
        if isinstance(value, list | dict):
            kind = "array" if isinstance(value, list) else "object"
            choices = [self.resolved(each) for each in schema["anyOf"]]
            told = {
                number: list(self.check(each, value, path))
                for number, each in enumerate(choices)
                if self._may_be(each, kind)
            }
            if not all(told.values()):
                return
            if len(told) > 1:
                from .signature.schema import tags

                tagged = tags(schema, self.resolved)
                meant = (n for n in told if n in tagged and tagged[n].is_said_by(value))
                told = {n: told[n] for n in meant}
            if len(told) == 1:  # only that one can be meant: its own faults say more
                yield from next(iter(told.values()))
                return
        yield from self._misfits(schema, value, path)

    def _may_be(self, schema: object, kind: str) -> bool:
        """Is it of a schema's choices that values of this kind are judged by?"""
        if not isinstance(schema, Mapping):
            return False
        if "anyOf" in schema:
            return any(self._may_be(self.resolved(each), kind) for each in schema["anyOf"])
        return bool(schema.get("type", kind) == kind)

    def _object(self, schema: Mapping[str, Any], value: dict[str, Any], path: str) -> Iterator[str]:
        known, required = schema.get("properties", {}), schema.get("required", ())
        for name, each in known.items():
            if name in value:
                yield from self.check(each, value[name], f"{path}.{name}")
            elif name in required:
                yield f"{path}.{name}: missing"
        others = schema.get("additionalProperties", True)
        keys = self.resolved(schema.get("propertyNames"))
        for name, each in value.items():
            if name in known:
                continue
            if others is False:
                yield f"{path}: object contains unknown field {name[:80]}"
                return
            if isinstance(keys, Mapping):
                from .signature.conversion import key_faults, name_of
                from .signature.schema import annotation

                hint = annotation({"type": "string", **keys})  # an object has no other keys
                yield from key_faults(name, hint, keys.get("title") or name_of(hint), path)
            yield from self.check(others, each, below(path, name))

    def _list(self, schema: Mapping[str, Any], value: list[Any], path: str) -> Iterator[str]:
        first, told = schema.get("prefixItems", []), False
        least, most = schema.get("minItems", 0), schema.get("maxItems", len(value))
        fits = least <= len(value) <= most
        for index, each in enumerate(value) if fits or not first else ():
            wanted = first[index] if index < len(first) else schema.get("items")
            for fault in self.check(wanted, each, f"{path}[{index}]"):
                yield fault
                told = True
        if first and not fits and least < most:  # the last ones have defaults
            yield f"{path}: expected array of length {least} to {most}, got {len(value)}"
        elif not told and not fits:
            yield from self._misfits(schema, value, path)

    def _misfits(self, schema: Mapping[str, Any], value: object, path: str) -> Iterator[str]:
        """What the one who will convert it finds wrong with a value, in the same words."""
        from .signature.conversion import faults
        from .signature.schema import annotation

        yield from faults(value, annotation(schema, self.resolved), path)
