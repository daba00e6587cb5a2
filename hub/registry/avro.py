"""An Avro schema as typed nodes, parsed strictly: what the specification forbids is refused with the path to it.

Source: avro.apache.org/docs/1.12.0/specification. Named types may refer to themselves, so records are filled in late.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

MAX_DEPTH: Final = 100  # what walks over schemas calls itself
PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FULL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_ABSENT: Final = object()
_INTEGERS: Final = {"int": 2**31, "long": 2**63}


class InvalidSchemaError(ValueError):
    """The text is no Avro schema; the message names the place."""


@dataclass(frozen=True)
class Decimal:
    """Precision and scale of a decimal, which must not change."""

    precision: int
    scale: int


@dataclass(frozen=True)
class Primitive:
    """One of the eight."""

    kind: str
    decimal: Decimal | None = None


@dataclass(frozen=True)
class Array:
    """A list."""

    items: Node
    kind: str = "array"


@dataclass(frozen=True)
class Map:
    """String keys."""

    values: Node
    kind: str = "map"


@dataclass(frozen=True)
class Union:
    """One of several."""

    branches: tuple[Node, ...]
    kind: str = "union"


@dataclass(frozen=True)
class Fixed:
    """A number of bytes."""

    name: str
    aliases: frozenset[str]
    size: int
    decimal: Decimal | None = None
    kind: str = "fixed"


@dataclass(frozen=True)
class Enum:
    """One of some symbols."""

    name: str
    aliases: frozenset[str]
    symbols: tuple[str, ...]
    has_default: bool
    kind: str = "enum"


@dataclass(frozen=True)
class Field:
    """A field of a record."""

    name: str
    aliases: frozenset[str]
    type: Node
    has_default: bool


@dataclass(eq=False)
class Record:
    """Named fields, in the order of their bytes."""

    name: str
    aliases: frozenset[str]
    fields: list[Field] = field(default_factory=list)
    kind: str = "record"


Named = Fixed | Enum | Record
Node = Primitive | Array | Map | Union | Fixed | Enum | Record


def parse(text: str) -> Node:
    """The schema of a JSON text. Raises InvalidSchemaError."""
    try:
        schema = json.loads(text)
    except ValueError as e:
        raise InvalidSchemaError(f"not JSON: {e}") from e
    except RecursionError as e:
        raise InvalidSchemaError("nested too deeply") from e
    return _Parser().node(schema, "", "")


class _Parser:
    def __init__(self) -> None:
        self._named: dict[str, Named] = {}
        self._depth = 0

    def node(self, schema: Any, space: str, path: str) -> Node:
        if self._depth == MAX_DEPTH:
            raise InvalidSchemaError("nested too deeply")
        self._depth += 1
        node = self._node(schema, space, path)
        self._depth -= 1
        return node

    def _node(self, schema: Any, space: str, path: str) -> Node:
        if isinstance(schema, str):
            return Primitive(schema) if schema in PRIMITIVES else self._reference(schema, space, path)
        if isinstance(schema, list):
            return self._union(schema, space, path)
        if not isinstance(schema, dict):
            raise InvalidSchemaError(f"{_at(path)}: a schema is a name, a list or an object, not {json.dumps(schema)}")
        kind = schema.get("type")
        match kind:
            case "record" | "error" | "enum" | "fixed":
                return self._define(schema, space, path)
            case "array" | "map":
                inner = "items" if kind == "array" else "values"
                node = self.node(_get(schema, inner, path), space, _join(path, inner))
                return Array(node) if kind == "array" else Map(node)
            case str() if kind in PRIMITIVES:
                return Primitive(kind, _decimal(schema, path) if kind == "bytes" else None)
            case _:
                return self.node(_get(schema, "type", path), space, path)

    def _reference(self, name: str, space: str, path: str) -> Node:
        full = name if "." in name or not space else f"{space}.{name}"
        if full not in self._named:
            raise InvalidSchemaError(f"{_at(path)}: no type is named {full!r}")
        return self._named[full]

    def _union(self, schema: list[Any], space: str, path: str) -> Union:
        branches = tuple(self.node(branch, space, path) for branch in schema)
        if any(isinstance(branch, Union) for branch in branches):
            raise InvalidSchemaError(f"{_at(path)}: a union holds no union")
        labels = [branch.name if isinstance(branch, Named) else branch.kind for branch in branches]
        if len(set(labels)) < len(labels) or not labels:
            raise InvalidSchemaError(f"{_at(path)}: a union holds one or more branches, each type once, not {labels}")
        return Union(branches)

    def _define(self, schema: dict[str, Any], space: str, path: str) -> Named:
        name = _full_name(_get(schema, "name", path), schema.get("namespace"), space, path)
        if name in self._named:
            raise InvalidSchemaError(f"{_at(path)}: {name} is defined twice")
        own_space = name.rpartition(".")[0]
        aliases = frozenset(_full_name(alias, None, own_space, path) for alias in _list(schema, "aliases", path))
        if schema["type"] == "fixed":
            size = _get(schema, "size", path)
            if not _is_integer(size) or size < 0:
                raise InvalidSchemaError(f"{_at(path)}: size of {name} is a whole number, not {json.dumps(size)}")
            self._named[name] = Fixed(name, aliases, size, _decimal(schema, path))
        elif schema["type"] == "enum":
            self._named[name] = _enum(schema, name, aliases, path)
        else:
            self._record(schema, Record(name, aliases), own_space, path)
        return self._named[name]

    def _record(self, schema: dict[str, Any], record: Record, space: str, path: str) -> None:
        self._named[record.name] = record
        raws = _get(schema, "fields", path)
        if not isinstance(raws, list):
            raise InvalidSchemaError(f"{_at(path)}: fields of {record.name} are a list")
        seen: set[str] = set()
        for raw in raws:
            name = raw.get("name") if isinstance(raw, dict) else None
            if not isinstance(name, str) or not _NAME.fullmatch(name) or name in seen:
                raise InvalidSchemaError(f"{_at(path)}: {record.name} has a field without a name of its own: {json.dumps(name)}")
            seen.add(name)
            place = _join(path, name)
            node = self.node(_get(raw, "type", place), space, place)
            if "default" in raw and not _fits(raw["default"], node):
                raise InvalidSchemaError(f"{place}: the default {json.dumps(raw['default'])} is no {node.kind}")
            aliases = frozenset(str(alias) for alias in _list(raw, "aliases", place))
            record.fields.append(Field(name, aliases, node, "default" in raw))


def _enum(schema: dict[str, Any], name: str, aliases: frozenset[str], path: str) -> Enum:
    symbols = _list(schema, "symbols", path)
    wrong = [s for s in symbols if not isinstance(s, str) or not _NAME.fullmatch(s) or symbols.count(s) > 1]
    if wrong:
        raise InvalidSchemaError(f"{_at(path)}: {name} has symbols that are no names or come twice: {json.dumps(wrong)}")
    default = schema.get("default", _ABSENT)
    if default is not _ABSENT and default not in symbols:
        raise InvalidSchemaError(f"{_at(path)}: the default {json.dumps(default)} of {name} is not among its symbols")
    return Enum(name, aliases, tuple(symbols), default is not _ABSENT)


def _decimal(schema: dict[str, Any], path: str) -> Decimal | None:
    if schema.get("logicalType") != "decimal":
        return None
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if not isinstance(precision, int) or not isinstance(scale, int) or not 0 <= scale <= precision:
        raise InvalidSchemaError(f"{_at(path)}: a decimal has a precision and a scale from 0 to it")
    return Decimal(precision, scale)


def _fits(value: Any, node: Node) -> bool:
    """Whether a JSON value may stand as the default of a type; of a union, any branch may take it (Avro 1.12)."""
    fits = False
    match node:
        case Union():
            fits = any(_fits(value, branch) for branch in node.branches)
        case Array():
            fits = isinstance(value, list) and all(_fits(item, node.items) for item in value)
        case Map():
            fits = isinstance(value, dict) and all(_fits(item, node.values) for item in value.values())
        case Record():
            fits = isinstance(value, dict) and all(
                _fits(value[f.name], f.type) if f.name in value else f.has_default for f in node.fields
            )
        case Enum():
            fits = value in node.symbols
        case Fixed():
            fits = isinstance(value, str) and len(value) == node.size
        case Primitive():
            fits = _fits_primitive(value, node.kind)
    return fits


def _fits_primitive(value: Any, kind: str) -> bool:
    match kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "int" | "long":
            return _is_integer(value) and -_INTEGERS[kind] <= value < _INTEGERS[kind]
        case "float" | "double":
            return _is_integer(value) or isinstance(value, float) or value in ("NaN", "Infinity", "-Infinity")
        case _:
            return isinstance(value, str)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _full_name(name: Any, namespace: Any, space: str, path: str) -> str:
    full = name
    if isinstance(name, str) and "." not in name and (namespace or (space and namespace is None)):
        full = f"{namespace or space}.{name}"
    if not isinstance(full, str) or not _FULL_NAME.fullmatch(full):
        raise InvalidSchemaError(f"{_at(path)}: {json.dumps(full)} is no name")
    return full


def _get(schema: dict[str, Any], key: str, path: str) -> Any:
    if key not in schema:
        raise InvalidSchemaError(f"{_at(path)}: {key!r} is missing")
    return schema[key]


def _list(schema: dict[str, Any], key: str, path: str) -> list[Any]:
    found = schema.get(key, [])
    if not isinstance(found, list):
        raise InvalidSchemaError(f"{_at(path)}: {key!r} is a list")
    return found


def _join(path: str, step: str) -> str:
    return f"{path}.{step}" if path else step


def _at(path: str) -> str:
    return path or "top"
