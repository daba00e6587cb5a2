"""The codec: round trips, the wire format as others read it, old writers, and bytes of any kind."""

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import fastavro
import msgspec
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import records as r
from schemas import topics
from schemas.codec import Codec, DecodeError, FixedIds, schema_text
from schemas.records import Record
from tests.record_types import TYPES

IDS = {number: schema_text(record) for number, record in enumerate(TYPES, 100)}
CODEC = Codec(FixedIds(IDS))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
MONEY = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**15), max_value=10**15)


PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "string": TEXT,
    "bytes": st.binary(max_size=40),
    "double": st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
}


def fields_of(schema: Any, named: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that fit an Avro schema, built from the schema and not from the struct."""
    match schema:
        case list():
            found = st.one_of(*(fields_of(branch, named) for branch in schema))
        case str():
            found = PLAIN[schema] if schema in PLAIN else named[schema]
        case {"type": "record"}:
            found = st.fixed_dictionaries({f["name"]: fields_of(f["type"], named) for f in schema["fields"]})
            named[schema["name"]] = found
        case {"type": "array"}:
            found = st.lists(fields_of(schema["items"], named), max_size=2)
        case {"type": "map"}:
            found = st.dictionaries(TEXT, fields_of(schema["values"], named), max_size=2)
        case {"logicalType": "decimal"}:
            found = MONEY
        case _:
            found = fields_of(schema["type"], named)
    return found


RECORDS = {
    record: fields_of(json.loads(schema_text(record)), {}).map(lambda fields, record=record: msgspec.convert(fields, record))
    for record in TYPES
}
ANY = st.one_of(*RECORDS.values())


ONE: dict[str, Any] = {"string": "é", "bytes": b"\x00\xff", "double": 1.5, "boolean": True, "int": 7, "long": 2**40}


def fill(schema: Any, named: dict[str, Any]) -> Any:
    """One value of an Avro schema, every field filled, the same each time."""
    match schema:
        case list():
            value = fill(schema[-1], named)
        case str():
            value = ONE[schema] if schema in ONE else fill(named[schema], named)
        case {"type": "record"}:
            named[schema["name"]] = schema
            value = {f["name"]: fill(f["type"], named) for f in schema["fields"]}
        case {"type": "array"}:
            value = [fill(schema["items"], named)]
        case {"type": "map"}:
            value = {"k": fill(schema["values"], named)}
        case {"logicalType": "decimal"}:
            value = Decimal("12.340000")
        case _:
            value = fill(schema["type"], named)
    return value


def example(record: type[Record]) -> Any:
    """A record with every field filled."""
    return msgspec.convert(fill(json.loads(schema_text(record)), {}), record)


@given(ANY)
def test_what_is_written_is_read(record: Record) -> None:
    data = CODEC.encode(record)
    assert data[0] == 0
    assert IDS[int.from_bytes(data[1:5])] == schema_text(type(record))
    assert CODEC.decode(data, type(record)) == record


@given(ANY)
def test_the_same_record_always_gives_the_same_bytes(record: Record) -> None:
    assert CODEC.encode(record) == Codec(FixedIds(IDS)).encode(record)


@given(st.decimals())
def test_an_amount_is_kept_to_the_last_digit_or_refused(amount: Decimal) -> None:
    try:
        data = CODEC.encode(r.Money(amount=amount, currency="EUR"))
    except ValueError:
        return
    assert CODEC.decode(data, r.Money).amount == amount


def plain(node: Any) -> Any:
    """A record as the Avro specification reads it: times as datetimes."""
    if isinstance(node, Record):
        return {
            name: datetime.fromtimestamp(value / 1000, UTC)
            if isinstance(value := getattr(node, name), int) and (name.endswith("_at") or name == "not_before")
            else plain(value)
            for name in node.__struct_fields__
        }
    return [plain(v) for v in node] if isinstance(node, list) else node


@pytest.mark.parametrize("record", TYPES, ids=lambda t: t.__name__)
def test_fastavro_reads_it_with_the_schema_as_published(record: type[Record]) -> None:
    one = example(record)
    data = CODEC.encode(one)
    schema = fastavro.parse_schema(json.loads(schema_text(record)))
    read = fastavro.schemaless_reader(io.BytesIO(data[5:]), schema, None)
    assert read == plain(one)


@pytest.mark.parametrize("record", sorted({t.record for t in topics.ALL}, key=lambda t: t.__name__), ids=lambda t: t.__name__)
def test_confluents_deserializer_reads_it(record: type[Record]) -> None:
    registry = SchemaRegistryClient.new_client({"url": "mock://codec"})
    schema_id = registry.register_schema(f"hookstream.{record.__name__}", Schema(schema_text(record), "AVRO"))
    one = example(record)
    data = Codec(FixedIds({schema_id: schema_text(record)})).encode(one)
    read = AvroDeserializer(registry)(data, SerializationContext("any.topic", MessageField.VALUE))
    assert read == plain(one)


def with_schema(change: Any) -> Codec:
    """A codec whose id 1 is a changed schema of Attempt, and id 2 today's."""
    schema = json.loads(schema_text(r.Attempt))
    change(schema["fields"])
    return Codec(FixedIds({1: json.dumps(schema), 2: schema_text(r.Attempt)}))


def written_by(codec: Codec, **fields: Any) -> bytes:
    """Bytes of an Attempt written with schema 1, by fastavro alone."""
    schema = fastavro.parse_schema(json.loads(codec._ids.writer_schema(1)))
    out = io.BytesIO(b"\x00\x00\x00\x00\x01")
    out.seek(5)
    fastavro.schemaless_writer(out, schema, msgspec.structs.asdict(example(r.Attempt)) | fields)
    return out.getvalue()


def test_a_record_of_an_older_schema_gets_the_default_of_a_newer_field() -> None:
    codec = with_schema(lambda fields: fields.remove(next(f for f in fields if f["name"] == "replay_id")))
    read = codec.decode(written_by(codec), r.Attempt)
    assert read == msgspec.structs.replace(example(r.Attempt), replay_id=None)


def test_a_field_of_a_newer_schema_is_passed_over() -> None:
    codec = with_schema(lambda fields: fields.insert(0, {"name": "colour", "type": "string"}))
    assert codec.decode(written_by(codec, colour="red"), r.Attempt) == example(r.Attempt)


def test_fields_are_matched_by_name_and_widened() -> None:
    def change(fields: list[dict[str, Any]]) -> None:
        fields.reverse()
        next(f for f in fields if f["name"] == "dns_ms")["type"] = "int"

    codec = with_schema(change)
    read = codec.decode(written_by(codec, dns_ms=3), r.Attempt)
    assert read == msgspec.structs.replace(example(r.Attempt), dns_ms=3.0)


def test_a_writer_without_a_needed_field_is_no_record_of_ours() -> None:
    codec = with_schema(lambda fields: fields.remove(next(f for f in fields if f["name"] == "url")))
    with pytest.raises(DecodeError, match=r"no Attempt \(schema id 1\).*url"):
        codec.decode(written_by(codec), r.Attempt)


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "record"',
        '{"type": "object", "properties": {}}',
        'syntax = "proto3"; message A {}',
        '"hookstream.Elsewhere"',
        "7",
        "{}",
    ],
)
def test_an_id_of_something_that_is_no_avro_schema_is_a_decode_error(text: str) -> None:
    codec = Codec(FixedIds({1: text, 2: schema_text(r.Money)}))
    with pytest.raises(DecodeError, match="schema id 1"):
        codec.decode(b"\x00\x00\x00\x00\x01rest", r.Money)


def test_an_unknown_id_is_a_lookup_error_for_the_registry_may_learn_it() -> None:
    with pytest.raises(LookupError):
        CODEC.decode(b"\x00\x00\x00\x00\x07rest", r.Money)


@pytest.mark.parametrize("data", [None, b"", b"\x00", b"\x00\x00\x00\x01", b"\x01\x00\x00\x00\x64", b'{"json": 1}'])
def test_bytes_without_the_frame_are_a_decode_error(data: bytes | None) -> None:
    with pytest.raises(DecodeError, match="no Money"):
        CODEC.decode(data, r.Money)


def survives(data: bytes, record: type[Record]) -> bool:
    """Whether the bytes gave a record or the one error that is foreseen."""
    try:
        return isinstance(CODEC.decode(data, record), record)
    except DecodeError as e:
        return str(e).startswith(f"no {record.__name__}")


@given(st.sampled_from(TYPES), st.binary(max_size=200))
@settings(max_examples=400)
def test_any_body_is_a_record_or_a_decode_error(record: type[Record], body: bytes) -> None:
    frame = b"\x00" + next(i for i, text in IDS.items() if text == schema_text(record)).to_bytes(4)
    assert survives(frame + body, record)


@given(st.data(), st.sampled_from(TYPES))
@settings(max_examples=400)
def test_a_damaged_record_is_a_record_or_a_decode_error(data: st.DataObject, record: type[Record]) -> None:
    good = CODEC.encode(example(record))
    cut = data.draw(st.integers(5, len(good)))
    flip = data.draw(st.integers(5, len(good) - 1))
    damaged = bytearray(good)
    damaged[flip] ^= data.draw(st.integers(1, 255))
    for hostile in (good[:cut], bytes(damaged), bytes(damaged[:cut])):
        assert survives(hostile, record)


@given(st.sampled_from(TYPES), st.sampled_from(TYPES))
def test_another_types_record_is_never_mistaken_for_ours(written: type[Record], wanted: type[Record]) -> None:
    data = CODEC.encode(example(written))
    if written is wanted:
        assert CODEC.decode(data, wanted) == example(wanted)
    else:
        with pytest.raises(DecodeError):
            CODEC.decode(data, wanted)


@pytest.mark.parametrize(
    ("record", "change"),
    [
        (r.Money, {"amount": Decimal("0.1234567")}),
        (r.Money, {"amount": Decimal("1234567890123456789012.1234567")}),
        (r.Money, {"amount": Decimal("NaN")}),
        (r.Money, {"amount": Decimal("Infinity")}),
        (r.Money, {"amount": None}),
        (r.Money, {"currency": 7}),
        (r.Money, {"currency": None}),
        (r.Money, {"currency": "\ud800"}),
        (r.Money, {"currency": b"EUR"}),
        (r.Attempt, {"attempt": "1"}),
        (r.Attempt, {"started_at": 2**63}),
        (r.Attempt, {"started_at": "now"}),
        (r.Attempt, {"dns_ms": "fast"}),
        (r.Attempt, {"response_head": "text"}),
        (r.Attempt, {"response_headers": {"a": 1}}),
        (r.Attempt, {"response_headers": ["a"]}),
        (r.Attempt, {"status": "200"}),
        (r.SourceConfig, {"secrets": [None]}),
    ],
    ids=lambda v: v.__name__ if isinstance(v, type) else str(v)[:40],
)
def test_a_field_that_does_not_fit_is_a_value_error_naming_the_record(record: type[Record], change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"^{record.__name__} does not fit its schema: "):
        CODEC.encode(msgspec.structs.replace(example(record), **change))


def test_prepare_looks_every_id_up_once() -> None:
    asked: list[str] = []

    class Counting(FixedIds):
        def id_of(self, record_type: type[Record]) -> int:
            asked.append(record_type.__name__)
            return super().id_of(record_type)

    codec = Codec(Counting(IDS))
    codec.prepare(r.Money, r.Order)
    codec.prepare(r.Money)
    codec.decode(codec.encode(example(r.Money)), r.Money)
    assert asked == ["Money", "Order"]


@given(fact=RECORDS[r.OrderFact], order=RECORDS[r.OrderEvent])
def test_what_was_encoded_before_can_end_a_record(fact: r.OrderFact, order: r.OrderEvent) -> None:
    whole = CODEC.encode(msgspec.structs.replace(fact, order=order))
    assert CODEC.encode_ending(msgspec.structs.replace(fact, order=None), CODEC.encode(order)) == whole
