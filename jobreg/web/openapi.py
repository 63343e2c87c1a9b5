"""The OpenAPI 3.1 document, made from the routes and from what the store knows of jobs."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import __version__
from .asked import Asked, Parameter
from .problems import MEDIA_TYPE
from .schemas import COMPONENTS, IN_PATH, SUBMIT, Schema, ref

if TYPE_CHECKING:
    from ..catalogue import Entry
    from ..client import Client
    from .routes import Route

# What each route may answer beside what it is for; 401 and 403 where a token is wanted.
_PROBLEMS = {
    "400": "It cannot be read.",
    "403": "It came from a page of another host.",
    "404": "There is no such thing.",
    "409": "It is not in a state for this.",
    "408": "The body is too slow.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "421": "It was asked under another name than this host has.",
    "422": "Something in it cannot be used.",
    "429": "Too many requests.",
    "503": "The store cannot be reached.",
}
_FOR_TOKENS = {
    "401": "A token is wanted.",
    "403": "The token's role is too weak, or it came from a page of another host.",
}


def show(asked: Asked) -> dict[str, Any]:
    """This document."""
    return document(asked.client)


def document(client: Client) -> dict[str, Any]:
    """The whole document; of each job that the store knows it holds the schema."""
    from .routes import BASE, ROUTES  # where this is one of them

    jobs = _job_schemas(client)
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(BASE + route.path, {})[route.method.lower()] = _operation(route)
    components = {**COMPONENTS, **jobs, "Submit": _submit(jobs)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "jobreg",
            "version": __version__,
            "description": "Background jobs, submitted by their permanent names.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    about = inspect.getdoc(route.stream if route.always_streams else route.handle) or ""
    told: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{re.sub('[^a-z]+', '_', route.path).rstrip('_')}",
        "summary": about.partition("\n")[0],
        "parameters": [*_in_path(route), *map(_in_query, route.parameters)],
        "responses": {str(route.status): _answer(route), **_problems(route)},
    }
    if route.role is None:
        told["security"] = []
    else:
        told["description"] = f"Wants a token of role `{route.role}`."
    if route.status == 201:
        told["responses"]["200"] = _answer(route) | {
            "description": "An unfinished run has its unique key: that one."
        }
    if route.body is not None:
        name = next(name for name, schema in COMPONENTS.items() if schema is route.body)
        told["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": ref(name)}},
        }
    return told


def _answer(route: Route) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if not route.always_streams:
        content["application/json"] = {"schema": ref(route.answer)}
    if route.stream is not None:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return {"description": "As asked.", "content": content}


def _problems(route: Route) -> dict[str, Any]:
    known = _PROBLEMS if route.role is None else _PROBLEMS | _FOR_TOKENS
    content = {MEDIA_TYPE: {"schema": ref("Problem")}}
    return {status: {"description": about, "content": content} for status, about in known.items()}


def _in_path(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": IN_PATH[name]}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]


def _in_query(parameter: Parameter) -> dict[str, Any]:
    told: dict[str, Any] = {"name": parameter.name, "in": "query", "description": parameter.about}
    if parameter.schema.get("type") == "object":
        return told | {"content": {"application/json": {"schema": parameter.schema}}}
    return told | {"schema": parameter.schema}


def _job_schemas(client: Client) -> dict[str, Schema]:
    """The parameters of each job that the store knows, as the version seen last takes them."""
    newest: dict[str, Entry] = {}
    for entry in client.store.catalogue.known():
        newest.setdefault(entry.job_name, entry)
    return {
        f"params.{name}": _own_refs(entry.params_schema, f"params.{name}")
        for name, entry in sorted(newest.items())
        if entry.params_schema is not None
    }


def _own_refs(schema: Mapping[str, Any], name: str) -> Schema:
    """A schema whose references lead into itself, there where it stands in this document."""
    text = json.dumps(schema).replace('"#/$defs/', f'"#/components/schemas/{name}/$defs/')
    own: Schema = json.loads(text)
    return own


def _submit(jobs: Mapping[str, Schema]) -> Schema:
    """What a submit takes: by the name of the job, where it is known what that takes."""
    if not jobs:
        return SUBMIT
    known = [name.removeprefix("params.") for name in jobs]
    others = {"not": {"enum": known}}
    return {
        "anyOf": [
            *(
                _of_job(
                    {"const": name},
                    ref(f"params.{name}"),
                    bool(jobs[f"params.{name}"].get("required")),
                )
                for name in known
            ),
            _of_job({**SUBMIT["properties"]["job_name"], **others}, {"type": "object"}, False),
        ]
    }


def _of_job(name: Schema, params: Schema, wants_params: bool) -> Schema:
    required = [*SUBMIT["required"], *(["params"] if wants_params else [])]
    properties = {**SUBMIT["properties"], "job_name": name, "params": params}
    return {**SUBMIT, "required": required, "properties": properties}
