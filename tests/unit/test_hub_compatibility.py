"""The compatibility check says what Avro readers do: compared with fastavro's own resolution on generated schemas."""

from __future__ import annotations

import io
import itertools
import json
from copy import deepcopy
from typing import Any

import fastavro
import pytest
from fastavro.read import SchemaResolutionError
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.registry import avro
from hub.registry.compatibility import LEVELS, cannot_read, violations

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
SYMBOLS = ("A", "B", "C", "D")
# A written union has at most one of each: fastavro picks the branch by the value, and bytes pass for an array there.
FAMILIES = (("null",), ("boolean",), ("int", "long", "float", "double"), ("string", "enum"), ("bytes", "fixed", "array"), ("map", "record"))  # fmt: skip


@st.composite
def schemas(draw: st.DrawFn, depth: int = 3, names: Any = None, kinds: tuple[str, ...] = ()) -> Any:  # noqa: PLR0911 - one a kind
    """An Avro schema; named types are numbered in the order they appear."""
    names = names if names is not None else itertools.count()
    compound = ("record", "enum", "fixed", "array", "map", "union") if depth else ("enum", "fixed")
    kind = draw(st.sampled_from(kinds or (*PRIMITIVES, *compound, *compound)))
    if kind == "array":
        return {"type": "array", "items": draw(schemas(depth - 1, names))}
    if kind == "map":
        return {"type": "map", "values": draw(schemas(depth - 1, names))}
    if kind == "enum":
        return {"type": "enum", "name": f"E{next(names)}", "symbols": draw(st.permutations(SYMBOLS))[: draw(st.integers(1, 4))]}
    if kind == "fixed":
        return {"type": "fixed", "name": f"F{next(names)}", "size": draw(st.integers(1, 3))}
    if kind == "record":
        return draw(records(depth, names))
    if kind == "union":
        chosen = draw(st.lists(st.sampled_from(FAMILIES), min_size=1, max_size=3, unique=True))
        usable = [[k for k in family if depth > 1 or k not in ("array", "map", "record")] or ["null"] for family in chosen]
        picked = dict.fromkeys(draw(st.sampled_from(family)) for family in usable)
        return [draw(schemas(depth - 1, names, (k,))) for k in picked]
    return kind


@st.composite
def records(draw: st.DrawFn, depth: int, names: Any) -> Any:
    name = f"R{next(names)}"
    fields = [{"name": f"f{i}", "type": draw(schemas(depth - 1, names))} for i in range(draw(st.integers(0, 4)))]
    if draw(st.booleans()):
        fields.append({"name": "next", "type": ["null", name]})
    return {"type": "record", "name": name, "fields": fields}


@st.composite
def changed(draw: st.DrawFn, schema: Any) -> Any:
    """The schema with some of the changes people make."""
    new = deepcopy(schema)
    for _ in range(draw(st.integers(0, 3))):
        new = change(draw, new)
    return new


def change(draw: st.DrawFn, schema: Any) -> Any:
    """One change somewhere within."""
    inner = [("items",), ("values",)]
    if isinstance(schema, dict) and schema["type"] == "record" and schema["fields"] and draw(st.integers(0, 3)):
        field = draw(st.sampled_from(schema["fields"]))
        field["type"] = change(draw, field["type"])
        field.pop("default", None)  # it was one of the old type
    elif isinstance(schema, dict) and schema["type"] in ("array", "map"):
        key = inner[schema["type"] == "map"][0]
        schema[key] = change(draw, schema[key])
    elif isinstance(schema, dict):
        return change_named(draw, schema)
    elif isinstance(schema, list) and len(schema) > 1 and draw(st.booleans()):
        schema.remove(draw(st.sampled_from(schema)))
    elif isinstance(schema, list):
        present = {b["type"] if isinstance(b, dict) else b for b in schema}
        schema.insert(draw(st.integers(0, len(schema))), draw(st.sampled_from([p for p in PRIMITIVES if p not in present])))
    elif draw(st.booleans()):
        return draw(st.permutations([schema, "null" if schema != "null" else "int"]))
    else:
        return draw(st.sampled_from(PRIMITIVES))
    return schema


def change_named(draw: st.DrawFn, schema: Any) -> Any:
    if schema["type"] == "enum":
        schema["symbols"] = draw(st.permutations(SYMBOLS))[: draw(st.integers(1, 4))]
        schema.pop("default", None)
        if draw(st.booleans()):
            schema["default"] = schema["symbols"][0]
    elif schema["type"] == "fixed":
        schema["size"] = draw(st.integers(1, 3))
    elif draw(st.booleans()) or not schema["fields"]:
        default = draw(st.sampled_from([{}, {"default": 1}]))
        taken = {f["name"] for f in schema["fields"]}
        fresh = next(n for n in map("n{}".format, itertools.count()) if n not in taken)
        schema["fields"].append({"name": fresh, "type": "int", **default})
    else:
        field = draw(st.sampled_from(schema["fields"]))
        if draw(st.booleans()):
            schema["fields"].remove(field)
        else:
            renamed = draw(st.sampled_from([{}, {"aliases": [field["name"]]}]))
            field.update({"name": f"r{field['name']}", **renamed})
    return schema


def cover(schema: Any, named: dict[str, Any], depth: int = 0) -> list[Any]:  # noqa: PLR0911 - one a kind
    """Values that between them use every branch and every symbol of the schema."""
    if isinstance(schema, list):
        deep = depth > 4
        branches = [b for b in schema if not (deep and isinstance(b, str) and b in named)]
        return [tag(b, v, named) for b in branches for v in cover(b, named, depth + 1)]
    kind = schema if isinstance(schema, str) else schema["type"]
    if kind in named:
        return cover(named[kind], named, depth + 1)
    if kind == "record":
        columns = [cover(f["type"], named, depth + 1) for f in schema["fields"]]
        rows = max(map(len, columns), default=1)
        keys = [f["name"] for f in schema["fields"]]
        return [dict(zip(keys, (c[min(i, len(c) - 1)] for c in columns), strict=True)) for i in range(rows)]
    if kind == "enum":
        return list(schema["symbols"])
    if kind == "array":
        return [cover(schema["items"], named, depth + 1)]
    if kind == "map":
        return [{f"k{i}": v for i, v in enumerate(cover(schema["values"], named, depth + 1))}]
    if kind == "fixed":
        return [b"x" * schema["size"]]
    return [
        {"null": None, "boolean": True, "int": 7, "long": 2**40, "float": 0.5, "double": 0.5, "bytes": b"a", "string": "a"}[kind]
    ]


def tag(branch: Any, value: Any, named: dict[str, Any]) -> Any:
    """Name a record's branch, for its fields alone may not tell."""
    found = named.get(branch, branch) if isinstance(branch, str) else branch
    is_record = isinstance(found, dict) and found["type"] == "record"
    return (found["name"], value) if is_record else value


def definitions(schema: Any) -> dict[str, Any]:
    if isinstance(schema, list):
        return {k: v for b in schema for k, v in definitions(b).items()}
    if not isinstance(schema, dict):
        return {}
    own = {schema["name"]: schema} if "name" in schema else {}
    inner = [f["type"] for f in schema.get("fields", ())] + [schema[k] for k in ("items", "values") if k in schema]
    return own | {k: v for i in inner for k, v in definitions(i).items()}


def fastavro_reads_all(reader: Any, writer: Any) -> bool:
    parsed_writer, parsed_reader = fastavro.parse_schema(deepcopy(writer)), fastavro.parse_schema(deepcopy(reader))
    for value in cover(writer, definitions(writer)):
        written = io.BytesIO()
        fastavro.schemaless_writer(written, parsed_writer, value)
        written.seek(0)
        try:
            fastavro.schemaless_reader(written, parsed_writer, parsed_reader)
        except SchemaResolutionError:
            return False
    return True


def parse(schema: Any) -> avro.Node:
    return avro.parse(json.dumps(schema))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """A writer and its changed form, or now and then an unrelated one, as reader."""
    writer = draw(schemas())
    return writer, draw(schemas() if draw(st.integers(0, 9)) == 0 else changed(writer))


@settings(max_examples=500, deadline=None)
@given(pairs())
def test_agrees_with_fastavro(pair: tuple[Any, Any]) -> None:
    writer, reader = pair
    assert (not cannot_read(parse(reader), parse(writer))) == fastavro_reads_all(reader, writer)


@settings(max_examples=200, deadline=None)
@given(schemas())
def test_every_schema_reads_itself_and_every_level_allows_it_again(schema: Any) -> None:
    node = parse(schema)
    assert cannot_read(node, node) == []
    assert all(violations(level, node, [node]) == [] for level in LEVELS)


def record(*fields: Any, name: str = "com.shop.Order") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


ID = {"name": "id", "type": "string"}
TOTAL = {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}}
COARSE = {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 0}}


@pytest.mark.parametrize(
    ("writer", "reader", "expected"),
    [
        (record(ID), record(ID, {"name": "note", "type": "string"}),
         "note: READER_FIELD_MISSING_DEFAULT_VALUE: com.shop.Order has no such field and the reader gives it no default"),
        (record({"name": "lines", "type": {"type": "array", "items": record({"name": "n", "type": "string"}, name="Line")}}),
         record({"name": "lines", "type": {"type": "array", "items": record({"name": "n", "type": "long"}, name="Line")}}),
         "lines[].n: TYPE_MISMATCH: string is not readable as long"),
        (record({"name": "tags", "type": {"type": "map", "values": ["null", "string"]}}),
         record({"name": "tags", "type": {"type": "map", "values": ["null", "int"]}}),
         "tags{}: MISSING_UNION_BRANCH: no branch of the reader's union takes string"),
        (record({"name": "s", "type": {"type": "enum", "name": "State", "symbols": ["OPEN", "PAID"]}}),
         record({"name": "s", "type": {"type": "enum", "name": "State", "symbols": ["OPEN"]}}),
         "s: MISSING_ENUM_SYMBOLS: com.shop.State lacks PAID and has no default symbol"),
        ({"type": "fixed", "name": "Hash", "size": 16}, {"type": "fixed", "name": "Hash", "size": 32},
         "top: FIXED_SIZE_MISMATCH: 16 bytes became 32"),
        (record(ID), record(ID, name="com.shop.Invoice"),
         "top: NAME_MISMATCH: com.shop.Order was written, com.shop.Invoice is expected"),
        (record(TOTAL), record(COARSE), "total: DECIMAL_MISMATCH: decimal(9, 2) became decimal(9, 0)"),
        (record({"name": "o", "type": record(ID, name="Inner")}), record({"name": "o", "type": ["null", record(name="Inner")]}), ""),
        (record({"name": "o", "type": record(name="Inner")}), record({"name": "o", "type": ["null", record(ID, name="Inner")]}),
         "o.id: READER_FIELD_MISSING_DEFAULT_VALUE: com.shop.Inner has no such field and the reader gives it no default"),
        (record(ID, name="com.old.Order"), record(ID), ""),
        (record(ID, name="com.old.Sale"), {**record(ID), "aliases": ["com.old.Sale"]}, ""),
        (record(ID, {"name": "x", "type": "int"}), record({"name": "x", "type": "double"}, {**ID, "default": ""}), ""),
    ],
)  # fmt: skip
def test_the_message_names_the_place_and_the_rule(writer: Any, reader: Any, expected: str) -> None:
    assert "; ".join(map(str, cannot_read(parse(reader), parse(writer)))) == expected


OLD, OPTIONAL, REQUIRED = (
    record(ID),
    record(ID, {"name": "n", "type": "int", "default": 0}),
    record(ID, {"name": "n", "type": "int"}),
)


@pytest.mark.parametrize(
    ("level", "new", "earlier", "allowed"),
    [
        ("NONE", record(name="Other"), [OLD], True),
        ("BACKWARD", OPTIONAL, [OLD], True),
        ("BACKWARD", REQUIRED, [OLD], False),
        ("BACKWARD", OLD, [REQUIRED], True),
        ("FORWARD", REQUIRED, [OLD], True),
        ("FORWARD", OLD, [REQUIRED], False),
        ("FULL", OPTIONAL, [OLD], True),
        ("FULL", REQUIRED, [OLD], False),
        ("FULL", OLD, [REQUIRED], False),
        ("BACKWARD", REQUIRED, [OLD, OPTIONAL], True),
        ("BACKWARD_TRANSITIVE", REQUIRED, [OLD, OPTIONAL], False),
        ("FORWARD", OLD, [REQUIRED, OPTIONAL], True),
        ("FORWARD_TRANSITIVE", OLD, [REQUIRED, OPTIONAL], False),
        ("FULL_TRANSITIVE", OPTIONAL, [OLD, REQUIRED], True),
        ("FULL_TRANSITIVE", REQUIRED, [OLD, OPTIONAL], False),
    ],
)
def test_levels(level: str, new: Any, earlier: list[Any], allowed: bool) -> None:
    assert (violations(level, parse(new), [parse(e) for e in earlier]) == []) is allowed


def test_the_message_says_which_version_and_which_direction() -> None:
    found = violations("FULL_TRANSITIVE", parse(REQUIRED), [parse(OLD), parse(OPTIONAL)])
    rule = "n: READER_FIELD_MISSING_DEFAULT_VALUE: com.shop.Order has no such field and the reader gives it no default"
    assert found == [f"{rule} (the new schema cannot read what 1 of 2 earlier versions wrote)"]
