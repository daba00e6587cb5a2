"""Reads a few fields of a JSON body without building the rest of it.

The wanted paths become a msgspec struct, so the parser skips everything else: a tenth of a full parse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

Attributes = tuple[str, ...]


class Reader:
    """Reads text and numbers at dotted paths; whatever else is there, or nothing, is left out."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._keys = {path: tuple(path.split(".")) for path in sorted(paths)}
        struct, self._attributes = _struct(self._keys)
        self._decoder = msgspec.json.Decoder(struct) if self._keys else None

    def read(self, body: bytes) -> dict[str, str]:
        """Values by path, numbers as they are written. A body that is no JSON has none."""
        if self._decoder is None:
            return {}
        try:
            found = self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._from_tree(body)
        values = {}
        for path, attributes in self._attributes.items():
            node: Any = found
            for attribute in attributes:
                node = getattr(node, attribute, b"")
            text = _text(bytes(node)) if node else None
            if text:
                values[path] = text
        return values

    def _from_tree(self, body: bytes) -> dict[str, str]:
        """The slow way, for a body in which a value stands where an object was expected."""
        try:
            tree = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
        values = {}
        for path, keys in self._keys.items():
            node = tree
            for key in keys:
                node = node.get(key) if isinstance(node, dict) else None
            if isinstance(node, str | int | float) and not isinstance(node, bool) and node != "":
                values[path] = str(node)
        return values


def _struct(paths: dict[str, tuple[str, ...]]) -> tuple[type[msgspec.Struct], dict[str, Attributes]]:
    """A struct type with a raw field for each leaf and a struct for each inner key, and the attributes to each path.

    Where a path leads through another path's leaf, only the longer one is read.
    """
    fields: list[tuple[str, Any, Any]] = []
    renamed: dict[str, str] = {}
    attributes: dict[str, Attributes] = {}
    for number, key in enumerate(dict.fromkeys(keys[0] for keys in paths.values())):
        name = f"f{number}"  # any text may be a key, not any a name
        renamed[name] = key
        inner = {path: keys[1:] for path, keys in paths.items() if keys[0] == key and len(keys) > 1}
        if inner:
            struct, deeper = _struct(inner)
            fields.append((name, struct | None, None))
            attributes |= {path: (name, *rest) for path, rest in deeper.items()}
        else:
            fields.append((name, msgspec.Raw, msgspec.Raw()))
            attributes |= {path: (name,) for path, keys in paths.items() if keys == (key,)}
    return msgspec.defstruct("Fields", fields, rename=renamed), attributes


def _text(raw: bytes) -> str | None:
    """Text of a JSON string or number; None of anything else."""
    if raw[:1] == b'"':
        try:
            return msgspec.json.decode(raw, type=str)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
    return raw.decode("ascii") if raw[0] in b"-0123456789" else None
