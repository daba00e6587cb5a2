"""Avro binary encoding of records, compiled to one function per record type that reads the struct's own attributes.

fastavro wants a dict and tries every branch of a union on the whole value beneath it; every optional field here is such a
union, so it took two thirds of the time of a record. A function per field would cost more than the field, so the text of one
per record is made and compiled. Only what our schemas use is known; the bytes are fastavro's, by test.
Source: Apache Avro 1.12 specification, "Binary encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

Append = Callable[[bytes], None]
Write = Callable[[Any, Append], None]
_DOUBLE: Final = struct.Struct("<d")
_SMALL: Final = tuple(bytes([n << 1]) for n in range(64))  # of most lengths and counts
_SOME_SMALL: Final = tuple(b"\x02" + size for size in _SMALL)  # the same behind the mark of a value that is there


def compile_encoder(schema: Any) -> Write:
    """A function that appends the encoding of a value, piece by piece. Raises ValueError for a schema not known here.

    What it makes raises TypeError, ValueError, AttributeError or OverflowError for a value that does not fit.
    """
    writing = _Writing()
    return writing.function(schema)


class _Writing:
    """The functions of one schema; `names` is what they may call."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = dict(_NAMES)
        self._records: dict[str, str] = {}

    def function(self, schema: Any) -> Write:
        lines = ["def write(x, a):", *_in(self.lines(schema, "x"))]
        exec("\n".join(lines), self.names)  # noqa: S102 - the text is made here; of the schema it holds field names only
        write: Write = self.names["write"]
        return write

    def lines(self, schema: Any, x: str) -> list[str]:
        """Lines that write the value of an expression; `a` appends."""
        if isinstance(schema, str):
            return self._named(schema, x)
        if isinstance(schema, list):
            return self._optional(schema, x)
        match schema:
            case {"type": "record"}:
                written = f"{self._record(schema)}({x}, a)"
            case {"type": "array", "items": items}:
                written = f"_array({x}, {self._call(self.function(items))}, a)"
            case {"type": "map", "values": "string"}:
                written = f"_strings({x}, a)"
            case {"logicalType": "decimal"}:
                written = f"a({self._call(_decimal(schema['precision'], schema['scale']))}({x}))"
            case _:
                return self._named(schema["type"], x)
        return [written]

    def _named(self, schema: str, x: str) -> list[str]:
        if schema in self._records:
            return [f"{self._records[schema]}({x}, a)"]
        if schema in _PLAIN:
            return [line.format(x=x) for line in _PLAIN[schema]]
        raise ValueError(f"no encoder for {schema!r}")

    def _optional(self, schema: list[Any], x: str) -> list[str]:
        null, inner = schema
        if null != "null":
            raise ValueError(f"no encoder for {schema!r}")
        text = inner == "string"  # most are
        there = _text(x, "_SOME_SMALL", "b'\\2' + _long(n)") if text else ["a(b'\\2')", *self.lines(inner, x)]
        return [f"if {x} is None: a(b'\\0')", "else:", *_in(there)]

    def _call(self, function: Callable[..., Any]) -> str:
        """A name under which it may be called."""
        self.names[name := f"call{len(self.names)}"] = function
        return name

    def _record(self, schema: dict[str, Any]) -> str:
        """The name of the function that writes such records."""
        name = self._records[schema["name"]] = f"record{len(self.names)}"
        self.names[name] = None  # taken: a record may hold itself
        lines = [f"def {name}(r, a):"]
        for field in schema["fields"]:
            lines += _in([f"v = r.{field['name']}", *self.lines(field["type"], "v")])
        exec("\n".join(lines), self.names)  # noqa: S102 - as above
        return name


def _in(lines: Iterable[str]) -> list[str]:
    return [" " + line for line in lines]


def _text(x: str, small: str, otherwise: str) -> list[str]:
    return [f"s = {x}.encode(); n = len(s)", f"a({small}[n] if n < 64 else {otherwise}); a(s)"]


_PLAIN: Final = {
    "string": _text("{x}", "_SMALL", "_long(n)"),
    "long": ["a(_long({x}))"],
    "int": ["if not -0x80000000 <= {x} < 0x80000000: raise OverflowError('more than 32 bits')", "a(_long({x}))"],
    "double": ["if not isinstance({x}, (float, int)): raise TypeError('no number')", "a(_double({x}))"],
    "boolean": ["a(b'\\1' if {x} else b'\\0')"],
    "bytes": ["if not isinstance({x}, bytes): raise TypeError('not bytes')", "a(_long(len({x}))); a({x})"],
}


@lru_cache(maxsize=4096, typed=True)  # the times of an event are written with everything made from it
def _long(value: int) -> bytes:
    if 0 <= value < 64:
        return _SMALL[value]
    if not -(2**63) <= value < 2**63:
        raise OverflowError(f"{value} has more than 64 bits")
    zigzag = (value << 1) ^ (value >> 63)
    out = bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)
    return bytes(out)


def _strings(value: dict[str, str], append: Append) -> None:
    if value:
        append(_long(len(value)))
        for name, text in value.items():
            for data in (name.encode(), text.encode()):
                append(_long(len(data)))
                append(data)
    elif not isinstance(value, dict):
        raise TypeError(f"{value!r} is no map")
    append(b"\x00")


def _array(value: list[Any], write: Write, append: Append) -> None:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    if value:
        append(_long(len(value)))
        for item in value:
            write(item, append)
    append(b"\x00")


_NAMES: Final = {
    "_SMALL": _SMALL, "_SOME_SMALL": _SOME_SMALL, "_array": _array, "_double": _DOUBLE.pack, "_long": _long, "_strings": _strings,
}  # fmt: skip


def _decimal(precision: int, scale: int) -> Callable[[Decimal], bytes]:
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

    return encoded
