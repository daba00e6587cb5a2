"""Avro records read fast: as structs, or flat ones as plain values without the fields nobody asked for.

fastavro makes dicts, of which structs are then made in a second round. Here reading is compiled to one function per schema:
a call per field would cost more than the field.
Source: Apache Avro 1.12 specification, "Binary encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

Skim = Callable[[bytes, int], dict[str, Any]]
"""Fields of the record that begins at an offset. Raises IndexError, ValueError, OverflowError or struct.error for other bytes."""
Reader = Callable[[bytes, int], Any]
"""The struct of the record that begins at an offset. Raises as a Skim does."""

CUT_SHORT: Final = "if i > len(b): raise IndexError('cut short')"
_NAMES: Final = {"_double": struct.Struct("<d").unpack_from, "_bool": (False, True)}


def compile_reader(schema: dict[str, Any], types: Mapping[str, type]) -> Reader:
    """A function that reads records of a schema into structs; `types` by full record name.

    Raises ValueError for a schema not known here.
    """
    reading = _Reading(types)
    lines = ["def read(b, i):", *_in(reading.value(schema, "v")), *_in([CUT_SHORT, "return v"])]
    exec("\n".join(lines), reading.names)  # noqa: S102 - the text is made here; of the schema it holds field names only
    read: Reader = reading.names["read"]
    return read


class _Reading:
    """Lines that read nested values; `names` is what they may call."""

    def __init__(self, types: Mapping[str, type]) -> None:
        self.names: dict[str, Any] = dict(_NAMES)
        self._types = types
        self._schemas: dict[str, dict[str, Any]] = {}  # a record is written out where it stands first, elsewhere named
        self._count = 0

    def value(self, schema: Any, into: str) -> list[str]:
        """Lines that read a value into a variable; `b` are the bytes, `i` the position."""
        match schema:
            case {"type": "record"}:
                self._schemas[schema["name"]] = schema
                return self._record(schema, into)
            case str() if schema in self._schemas:
                return self._record(self._schemas[schema], into)
            case ["null", inner]:
                return _optional(self.value(inner, into), otherwise=f"{into} = None")
            case {"type": "array", "items": items}:
                count, item = self._name("c"), self._name("v")
                return [f"{into} = []", *_blocks([*self.value(items, item), f"{into}.append({item})"], count)]
            case {"logicalType": "decimal", "scale": scale, "precision": precision}:
                self.names[made := self._name("decimal")] = _decimal(precision, scale)
                return [*_scalar("bytes", into), f"{into} = {made}({into})"]
        try:
            return _read(schema, into)
        except _NotFlatError as e:
            raise ValueError(f"no reader for {schema!r}") from e

    def _record(self, schema: dict[str, Any], into: str) -> list[str]:
        self.names[made := self._name("record")] = self._types[schema["name"]]
        fields = [(field["name"], self._name("v"), field["type"]) for field in schema["fields"]]
        lines = [line for _, variable, inner in fields for line in self.value(inner, variable)]
        return [*lines, f"{into} = {made}({', '.join(f'{name}={variable}' for name, variable, _ in fields)})"]

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"


def _decimal(precision: int, scale: int) -> Callable[[bytes], Decimal]:
    @lru_cache(maxsize=16_384)
    def decoded(data: bytes) -> Decimal:
        unscaled = int.from_bytes(data, "big", signed=True)
        if abs(unscaled) >= 10**precision:
            raise ValueError(f"an amount of more than {precision} digits")
        return Decimal((unscaled < 0, tuple(map(int, str(abs(unscaled)))), -scale))

    return decoded


def compile_skim(schema: dict[str, Any], without: Collection[str] = ()) -> Skim | None:
    """A function that reads records of a schema, fields `without` left out; None for a schema that is not flat."""
    lines = ["def skim(b, i):"]
    try:
        for number, field in enumerate(schema["fields"]):
            read = _skip(field["type"]) if field["name"] in without else _read(field["type"], f"v{number}")
            lines += _in(read)
    except _NotFlatError:
        return None
    kept = ", ".join(f"{f['name']!r}: v{n}" for n, f in enumerate(schema["fields"]) if f["name"] not in without)
    lines += _in([CUT_SHORT, f"return {{{kept}}}"])
    made: dict[str, Any] = {}
    exec("\n".join(lines), dict(_NAMES), made)  # noqa: S102 - the text is made here; of the schema it holds quoted names only
    skim: Skim = made["skim"]
    return skim


class _NotFlatError(Exception):
    pass


def _read(schema: Any, into: str) -> list[str]:
    """Lines that read a value into a variable; `b` are the bytes, `i` the position."""
    match schema:
        case {"type": "long" | "int" as plain} | ("long" | "int" | "string" | "bytes" | "double" | "boolean" as plain):
            return _scalar(plain, into)
        case ["null", inner]:
            return _optional(_read(inner, into), otherwise=f"{into} = None")
        case {"type": "map", "values": "string"}:
            entry = [*_scalar("string", "k"), *_scalar("string", "v"), f"{into}[k] = v"]
            return [f"{into} = {{}}", *_blocks(entry)]
    raise _NotFlatError


def _scalar(plain: str, into: str) -> list[str]:
    lines = {
        "string": [*_length(), f"j = i + n; {into} = b[i:j].decode(); i = j"],
        "bytes": [*_length(), f"j = i + n; {into} = b[i:j]; i = j"],
        "double": [f"{into} = _double(b, i)[0]; i += 8"],
        "boolean": [f"{into} = _bool[b[i]]; i += 1"],
    }
    return lines.get(plain) or [*_varint("n"), f"{into} = (n >> 1) ^ -(n & 1)"]


def _skip(schema: Any) -> list[str]:
    """Lines that pass over a value."""
    match schema:
        case "string" | "bytes":
            return [*_length(), "i += n"]
        case "long" | "int" | {"type": "long" | "int"}:
            return _varint("n")
        case "double":
            return ["i += 8"]
        case "boolean":
            return ["i += 1"]
        case ["null", inner]:
            return _optional(_skip(inner), otherwise="pass")
        case {"type": "map", "values": "string"}:
            return _blocks([*_length(), "i += n", *_length(), "i += n"])
    raise _NotFlatError


def _varint(into: str) -> list[str]:
    """Seven bits a byte, least first."""
    return [
        f"{into} = b[i]; i += 1",
        f"if {into} > 127:",
        f" {into} &= 127; s = 7",
        " while True:",
        f"  x = b[i]; i += 1; {into} |= (x & 127) << s; s += 7",
        "  if x < 128: break",
        "  if s > 63: raise ValueError('a number of more than 64 bits')",
    ]


def _length() -> list[str]:
    return [*_varint("n"), "if n & 1: raise ValueError('a negative length')", "n >>= 1"]


def _optional(inner: list[str], otherwise: str) -> list[str]:
    return [
        "u = b[i]; i += 1",
        f"if u == 0: {otherwise}",
        "elif u == 2:",
        *_in(inner),
        "else: raise ValueError('no such branch')",
    ]


def _blocks(entry: list[str], c: str = "c") -> list[str]:
    """A negative count is followed by the block's size in bytes."""
    return [
        "while True:",
        *_in([*_varint(c), f"if {c} == 0: break"]),
        *_in([f"if {c} & 1:", *_in(_varint("n"))]),
        *_in([f"{c} = ({c} + 1) >> 1", f"while {c}:", *_in([*entry, f"{c} -= 1"])]),
    ]


def _in(lines: Iterable[str]) -> list[str]:
    return [" " + line for line in lines]
