"""Record to bytes and back: Avro in the Confluent wire format (magic 0, four-byte schema id, body).

Schemas are parsed once. Logical timestamps are stripped from the parsed copy, so that times stay plain
integers (the bytes on the wire are the same); decimals stay decimals.
Source: docs.confluent.io, "Wire format"; Apache Avro 1.12 specification, "Schema resolution".
"""

from __future__ import annotations

import io
import json
import struct
from decimal import Decimal
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import fastavro
import msgspec
from fastavro.repository.base import AbstractSchemaRepository, SchemaRepositoryError

from schemas import records
from schemas.encode import Write, compile_encoder
from schemas.records import NAMESPACE, Record
from schemas.skim import Reader, Skim, compile_reader, compile_skim

if TYPE_CHECKING:
    from collections.abc import Mapping

R = TypeVar("R", bound=Record)
_HEADER = struct.Struct(">bI")
_BUILTIN = (bytes, Decimal)
_DAMAGED = (IndexError, ValueError, OverflowError, TypeError, struct.error)  # what bytes that are no such record lead to
_TYPES = {f"{NAMESPACE}.{name}": found for name, found in vars(records).items() if isinstance(found, type)}


class DecodeError(ValueError):
    """The bytes are not a record of the wanted type; the message says why."""


class SchemaUnavailableError(LookupError):
    """Nobody could be asked for the schema: the bytes may be a good record, ask again later."""


class SchemaIds(Protocol):
    """Where schema ids come from: the registry client, or a table in tests."""

    def id_of(self, record_type: type[Record]) -> int:
        """Id under which the schema of `record_type` is registered."""
        ...

    def writer_schema(self, schema_id: int) -> str:
        """JSON text of the schema with that id. Raises LookupError when nobody knows it, SchemaUnavailableError when
        nobody could be asked."""
        ...


class _Folder(AbstractSchemaRepository):
    """The .avsc files of this package, for references between them."""

    def load(self, name: str) -> dict[str, Any]:
        path = resources.files("schemas") / "avro" / f"{name}.avsc"
        try:
            return dict(json.loads(path.read_text()))
        except FileNotFoundError as e:
            raise SchemaRepositoryError(str(e)) from e


def schema_text(record_type: type[Record]) -> str:
    """The self-contained JSON schema of a record, references expanded at their first use."""
    parsed = fastavro.schema.load_schema(f"{NAMESPACE}.{record_type.__name__}", repo=_Folder(), _write_hint=False)
    return json.dumps(_clean(parsed), separators=(",", ":"))


def _clean(node: Any) -> Any:
    """Drop what fastavro's parser added to the schema."""
    if isinstance(node, dict):
        return {k: _clean(v) for k, v in node.items() if not k.startswith("__")}
    return [_clean(v) for v in node] if isinstance(node, list) else node


def _plain_times(node: Any) -> Any:
    """The same schema with integer timestamps: same bytes, no datetime objects on the way."""
    if isinstance(node, dict):
        if node.get("logicalType") == "timestamp-millis":
            return "long"
        return {k: _plain_times(v) for k, v in node.items()}
    return [_plain_times(v) for v in node] if isinstance(node, list) else node


def _parse(text: str) -> Any:
    return fastavro.parse_schema(_plain_times(json.loads(text)))


class _Own(NamedTuple):
    """What is known of one of our record types: the frame of its bytes, its parsed schema, its encoder and its reader."""

    header: bytes
    schema: Any
    write: Write
    read: Reader


class Codec:
    """Encodes and decodes every record type; safe to share between threads."""

    def __init__(self, ids: SchemaIds) -> None:
        self._ids = ids
        self._own: dict[type[Record], _Own] = {}
        self._writers: dict[int, Any] = {}
        self._skims: dict[tuple[type[Record], frozenset[str]], Skim | None] = {}

    def _schema(self, record_type: type[Record]) -> _Own:
        found = self._own.get(record_type)
        if found is None:
            text = schema_text(record_type)
            header = _HEADER.pack(0, self._ids.id_of(record_type))
            schema = json.loads(text)
            found = _Own(header, _parse(text), compile_encoder(schema), compile_reader(schema, _TYPES))
            self._own[record_type] = found
        return found

    def prepare(self, *record_types: type[Record]) -> None:
        """Parse and look up these types now, so that the first message does not pay for it."""
        for record_type in record_types:
            self._schema(record_type)

    def encode(self, record: Record) -> bytes:
        """Framed Avro bytes of a record. Raises ValueError when a field does not fit its type."""
        own = self._schema(type(record))
        pieces = [own.header]
        try:
            own.write(record, pieces.append)
        except (TypeError, ValueError, OverflowError, KeyError, AttributeError) as e:
            raise ValueError(f"{type(record).__name__} does not fit its schema: {e}") from e
        return b"".join(pieces)

    def encode_ending(self, record: Record, ending: bytes) -> bytes:
        """`encode` of a record whose last field, optional and None, is to be a record that was encoded before: `ending`.

        An Avro record is its fields one after the other, so nothing has to be encoded twice. Raises ValueError.
        """
        return b"".join((self.encode(record)[:-1], b"\x02", ending[_HEADER.size :]))

    def decode(self, data: bytes | None, record_type: type[R]) -> R:
        """Record of framed bytes, read with our schema whatever schema wrote them.

        Raises DecodeError when the bytes are no such record, LookupError when the registry does not know the id.
        """
        own = self._schema(record_type)
        if data is not None and data.startswith(own.header):
            try:
                record: R = own.read(data, _HEADER.size)
            except _DAMAGED as e:
                raise DecodeError(f"no {record_type.__name__}: {type(e).__name__}: {e}") from e
            return record
        fields, schema_id = self._read(data, record_type)
        try:
            return msgspec.convert(fields, type=record_type, builtin_types=_BUILTIN)
        except Exception as e:  # a schema of the same name may hold anything
            raise DecodeError(f"no {record_type.__name__} (schema id {schema_id}): {type(e).__name__}: {e}") from e

    def fields(self, data: bytes | None, record_type: type[Record], without: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Like `decode`, but plain values by field name, fields `without` left out: for readers of many records that keep
        little of each."""
        skim = self._skim(record_type, without)
        if skim is None or data is None or not data.startswith(self._schema(record_type).header):
            return {name: value for name, value in self._read(data, record_type)[0].items() if name not in without}
        try:
            return skim(data, _HEADER.size)
        except _DAMAGED as e:
            raise DecodeError(f"no {record_type.__name__}: {type(e).__name__}: {e}") from e

    def _skim(self, record_type: type[Record], without: frozenset[str]) -> Skim | None:
        try:
            return self._skims[record_type, without]
        except KeyError:
            found = self._skims[record_type, without] = compile_skim(json.loads(schema_text(record_type)), without)
            return found

    def _read(self, data: bytes | None, record_type: type[Record]) -> tuple[dict[str, Any], int]:
        if data is None or len(data) < _HEADER.size:
            raise DecodeError(f"no {record_type.__name__}: {0 if data is None else len(data)} bytes, want at least 5")
        magic, schema_id = _HEADER.unpack_from(data)
        if magic != 0:
            raise DecodeError(f"no {record_type.__name__}: first byte is {magic}, want 0 (Confluent wire format)")
        header, own, _, _ = self._schema(record_type)
        body = io.BytesIO(data)
        body.seek(_HEADER.size)
        writer, reader = (own, None) if data[: _HEADER.size] == header else (self._writer(schema_id), own)
        try:
            fields: Any = fastavro.schemaless_reader(body, writer, reader)
        except Exception as e:  # fastavro raises whatever the bytes lead it to
            raise DecodeError(f"no {record_type.__name__} (schema id {schema_id}): {type(e).__name__}: {e}") from e
        return fields, schema_id

    def _writer(self, schema_id: int) -> Any:
        found = self._writers.get(schema_id)
        if found is None:
            text = self._ids.writer_schema(schema_id)
            try:
                found = self._writers[schema_id] = _parse(text)
            except Exception as e:  # a registry holds JSON and Protobuf schemas too: whatever the parser makes of them
                raise DecodeError(f"schema id {schema_id} is no Avro schema: {type(e).__name__}: {e}") from e
        return found


class FixedIds:
    """Schema ids from a table: for tests and for offline tools."""

    def __init__(self, texts: Mapping[int, str]) -> None:
        self._texts = dict(texts)
        self._by_text = {text: schema_id for schema_id, text in texts.items()}

    def id_of(self, record_type: type[Record]) -> int:
        """Id of the type's current schema. Raises LookupError when the table lacks it."""
        return self._by_text[schema_text(record_type)]

    def writer_schema(self, schema_id: int) -> str:
        """Schema text of an id. Raises LookupError when the table lacks it."""
        return self._texts[schema_id]
