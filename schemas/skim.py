"""Flat Avro records read fast, but for the fields nobody asked for: for readers of every record that keep little of each.

Reading is compiled to one function per schema: a call per field would cost more than the field. Records within records
are not for here.
Source: Apache Avro 1.12 specification, "Binary encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Skim = Callable[[bytes, int], dict[str, Any]]
"""Fields of the record that begins at an offset. Raises IndexError, ValueError, OverflowError or struct.error for other bytes."""

_NAMES: Final = {"_double": struct.Struct("<d").unpack_from, "_bool": (False, True)}


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
    lines += _in(["if i > len(b): raise IndexError('cut short')", f"return {{{kept}}}"])
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


def _blocks(entry: list[str]) -> list[str]:
    """A negative count is followed by the block's size in bytes."""
    return [
        "while True:",
        *_in([*_varint("c"), "if c == 0: break"]),
        *_in(["if c & 1:", *_in(_varint("n"))]),
        *_in(["c = (c + 1) >> 1", "while c:", *_in([*entry, "c -= 1"])]),
    ]


def _in(lines: Iterable[str]) -> list[str]:
    return [" " + line for line in lines]
