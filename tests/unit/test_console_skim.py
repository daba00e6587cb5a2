"""Skimming reads what fastavro reads, and refuses what it refuses."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.batch import ATTEMPT_UNREAD, DELIVERY_UNREAD
from schemas.codec import Codec, DecodeError, FixedIds, _plain_times, schema_text
from schemas.records import Attempt, Delivery, EventQuarantined, EventUnrouted, OrderEvent, Record, WebhookRejected
from schemas.skim import compile_skim
from tests.console_lab import attempt, delivery
from tests.lab import fixed_codec

CODEC = fixed_codec()
READ: list[tuple[type[Record], frozenset[str]]] = [
    (Delivery, frozenset()),
    (Delivery, DELIVERY_UNREAD),
    (Attempt, frozenset()),
    (Attempt, ATTEMPT_UNREAD),
    (EventUnrouted, frozenset()),
    (EventQuarantined, frozenset()),
    (WebhookRejected, frozenset()),
]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=90),
    "bytes": st.binary(max_size=200),
    "double": st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
}


def value_of(schema: Any) -> st.SearchStrategy[Any]:
    if isinstance(schema, list):
        return st.none() | value_of(schema[1])
    if isinstance(schema, dict) and schema["type"] == "map":
        return st.dictionaries(VALUES["string"], VALUES["string"], max_size=4)
    return VALUES[schema["type"] if isinstance(schema, dict) else schema]


def schema_of(record: type[Record]) -> Any:
    """The record's schema with plain integers for times."""
    return _plain_times(json.loads(schema_text(record)))


def encoded(schema: Any, value: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, value)
    return out.getvalue()


@pytest.mark.parametrize(("record", "without"), READ)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_it_reads_what_fastavro_wrote(record: type[Record], without: frozenset[str], data: st.DataObject) -> None:
    schema = schema_of(record)
    value = data.draw(st.fixed_dictionaries({f["name"]: value_of(f["type"]) for f in schema["fields"]}))
    skim = compile_skim(schema, without)
    assert skim is not None
    assert skim(b"head" + encoded(schema, value), 4) == {k: v for k, v in value.items() if k not in without}


@pytest.mark.parametrize(("record", "without"), READ)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_what_it_makes_of_broken_bytes_fastavro_makes_too(
    record: type[Record], without: frozenset[str], data: st.DataObject
) -> None:
    schema = schema_of(record)
    value = data.draw(st.fixed_dictionaries({f["name"]: value_of(f["type"]) for f in schema["fields"]}))
    body = bytearray(encoded(schema, value))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    broken = bytes(body[: data.draw(st.integers(0, len(body)))])
    try:
        found = CODEC.fields(CODEC.encode(_sample(record))[:5] + broken, record)
    except DecodeError:
        return
    again = fastavro.schemaless_reader(io.BytesIO(broken), schema, None)
    assert {k: repr(v) for k, v in found.items()} == {k: repr(v) for k, v in again.items()}


def _sample(record: type[Record]) -> Record:
    raw = {"raw_topic": "", "raw_partition": 0, "raw_offset": 0, "received_at": 0}
    aside = {"id": "", "tenant": "", "source": "", "provider": "", **raw}
    match record.__name__:
        case "Delivery":
            return delivery("evt")
        case "Attempt":
            return attempt(delivery("evt"))
        case "EventUnrouted":
            return EventUnrouted(type="", reason="", reasons={}, **aside)
        case "EventQuarantined":
            return EventQuarantined(topic="", cause="", detail="", **aside)
    return WebhookRejected(id="", source="", reason="", detail="", remote="", size=0, headers={}, body=b"", received_at=0)


def test_maps_in_sized_blocks_are_read() -> None:
    """Other writers cut maps into blocks with a negative count and a size."""
    schema = {
        "type": "record",
        "name": "M",
        "fields": [{"name": "m", "type": {"type": "map", "values": "string"}}, {"name": "n", "type": "int"}],
    }
    body = bytes([0x01, 0x08, 0x02, 0x61, 0x02, 0x62, 0x02, 0x02, 0x63, 0x02, 0x64, 0x00, 0x0A])
    assert fastavro.schemaless_reader(io.BytesIO(body), schema, None) == {"m": {"a": "b", "c": "d"}, "n": 5}
    for without, wanted in (((), {"m": {"a": "b", "c": "d"}, "n": 5}), (("m",), {"n": 5})):
        skim = compile_skim(schema, without)
        assert skim is not None
        assert skim(body, 0) == wanted


def test_records_within_records_are_read_the_long_way() -> None:
    assert compile_skim(json.loads(schema_text(OrderEvent))) is None


def test_a_record_of_an_older_schema_is_read_through_it() -> None:
    old = json.loads(schema_text(Delivery))
    old["fields"] = [f for f in old["fields"] if f["name"] not in {"cause", "last_error"}]
    codec = Codec(FixedIds({1: schema_text(Delivery), 7: json.dumps(old)}))
    first = delivery("evt_1")
    values = {k: v for k, v in codec.fields(codec.encode(first), Delivery).items() if k not in {"cause", "last_error"}}
    found = codec.fields(b"\x00\x00\x00\x00\x07" + encoded(_plain_times(old), values), Delivery, DELIVERY_UNREAD)
    assert found == {**codec.fields(codec.encode(first), Delivery, DELIVERY_UNREAD), "cause": None}
