"""Frozen dataclasses to JSON and back, strictly: an unknown or missing key or a wrong type is an error naming it."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from math import isfinite
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

# JSON has no such numbers; a figure that is one of them (PSNR of equal images, a diverged model) is written as text.
NOT_FINITE = {"inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}


class RecordError(ValueError):
    """A JSON value that doesn't fit its record; the text starts with where it stands."""


def to_json(value: object) -> Any:
    """Plain JSON types for a frozen dataclass, tuple, mapping or scalar; a float that isn't finite becomes text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, float) and not isfinite(value):
        return str(float(value))
    return value


def from_json(kind: type[T], data: object, where: str = "") -> T:
    """Build the dataclass ``kind`` from parsed JSON. Raises ``RecordError``."""
    if not isinstance(data, Mapping):
        raise RecordError(f"{where or 'top level'}: found {type(data).__name__}, needed an object")
    hints = _hints(kind)  # type: ignore[arg-type]
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(data) - set(known))
    if unknown:
        raise RecordError(f"{where or 'top level'}: unknown key {unknown[0]!r}")
    found = {key: _value(hints[key], data[key], f"{where}.{key}".lstrip(".")) for key in data}
    required = (n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING)
    absent = [name for name in required if name not in found]
    if absent:
        raise RecordError(f"{where or 'top level'}: {absent[0]!r} is missing")
    return kind(**found)


@cache
def _hints(kind: type) -> dict[str, Any]:
    """The annotations are text; turning them into types takes longer than all the rest."""
    return get_type_hints(kind)


def _value(hint: Any, data: object, where: str) -> object:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _optional(hint, data, where)
    if origin is Literal:
        if data not in get_args(hint) or isinstance(data, bool):
            raise RecordError(f"{where}: found {data!r}, needed one of {', '.join(map(str, get_args(hint)))}")
        return data
    if origin is tuple:
        return _sequence(get_args(hint), data, where)
    if origin in (dict, Mapping):
        return _mapping(get_args(hint)[1], data, where)
    if hint is Any:
        return data
    if is_dataclass(hint):
        return from_json(hint, data, where)  # type: ignore[arg-type]
    return _scalar(hint, data, where)


def _optional(hint: Any, data: object, where: str) -> object:
    if data is None:
        return None
    (inner,) = (a for a in get_args(hint) if a is not type(None))
    return _value(inner, data, where)


def _sequence(arguments: tuple[Any, ...], data: object, where: str) -> tuple[object, ...]:
    if not isinstance(data, list):
        raise RecordError(f"{where}: found {type(data).__name__}, needed a list")
    if arguments[-1] is Ellipsis:
        return tuple(_value(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(data))
    if len(data) != len(arguments):
        raise RecordError(f"{where}: found {len(data)} items, needed {len(arguments)}")
    return tuple(_value(a, item, f"{where}[{i}]") for i, (a, item) in enumerate(zip(arguments, data, strict=True)))


def _mapping(hint: Any, data: object, where: str) -> dict[str, object]:
    if not isinstance(data, Mapping):
        raise RecordError(f"{where}: found {type(data).__name__}, needed an object")
    return {key: _value(hint, item, f"{where}.{key}") for key, item in data.items()}


def _scalar(hint: Any, data: object, where: str) -> object:
    """JSON has one kind of number: 1 is a float too, and 1.0 an integer."""
    if hint is float and isinstance(data, str) and data in NOT_FINITE:
        return NOT_FINITE[data]
    if hint is float and isinstance(data, int) and not isinstance(data, bool) and abs(data) < 1 << 1000:
        return float(data)
    if hint is int and isinstance(data, float) and data.is_integer():
        return int(data)
    if not isinstance(data, hint) or (hint is int and isinstance(data, bool)):
        raise RecordError(f"{where}: found {data!r}, needed {hint.__name__}")
    return data
