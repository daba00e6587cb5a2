"""May data written with one Avro schema be read with another? Pure; answers with the field's path and the rule broken.

The rules are Avro 1.12's "Schema Resolution"; the levels are the Confluent Schema Registry's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hub.registry.avro import Array, Enum, Fixed, Map, Named, Node, Primitive, Record, Union

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LEVELS: Final = frozenset({"NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"})
_PROMOTIONS: Final = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
    "bytes": ("string",),
}


@dataclass(frozen=True)
class Incompatibility:
    """One place where reading would fail."""

    path: str
    rule: str
    detail: str

    def __str__(self) -> str:
        return f"{self.path or 'top'}: {self.rule}: {self.detail}"


def violations(level: str, new: Node, earlier: Sequence[Node]) -> list[str]:
    """Why `new` may not follow `earlier`, oldest first; empty when it may."""
    if level == "NONE":
        return []
    against = list(enumerate(earlier, 1)) if level.endswith("_TRANSITIVE") else list(enumerate(earlier, 1))[-1:]
    found = []
    for position, old in against:
        of = f"{position} of {len(earlier)} earlier versions"
        if level.startswith(("BACKWARD", "FULL")):
            found += [f"{i} (the new schema cannot read what {of} wrote)" for i in cannot_read(new, old)]
        if level.startswith(("FORWARD", "FULL")):
            found += [f"{i} ({of} cannot read what the new schema writes)" for i in cannot_read(old, new)]
    return found


def cannot_read(reader: Node, writer: Node) -> list[Incompatibility]:
    """Where `reader` fails on some data of `writer`; empty when it reads all of it."""
    return list(_Check().compare(reader, writer, ""))


class _Check:
    def __init__(self) -> None:
        self._under_way: set[tuple[str, str]] = set()

    def compare(self, reader: Node, writer: Node, path: str) -> Iterator[Incompatibility]:
        if isinstance(writer, Union):
            for branch in writer.branches:
                yield from self.compare(reader, branch, path)
        elif isinstance(reader, Union):
            yield from self._any_branch(reader, writer, path)
        elif isinstance(reader, Named) and isinstance(writer, Named) and reader.kind == writer.kind:
            yield from self._named(reader, writer, path)
        elif isinstance(reader, Array) and isinstance(writer, Array):
            yield from self.compare(reader.items, writer.items, f"{path}[]")
        elif isinstance(reader, Map) and isinstance(writer, Map):
            yield from self.compare(reader.values, writer.values, f"{path}{{}}")
        elif isinstance(reader, Primitive) and isinstance(writer, Primitive) and _promotes(reader, writer):
            yield from _same_decimal(reader, writer, path)
        else:
            yield Incompatibility(path, "TYPE_MISMATCH", f"{_words(writer)} is not readable as {_words(reader)}")

    def _any_branch(self, reader: Union, writer: Node, path: str) -> Iterator[Incompatibility]:
        tried = [list(self.compare(branch, writer, path)) for branch in reader.branches]
        if all(tried):
            near = [i for i in min(tried, key=_distance) if i.rule not in {"TYPE_MISMATCH", "NAME_MISMATCH"}]
            detail = f"no branch of the reader's union takes {_words(writer)}"
            yield from near or [Incompatibility(path, "MISSING_UNION_BRANCH", detail)]

    def _named(self, reader: Named, writer: Named, path: str) -> Iterator[Incompatibility]:
        if not _same_name(reader, writer):
            yield Incompatibility(path, "NAME_MISMATCH", f"{writer.name} was written, {reader.name} is expected")
            return
        match reader, writer:
            case Fixed(), Fixed():
                if reader.size != writer.size:
                    yield Incompatibility(path, "FIXED_SIZE_MISMATCH", f"{writer.size} bytes became {reader.size}")
                yield from _same_decimal(reader, writer, path)
            case Enum(), Enum():
                lost = [s for s in writer.symbols if s not in reader.symbols]
                if lost and not reader.has_default:
                    detail = f"{reader.name} lacks {', '.join(lost)} and has no default symbol"
                    yield Incompatibility(path, "MISSING_ENUM_SYMBOLS", detail)
            case Record(), Record():
                yield from self._fields(reader, writer, path)

    def _fields(self, reader: Record, writer: Record, path: str) -> Iterator[Incompatibility]:
        pair = (reader.name, writer.name)
        if pair in self._under_way:  # a recursive type: this pair is being judged further up
            return
        self._under_way.add(pair)
        written = {f.name: f for f in writer.fields}
        own = {f.name for f in reader.fields}
        for field in reader.fields:
            place = f"{path}.{field.name}" if path else field.name
            known_as = (field.name, *sorted(field.aliases - own))
            source = next((written[name] for name in known_as if name in written), None)
            if source is not None:
                yield from self.compare(field.type, source.type, place)
            elif not field.has_default:
                detail = f"{writer.name} has no such field and the reader gives it no default"
                yield Incompatibility(place, "READER_FIELD_MISSING_DEFAULT_VALUE", detail)
        self._under_way.discard(pair)


def _promotes(reader: Primitive, writer: Primitive) -> bool:
    return reader.kind == writer.kind or reader.kind in _PROMOTIONS.get(writer.kind, ())


def _same_name(reader: Named, writer: Named) -> bool:
    unqualified = writer.name.rpartition(".")[2]
    return reader.name.rpartition(".")[2] == unqualified or writer.name in reader.aliases


def _same_decimal(reader: Primitive | Fixed, writer: Primitive | Fixed, path: str) -> Iterator[Incompatibility]:
    was, now = writer.decimal, reader.decimal
    if was and now and was != now:
        detail = f"decimal({was.precision}, {was.scale}) became decimal({now.precision}, {now.scale})"
        yield Incompatibility(path, "DECIMAL_MISMATCH", detail)


def _distance(found: list[Incompatibility]) -> tuple[bool, int]:
    """How far a branch is from being right: one of another type is further than one with wrong fields."""
    return any(i.rule in {"TYPE_MISMATCH", "NAME_MISMATCH"} for i in found), len(found)


def _words(node: Node) -> str:
    return node.name if isinstance(node, Named) else node.kind
