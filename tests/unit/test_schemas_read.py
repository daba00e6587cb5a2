"""The compiled reader makes the structs that fastavro and msgspec make together, for every record."""

import io
import json
from decimal import Decimal

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import _TYPES, _parse, schema_text
from schemas.records import Money
from schemas.skim import compile_reader
from tests.record_types import TYPES
from tests.unit.test_schemas_codec import ANY

READERS = {record: compile_reader(json.loads(schema_text(record)), _TYPES) for record in TYPES}
PARSED = {record: _parse(schema_text(record)) for record in TYPES}
DAMAGE = (IndexError, ValueError, OverflowError, TypeError)


def written(record):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, PARSED[type(record)], msgspec.to_builtins(record, builtin_types=(bytes, Decimal)))
    return out.getvalue()


@given(record=ANY)
def test_what_fastavro_wrote_is_read(record):
    assert READERS[type(record)](b"head" + written(record), 4) == record


@given(record=ANY, data=st.data())
def test_one_cut_short_is_refused(record, data):
    body = written(record)
    with pytest.raises(DAMAGE):
        READERS[type(record)](body[: data.draw(st.integers(0, len(body) - 1))], 0)


@given(amount=st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9))
def test_an_amount_keeps_sign_and_digits(amount):
    assert READERS[Money](written(Money(amount=amount, currency="EUR")), 0).amount == amount


@pytest.mark.parametrize("kind", ["float", ["string", "null"], {"type": "enum", "name": "x", "symbols": []}], ids=str)
def test_a_schema_it_does_not_know_is_refused_when_compiled(kind):
    with pytest.raises(ValueError, match="no reader for"):
        compile_reader({"type": "record", "name": "hookstream.Money", "fields": [{"name": "amount", "type": kind}]}, _TYPES)
