"""Logs: one JSON object a line, whatever is logged."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import pytest

from runtime import log


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Standard error of a process whose logging was set up."""
    root, out = logging.getLogger(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    monkeypatch.setattr("sys.stderr", out)
    root.handlers.clear()  # not ours to close: pytest's
    log.setup("info")
    yield out
    root.handlers[:] = handlers
    root.setLevel(level)


def written(lines: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_line_has_time_level_logger_message_and_the_fields(lines: io.StringIO) -> None:
    logging.getLogger("delivery.engine").warning("delivery %s", "attempted", extra={"endpoint": "ep_1", "status": 500})
    (line,) = written(lines)
    assert datetime.fromisoformat(line.pop("at")).utcoffset() is not None
    assert line == {
        "level": "warning", "logger": "delivery.engine", "message": "delivery attempted", "endpoint": "ep_1", "status": 500,
    }  # fmt: skip


def test_a_message_of_several_lines_stays_one_line(lines: io.StringIO) -> None:
    logging.getLogger("a").error("first\nsecond\u2028third", extra={"body": 'say "hi"\r\n'})
    assert len(lines.getvalue().splitlines()) == 1
    assert written(lines)[0]["body"] == 'say "hi"\r\n'


def test_values_json_does_not_know_are_shown_as_text(lines: io.StringIO) -> None:
    logging.getLogger("a").info("m", extra={"amount": Decimal("1.50"), "raw": b"\xff", "odd": "\ud800"})
    (line,) = written(lines)
    assert (line["amount"], line["raw"]) == ("1.50", "b'\\xff'")


def test_an_exception_is_a_field(lines: io.StringIO) -> None:
    try:
        raise LookupError("no such source")
    except LookupError:
        logging.getLogger("a").exception("failed")
    assert written(lines)[0]["exception"].endswith("LookupError: no such source")


def test_levels_are_kept_and_chatty_libraries_hushed(lines: io.StringIO) -> None:
    logging.getLogger("a").debug("not asked for")
    logging.getLogger("aiokafka").info("chatter")
    logging.getLogger("aiokafka").warning("trouble")
    assert [line["message"] for line in written(lines)] == ["trouble"]
