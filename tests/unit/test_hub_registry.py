"""The registry's decisions on its log: ids, versions, deletion, two writers at once, compaction."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.registry.avro import InvalidSchemaError, parse
from hub.registry.service import Registry, RegistryError
from hub.registry.view import View, config_record, deletion_record

INT, LONG, STRING = '"int"', '"long"', '"string"'


class MemoryLog:
    """The topic in memory. `behind` holds records of other writers that this view learns of with its own next append."""

    def __init__(self, shared: list[tuple[bytes, bytes | None]], view: View) -> None:
        self.shared, self.view, self.read = shared, view, 0

    def append(self, key: bytes, value: bytes | None) -> None:
        self.shared.append((key, value))
        self.catch_up()

    def catch_up(self) -> None:
        for key, value in self.shared[self.read :]:
            self.view.apply(key, value)
        self.read = len(self.shared)


def member(shared: list[tuple[bytes, bytes | None]]) -> Registry:
    view = View()
    return Registry(view, MemoryLog(shared, view))


@pytest.fixture
def registry() -> Registry:
    return member([])


def test_ids_belong_to_schemas_and_versions_to_subjects(registry: Registry) -> None:
    registry.set_level(None, "NONE")
    first, again, other = registry.register("a", INT), registry.register("a", ' "int" '), registry.register("b", INT)
    second = registry.register("a", STRING)
    assert [(v.subject, v.version, v.id) for v in (first, again, other, second)] == [
        ("a", 1, 1), ("a", 1, 1), ("b", 1, 1), ("a", 2, 2),
    ]  # fmt: skip
    assert registry.view.subjects() == ["a", "b"]
    assert (registry.versions("a"), registry.version("a", "latest").text, registry.schema("1")) == ([1, 2], STRING, INT)


def test_a_deleted_subject_keeps_ids_and_never_reuses_versions(registry: Registry) -> None:
    registry.set_level("a", "FULL")
    registry.register("a", INT)
    assert registry.delete("a") == [1]
    assert registry.view.subjects() == []
    assert registry.schema("1") == INT
    assert code(lambda: registry.versions("a")) == 40401
    assert code(lambda: registry.level("a")) == 40408
    assert (registry.register("a", STRING).version, registry.register("b", INT).id) == (2, 1)


def test_refusals_have_confluents_codes(registry: Registry) -> None:
    registry.register("a", INT)
    assert code(lambda: registry.register("a", STRING)) == 409
    assert code(lambda: registry.register("a", '{"type": "record"}')) == 42201
    assert code(lambda: registry.lookup("a", LONG)) == 40403
    assert code(lambda: registry.lookup("b", INT)) == 40401
    assert code(lambda: registry.version("a", "7")) == 40402
    assert code(lambda: registry.version("a", "two")) == 42202
    assert code(lambda: registry.version("a", "0")) == 42202
    assert code(lambda: registry.schema("99")) == 40403
    assert code(lambda: registry.schema("x")) == 40403
    assert code(lambda: registry.set_level("a", "SIDEWAYS")) == 42203
    assert registry.versions("a") == [1]


def test_levels_of_subjects_go_before_the_one_for_all(registry: Registry) -> None:
    assert registry.level(None) == "BACKWARD"
    assert (registry.set_level(None, "none"), registry.set_level("a", "FORWARD")) == ("NONE", "FORWARD")
    registry.register("a", INT)
    registry.register("b", INT)
    assert code(lambda: registry.register("a", STRING)) == 409
    assert registry.register("b", STRING).version == 2
    assert (registry.level("a"), registry.level("b", or_global=True)) == ("FORWARD", "NONE")
    assert registry.check("a", LONG, "latest") != []
    assert registry.check("b", LONG, None) == []


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from([0, 1]),
        st.sampled_from(["register", "register", "register", "delete", "catch_up", "catch_up"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from([INT, LONG, STRING, '"bytes"', '"double"']),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(OPERATIONS)
def test_two_writers_agree_and_no_answer_is_ever_taken_back(operations: list[Any]) -> None:
    """Each knows of the other's records only when it reads, yet ids and versions answered once hold for all, for ever."""
    shared: list[tuple[bytes, bytes | None]] = []
    members = [member(shared), member(shared)]
    members[0].set_level(None, "NONE")
    answered: set[tuple[str, int, int, str]] = set()
    for who, what, subject, text in operations:
        registry = members[who]
        if what == "catch_up":
            registry._log.catch_up()
        elif what == "register":
            v = registry.register(subject, text)
            answered.add((v.subject, v.version, v.id, text))
        elif registry.view.versions(subject):
            registry.delete(subject)
    late, compacted = member(shared), member(compact(shared))
    for registry in (*members, late, compacted):
        registry._log.catch_up()
        for subject, version, schema_id, text in answered:
            held = registry.view.find(subject, version)
            assert held is not None
            assert (held.id, held.text, registry.schema(str(schema_id))) == (schema_id, text, text)
    assert len({(subject, version) for subject, version, _, _ in answered}) == len(answered)


def compact(records: list[tuple[bytes, bytes | None]]) -> list[tuple[bytes, bytes | None]]:
    """What Kafka's cleaner leaves: each key's last record, in its place."""
    last = {key: position for position, (key, _) in enumerate(records)}
    return [record for position, record in enumerate(records) if last[record[0]] == position]


def test_records_are_confluents() -> None:
    registry = member([])
    registry.register("a", INT)
    registry.delete("a")
    key, value = registry._log.shared[0]
    assert json.loads(key) == {"keytype": "SCHEMA", "subject": "a", "version": 1, "magic": 1}
    assert json.loads(value) == {"subject": "a", "version": 1, "id": 1, "schema": INT, "deleted": False}
    assert deletion_record("a", 1) == (b'{"keytype":"DELETE_SUBJECT","subject":"a","magic":0}', b'{"subject":"a","version":1}')
    assert config_record(None, "FULL") == (b'{"keytype":"CONFIG","subject":null,"magic":0}', b'{"compatibilityLevel":"FULL"}')


@pytest.mark.parametrize("record", [(b"no json", b"{}"), (None, b"1"), (b'{"keytype":"NOOP","magic":0}', None), (b"[]", b"[]")])
def test_foreign_records_are_left_alone(record: tuple[bytes | None, bytes | None]) -> None:
    view = View()
    view.apply(*record)
    assert view.subjects() == []


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("{", "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("5", "top: a schema is a name, a list or an object, not 5"),
        ('"nope"', "top: no type is named 'nope'"),
        ("[]", "top: a union holds one or more branches, each type once, not []"),
        ('["int", "int"]', "top: a union holds one or more branches, each type once, not ['int', 'int']"),
        ('["null", ["int"]]', "top: a union holds no union"),
        ('{"type": "array"}', "top: 'items' is missing"),
        ('{"type": "enum", "name": "E", "symbols": ["a", "a"]}', 'top: E has symbols that are no names or come twice: ["a", "a"]'),
        ('{"type": "enum", "name": "E", "symbols": ["a"], "default": "b"}', 'top: the default "b" of E is not among its symbols'),
        ('{"type": "fixed", "name": "F", "size": -1}', "top: size of F is a whole number, not -1"),
        ('{"type": "fixed", "name": "1F", "size": 1}', 'top: "1F" is no name'),
        ('{"type": "record", "name": "R"}', "top: 'fields' is missing"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]}',
         'top: R has a field without a name of its own: "a"'),
        ('{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int", "default": "x"}]}', 'a: the default "x" is no int'),
        ('{"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "array", "items": "Q"}}]}',
         "a.items: no type is named 'Q'"),
        ('{"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3}', "top: a decimal has a precision and a scale from 0 to it"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
        ('{"type": "array", "items": ' * 100 + '"int"' + "}" * 100, "nested too deeply"),
    ],
)  # fmt: skip
def test_what_is_no_schema_is_refused_with_its_place(schema: str, message: str) -> None:
    with pytest.raises(InvalidSchemaError) as refused:
        parse(schema)
    assert str(refused.value) == message


def test_names_are_resolved_in_their_namespace() -> None:
    inner = {"type": "record", "name": "Line", "fields": [{"name": "order", "type": ["null", "Order"]}]}
    order = {"type": "record", "name": "Order", "namespace": "com.shop", "fields": [{"name": "lines", "type": {"type": "array", "items": inner}}]}  # fmt: skip
    node: Any = parse(json.dumps(order))
    line = node.fields[0].type.items
    assert (node.name, line.name, line.fields[0].type.branches[1] is node) == ("com.shop.Order", "com.shop.Line", True)


def code(call: Any) -> int:
    with pytest.raises(RegistryError) as refused:
        call()
    return refused.value.code
