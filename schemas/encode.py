"""Avro binary encoding of records, compiled once per schema to functions that read the struct's own attributes.

fastavro wants a dict and tries every branch of a union on the whole value beneath it; every optional field here is such a
union, so it took two thirds of the time of a record. Only what our schemas use is known; the bytes are fastavro's, by test.
Source: Apache Avro 1.12 specification, "Binary encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from decimal import Decimal

Append = Callable[[bytes], None]
Write = Callable[[Any, Append], None]
_DOUBLE: Final = struct.Struct("<d")
_SMALL: Final = tuple(bytes([n << 1]) for n in range(64))  # of most lengths and counts
_SOME_SMALL: Final = tuple(b"\x02" + size for size in _SMALL)  # the same behind the mark of a value that is there
_LAST: Final = tuple(bytes([n]) if n < 128 else bytes([n & 127 | 128, n >> 7]) for n in range(1 << 14))  # the end of a number
_MORE: Final = tuple(bytes([n & 127 | 128, n >> 7 | 128]) for n in range(1 << 14))  # 14 bits with more to come


def compile_encoder(schema: Any, named: dict[str, Write] | None = None) -> Write:
    """A function that appends the encoding of a value, piece by piece. Raises ValueError for a schema not known here.

    What it makes raises TypeError, ValueError, AttributeError or OverflowError for a value that does not fit.
    """
    named = {} if named is None else named
    if isinstance(schema, str):
        found = _PLAIN.get(schema) or named.get(schema)
    elif isinstance(schema, list):
        null, inner = schema
        found = _optional(compile_encoder(inner, named)) if null == "null" else None
    else:
        found = _complex(schema, named)
    if found is None:
        raise ValueError(f"no encoder for {schema!r}")
    return found


def _complex(schema: dict[str, Any], named: dict[str, Write]) -> Write | None:
    match schema:
        case {"type": "record"}:
            return _record(schema, named)
        case {"type": "array"}:
            return _array(compile_encoder(schema["items"], named))
        case {"type": "map", "values": "string"}:
            return _write_strings
        case {"logicalType": "decimal"}:
            return _decimal(schema["precision"], schema["scale"])
        case _:
            return _PLAIN.get(schema["type"])


def _long(value: int) -> bytes:
    if 0 <= value < 64:
        return _SMALL[value]
    if not -(2**63) <= value < 2**63:
        raise OverflowError(f"{value} has more than 64 bits")
    zigzag = (value << 1) ^ (value >> 63)
    out = b""
    while zigzag >> 14:
        out += _MORE[zigzag & 0x3FFF]
        zigzag >>= 14
    return out + _LAST[zigzag]


def _write_long(value: int, append: Append) -> None:
    append(_long(value))


def _write_int(value: int, append: Append) -> None:
    if not -(2**31) <= value < 2**31:
        raise OverflowError(f"{value} has more than 32 bits")
    append(_long(value))


def _write_string(value: str, append: Append) -> None:
    data = value.encode()
    size = len(data)
    append(_SMALL[size] if size < 64 else _long(size))
    append(data)


def _write_optional_string(value: str | None, append: Append) -> None:
    """Most optional fields are texts: without a call inside a call."""
    if value is None:
        append(b"\x00")
        return
    data = value.encode()
    size = len(data)
    append(_SOME_SMALL[size] if size < 64 else b"\x02" + _long(size))
    append(data)


def _write_bytes(value: bytes, append: Append) -> None:
    if not isinstance(value, bytes):
        raise TypeError(f"{value!r} is not bytes")
    append(_long(len(value)))
    append(value)


def _write_double(value: float, append: Append) -> None:
    if not isinstance(value, float | int):
        raise TypeError(f"{value!r} is no number")
    append(_DOUBLE.pack(value))


def _write_boolean(value: bool, append: Append) -> None:  # noqa: FBT001 - a value, no flag
    append(b"\x01" if value else b"\x00")


def _write_strings(value: dict[str, str], append: Append) -> None:
    if value:
        append(_long(len(value)))
        for name, text in value.items():
            _write_string(name, append)
            _write_string(text, append)
    elif not isinstance(value, dict):
        raise TypeError(f"{value!r} is no map")
    append(b"\x00")


_PLAIN: Final[dict[str, Write]] = {
    "string": _write_string,
    "long": _write_long,
    "int": _write_int,
    "double": _write_double,
    "boolean": _write_boolean,
    "bytes": _write_bytes,
}


def _optional(write: Write) -> Write:
    if write is _write_string:
        return _write_optional_string

    def write_optional(value: Any, append: Append) -> None:
        if value is None:
            append(b"\x00")
        else:
            append(b"\x02")
            write(value, append)

    return write_optional


def _array(write: Write) -> Write:
    def write_array(value: list[Any], append: Append) -> None:
        if not isinstance(value, list):
            raise TypeError(f"{value!r} is no list")
        if value:
            append(_long(len(value)))
            for item in value:
                write(item, append)
        append(b"\x00")

    return write_array


def _record(schema: dict[str, Any], named: dict[str, Write]) -> Write:
    """One function for all fields: a call for each would cost more than most of them."""
    writers: dict[str, Any] = {"_small": _SMALL, "_some": _SOME_SMALL, "_long": _long}

    def write_record(value: Any, append: Append) -> None:
        writers["write"](value, append)

    named[schema["name"]] = write_record  # for records within it; a schema may name itself
    lines = ["def write(r, append):"]
    for number, field in enumerate(schema["fields"]):
        write = compile_encoder(field["type"], named)
        writers[f"w{number}"] = write
        inline = _INLINE.get(write, " w{n}(r.{name}, append)")
        lines.append(inline.format(n=number, name=field["name"]))
    exec("\n".join(lines), writers)  # noqa: S102 - the text is made here, of field names that Avro allows only letters in
    made: Write = writers["write"]
    return made


_INLINE: Final[dict[Write, str]] = {
    _write_string: " d = r.{name}.encode(); s = len(d); append(_small[s] if s < 64 else _long(s)); append(d)",
    _write_long: " v = r.{name}; append(_small[v] if 0 <= v < 64 else _long(v))",
    _write_optional_string: """ v = r.{name}
 if v is None: append(b"\\x00")
 else: d = v.encode(); s = len(d); append(_some[s] if s < 64 else b"\\x02" + _long(s)); append(d)""",
}
"""The writers of most fields, written out."""


def _decimal(precision: int, scale: int) -> Write:
    @lru_cache(maxsize=16_384)
    def encoded(value: Decimal) -> bytes:
        sign, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int):
            raise ValueError(f"{value} is no amount")  # noqa: TRY004 - NaN and infinity are decimals
        if -exponent > scale:
            raise ValueError(f"{value} has more than {scale} digits after the point")
        if len(digits) + exponent + scale > precision:
            raise ValueError(f"{value} has more than {precision} digits")
        whole = int("".join(map(str, digits))) * 10 ** (exponent + scale)
        unscaled = -whole if sign else whole
        data: bytes = unscaled.to_bytes((unscaled.bit_length() + 8) >> 3, "big", signed=True)
        return b"".join((_long(len(data)), data))

    def write_decimal(value: Decimal, append: Append) -> None:
        append(encoded(value))

    return write_decimal
