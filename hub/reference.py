"""Writes docs/reference.md from the code, so that it cannot say anything else: `python -m hub.reference > docs/reference.md`."""

from __future__ import annotations

import inspect
import json
import re
import sys
import tokenize
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer.main
from prometheus_client import Counter, Gauge, Histogram

from console.api import OPERATIONS
from console.api.operation import PREFIX
from hub.cli import app
from runtime import durations, metrics, settings
from schemas import operational, topics
from schemas.providers import PROVIDERS
from schemas.records import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

DATA_PLANE: Final = (
    ("POST", "/in/{source_id}", "A provider's webhook. 2xx once Kafka acknowledged it; nothing unverified is processed."),
    ("POST", "/v1/events", "One event of your own: type, data, key; header Idempotency-Key. Bearer admin key."),
    ("POST", "/v1/events/batch", "Up to 1000 of them."),
)
OPERATIONS_PAGES: Final = (
    ("GET", "/healthz", "Whether the process lives."),
    ("GET", "/readyz", "Whether it is ready, and each component's state in words; 503 when not."),
    ("GET", "/metrics", "Figures for Prometheus."),
)


def main() -> int:
    """Print the whole document."""
    sys.stdout.write(document())
    return 0


def document() -> str:
    """The reference as Markdown."""
    parts = (_INTRODUCTION, _settings(), _topics(), _api(), _operational(), _cli(), _providers(), _metrics(), _records())
    return "\n\n".join(parts) + "\n"


_INTRODUCTION: Final = """# Reference

Made from the code by `python -m hub.reference > docs/reference.md`; a test keeps it current.

- [Settings](#settings)
- [Topics](#topics)
- [HTTP](#http)
- [Operational events](#operational-events)
- [Command line](#command-line)
- [Providers](#providers)
- [Metrics](#metrics)
- [Records](#records)"""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)


# --- settings

_SETTINGS: Final = """## Settings

All are environment variables; an empty one counts as unset. A value that cannot be used ends the process with one line
that names the variable and what it takes.

### Every process"""


def _settings() -> str:
    return "\n\n".join(
        (
            _SETTINGS,
            _variables(settings.Settings, settings.VARIABLES),
            "### Only `hub`",
            _variables(settings.HubSettings, settings.HUB_VARIABLES),
        )
    )


def _variables(struct: type[settings.Settings | settings.HubSettings], variables: Mapping[str, tuple[str, object]]) -> str:
    meanings, defaults = dict(_comments(struct)), struct()
    rows = ((f"`{v}`", _default(getattr(defaults, field)), meanings[field]) for v, (field, _) in variables.items())
    return _table(("variable", "default", "meaning"), rows)


def _comments(struct: type) -> Iterator[tuple[str, str]]:
    """Each field and the comment of its definition: the comment is the field's documentation."""
    field = ""
    for token in tokenize.generate_tokens(StringIO(inspect.getsource(struct)).readline):
        if token.type == tokenize.NAME and token.start[1] == 4:
            field = token.string
        elif token.type == tokenize.COMMENT and field in struct.__annotations__:
            yield field, token.string.removeprefix("#").strip()


def _default(value: object) -> str:
    if value in (None, "", ()):
        return "none"
    if isinstance(value, float):  # every one of them is a length of time
        return f"`{durations.show(value)}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{durations.show(v) if isinstance(v, float) else v}`" for v in value)
    return f"`{value}`"


# --- topics


def _topics() -> str:
    rows = ((f"`{t.name}`", t.key, f"[{_name(t)}](#{_name(t).lower()})", str(t.partitions), _kept(t)) for t in topics.ALL)
    return (
        "## Topics\n\n`hub topics apply` creates them and mends what differs, `hub topics check` says what does. "
        "Values are Avro in the Confluent wire format.\n\n" + _table(("topic", "key", "record", "partitions", "kept"), rows)
    )


def _name(topic: topics.Topic[Any]) -> str:
    return topic.record.__name__


def _kept(topic: topics.Topic[Any]) -> str:
    return "the newest of each key" if topic.compacted else durations.show(topic.retention_ms / 1000)


# --- HTTP

_HTTP: Final = """## HTTP

Errors are problem details (RFC 9457) that name the field. The control plane describes itself at `/api/docs` and, as
OpenAPI 3.1, at `/api/openapi.json`.

### Data plane: the ingress, port 8080"""


def _api() -> str:
    control = ((o.method, f"`{PREFIX}{o.path}`", o.summary) for o in OPERATIONS)
    head = ("method", "path", "")
    return "\n\n".join(
        (
            _HTTP,
            _table(head, ((method, f"`{path}`", words) for method, path, words in DATA_PLANE)),
            "### Control plane: the console, port 8081\n\nBearer admin key. The dashboard is at `/`.",
            _table(head, control),
            "### Every process\n\nPorts 8080 (ingress), 8081 (console), 8082 (processors), 8083 (delivery).",
            _table(head, ((method, f"`{path}`", words) for method, path, words in OPERATIONS_PAGES)),
        )
    )


# --- operational events

_OPERATIONAL: Final = """## Operational events

What the hub tells of itself, delivered like any event to endpoints that ask for `endpoint.*`, `delivery.*` or the very type. `*` does
not cover them, an endpoint is not told of itself, and a delivery of one never causes another. The key is the endpoint's id. No
source of yours can publish these types through `/v1/events`."""


def _operational() -> str:
    types = ((f"`{name}`", words) for name, words in operational.OPERATIONAL.items())
    fields = ((f"`{name}`", words) for name, words in operational.FIELDS.items())
    more = ((f"`{name}`", words) for name, words in operational.DELIVERY_FIELDS.items())
    return "\n\n".join(
        (
            _OPERATIONAL,
            _table(("type", "when"), types),
            "Their data:",
            _table(("field", "meaning"), fields),
            f"Of `{operational.EXHAUSTED}` also:",
            _table(("field", "meaning"), more),
        )
    )


# --- command line


def _cli() -> str:
    sections = ["## Command line\n\nEvery command has `--help`; those that answer something have `--json`."]
    sections += [_command(path, command) for path, command in _commands("hub", typer.main.get_command(app))]
    return "\n\n".join(sections)


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    for name, sub in getattr(command, "commands", {}).items():
        if not hasattr(sub, "commands"):
            yield f"{path} {name}", sub
        yield from _commands(f"{path} {name}", sub)


def _command(path: str, command: Any) -> str:
    arguments = "".join(f" {_argument(p)}" for p in command.params if p.param_type_name == "argument")
    words = re.sub(r"^  (?=\S)", "    ", inspect.cleandoc(command.help or ""), flags=re.MULTILINE)  # examples are code
    text = f"### `{path}{arguments}`\n\n{words}"
    options = [(f"`{', '.join(p.opts)}`", _help(p)) for p in command.params if p.param_type_name == "option"]
    return f"{text}\n\n{_table(('option', ''), options)}" if options else text


def _argument(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _help(option: Any) -> str:
    shown = f" Default {option.default}." if option.default not in (None, False, "", ()) and not callable(option.default) else ""
    return (option.help or "") + shown


# --- providers


def _providers() -> str:
    rows = ((f"`{p.slug}`", p.title, p.key_help) for p in PROVIDERS.values())
    parts = ["## Providers", _table(("provider", "name", "secret"), rows)]
    for p in PROVIDERS.values():
        if p.options:
            options = (
                (f"`{o.name}`", "required" if o.required else f"`{o.default}`" if o.default else "none", o.help)
                for o in p.options
            )
            parts += [f"Options of `{p.slug}`:", _table(("option", "default", ""), options)]
    return "\n\n".join(parts)


# --- metrics


def _metrics() -> str:
    found = [m for m in vars(metrics).values() if isinstance(m, Counter | Gauge | Histogram)]
    rows = ((f"`{_exposed(m)}`", m._type, ", ".join(m._labelnames) or "none", m._documentation) for m in found)  # noqa: SLF001
    return (
        "## Metrics\n\nTimes are seconds. A histogram has `_bucket`, `_sum` and `_count`. "
        "The dashboard in `grafana/` shows all of them.\n\n" + _table(("metric", "kind", "labels", "meaning"), rows)
    )


def _exposed(metric: Counter | Gauge | Histogram) -> str:
    return str(metric._name) + "_total" * isinstance(metric, Counter)  # noqa: SLF001


# --- records


def _records() -> str:
    parts = ["## Records\n\nThe schemas are `schemas/avro/*.avsc`; times are `timestamp-millis`, money is a decimal of scale 6."]
    folder = Path(settings.__file__).parents[1] / "schemas" / "avro"
    for path in sorted(folder.glob(f"{NAMESPACE}.*.avsc")):
        schema = json.loads(path.read_text())
        rows = ((f"`{f['name']}`", _type(f["type"]), f["doc"]) for f in schema["fields"])
        parts.append(f"### {schema['name']}\n\n{schema['doc']}\n\n" + _table(("field", "type", "meaning"), rows))
    return "\n\n".join(parts)


def _type(node: Any) -> str:
    match node:
        case [_, inner]:
            return f"{_type(inner)} or null"
        case {"type": "array"}:
            return f"list of {_type(node['items'])}"
        case {"type": "map"}:
            return f"map to {_type(node['values'])}"
        case {"logicalType": "decimal"}:
            return "decimal"
        case {"logicalType": _}:
            return "time"
    name = str(node).removeprefix(f"{NAMESPACE}.")
    return f"[{name}](#{name.lower()})" if name != node else name


if __name__ == "__main__":
    sys.exit(main())
