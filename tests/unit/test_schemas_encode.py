"""The compiled encoder writes what fastavro writes, for every record, and knows only what our schemas use."""

import io
import json
from decimal import Decimal

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import _parse, schema_text
from schemas.encode import compile_encoder
from tests.record_types import TYPES
from tests.unit.test_schemas_codec import ANY

COMPILED = {record: compile_encoder(json.loads(schema_text(record))) for record in TYPES}
PARSED = {record: _parse(schema_text(record)) for record in TYPES}


@given(record=ANY)
def test_the_bytes_are_those_of_fastavro(record):
    pieces, reference = [], io.BytesIO()
    COMPILED[type(record)](record, pieces.append)
    fastavro.schemaless_writer(reference, PARSED[type(record)], msgspec.to_builtins(record, builtin_types=(bytes, Decimal)))
    assert b"".join(pieces) == reference.getvalue()


@given(value=st.integers(-(2**63), 2**63 - 1))
def test_every_long_is_written_as_fastavro_does(value):
    pieces, reference = [], io.BytesIO()
    compile_encoder("long")(value, pieces.append)
    fastavro.schemaless_writer(reference, fastavro.parse_schema("long"), value)
    assert b"".join(pieces) == reference.getvalue()


@pytest.mark.parametrize("schema", ["float", ["string", "null"], {"type": "enum", "name": "x", "symbols": []}], ids=str)
def test_a_schema_it_does_not_know_is_refused_when_compiled(schema):
    with pytest.raises(ValueError, match="no encoder for"):
        compile_encoder(schema)
