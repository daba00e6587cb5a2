"""Every record struct equals its .avsc file: names, order, types, nullability, defaults."""

import json
import types
import typing
from decimal import Decimal
from pathlib import Path

import fastavro
import msgspec
import pytest

from schemas import records
from schemas.codec import schema_text
from schemas.records import NAMESPACE, Record
from tests.record_types import TYPES

FOLDER = Path(records.__file__).parent / "avro"


def load(name: str) -> dict:
    return json.loads((FOLDER / f"{NAMESPACE}.{name}.avsc").read_text())


def is_time(field: str) -> bool:
    return field.endswith("_at") or field == "not_before"


PLAIN = {str: ["string"], bytes: ["bytes"], float: ["double"], bool: ["boolean"], int: ["int", "long"]}
TIME = {"type": "long", "logicalType": "timestamp-millis"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 28, "scale": 6}


def wanted_types(annotation: object, field: str) -> list[object]:
    """The Avro types that may stand for a Python annotation."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is list:
        return [{"type": "array", "items": item} for item in wanted_types(args[0], "")]
    if origin is dict:
        assert args == (str, str), f"{field}: only maps of strings have an Avro twin here"
        return [{"type": "map", "values": "string"}]
    if origin in (types.UnionType, typing.Union):
        (inner,) = [a for a in args if a is not type(None)]
        return [["null", item] for item in wanted_types(inner, field)]
    if annotation in PLAIN:
        return [TIME] if annotation is int and is_time(field) else PLAIN[annotation]
    return [DECIMAL if annotation is Decimal else f"{NAMESPACE}.{annotation.__name__}"]


def test_every_struct_has_a_schema_and_every_schema_a_struct() -> None:
    files = {p.name.removeprefix(f"{NAMESPACE}.").removesuffix(".avsc") for p in FOLDER.iterdir()}
    assert files == {r.__name__ for r in TYPES}


@pytest.mark.parametrize("record", TYPES, ids=lambda r: r.__name__)
class TestRecord:
    def test_has_the_fields_of_its_schema_in_its_order(self, record: type[Record]) -> None:
        schema = load(record.__name__)
        assert (schema["type"], schema["name"], schema["namespace"]) == ("record", record.__name__, NAMESPACE)
        assert [f["name"] for f in schema["fields"]] == list(record.__struct_fields__)

    def test_has_the_types_of_its_schema(self, record: type[Record]) -> None:
        hints = typing.get_type_hints(record)
        for field in load(record.__name__)["fields"]:
            assert field["type"] in wanted_types(hints[field["name"]], field["name"]), field["name"]

    def test_optional_means_null_by_default_on_both_sides(self, record: type[Record]) -> None:
        defaults = {f.name: f.default for f in msgspec.structs.fields(record)}
        for field in load(record.__name__)["fields"]:
            if isinstance(field["type"], list):
                assert field["default"] is None, field["name"]
            assert defaults[field["name"]] == field.get("default", msgspec.NODEFAULT), field["name"]

    def test_says_what_it_and_every_field_means(self, record: type[Record]) -> None:
        schema = load(record.__name__)
        assert record.__doc__ == schema["doc"]
        assert all(f["doc"].endswith(".") for f in schema["fields"])

    def test_schema_text_stands_alone(self, record: type[Record]) -> None:
        text = schema_text(record)
        assert "__" not in text
        parsed = fastavro.parse_schema(json.loads(text))
        assert parsed["name"] == f"{NAMESPACE}.{record.__name__}"
        assert [f["name"] for f in parsed["fields"]] == list(record.__struct_fields__)
