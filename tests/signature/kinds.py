"""The types that parameters and results may have, as a plugin would define them."""

from __future__ import annotations

import dataclasses
import enum
from datetime import date
from pathlib import Path
from typing import Annotated, Final, NamedTuple, NotRequired, Required, TypedDict
from uuid import UUID

import attrs
import msgspec


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Shade(enum.StrEnum):
    DARK = "dark"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


@attrs.define
class Line:
    item: UUID
    count: int = 1


@attrs.frozen
class Order:
    due: date
    lines: list[Line] = attrs.field(factory=list)
    _note: str | None = None


@attrs.define
class Positive:
    value: int = attrs.field(validator=attrs.validators.gt(0))


@dataclasses.dataclass
class Folder:
    path: Path
    inside: list[Folder] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Picky:
    value: int

    def __post_init__(self) -> None:
        if self.value > 9:
            raise KeyError("too many")


class Point(NamedTuple):
    x: int
    y: int = 0


class Options(TypedDict, total=False):
    colour: Colour
    level: int


class Partly(TypedDict):
    a: NotRequired[int]
    b: int
    c: Annotated[NotRequired[Annotated[int, msgspec.Meta(ge=1)]], "how many"]


class Mostly(TypedDict, total=False):
    a: Required[int]
    b: int


@dataclasses.dataclass
class Fixed:
    a: Final[int]
    b: int


class Cat(msgspec.Struct, tag=True, rename="camel"):
    the_name: str


class Dog(msgspec.Struct, tag=True):
    age: int


class Row(msgspec.Struct, array_like=True):
    a: int
    b: str = ""


class Custom:
    """A class that nobody but its module knows."""
