"""The corpus of hostile header lines against the API's check and the request builder: what one refuses the other does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console import checks
from schemas import headers as rules
from tests.unit.test_delivery_request import builder, lines, request

CORPUS = json.loads((Path(__file__).parents[1] / "vectors" / "headers.json").read_text())


def test_the_corpus_is_as_large_as_it_says():
    assert len(CORPUS["refused"]) >= 100
    assert len({tuple(pair) for pair in CORPUS["refused"]}) == len(CORPUS["refused"])


@pytest.mark.parametrize(("name", "value"), CORPUS["refused"])
def test_refused_by_the_api_and_by_the_builder(name, value):
    assert checks.headers({name: value}) != []
    assert rules.name_problem(name) or rules.value_problem(value)
    with pytest.raises(ValueError, match="headers"):
        builder({name: value})


@pytest.mark.parametrize(("name", "value"), CORPUS["accepted"])
def test_accepted_and_sent_as_one_line(name, value):
    assert checks.headers({name: value}) == []
    found = request(builder({name: value}))
    assert sum(line.lower().startswith(f"{name.lower()}:") for line in found.headers) == 1 or not value.strip()
    assert len(found.headers) == len(request(builder()).headers) + 1
    if value.strip():
        assert lines(found)[name.lower()] == value.strip()
