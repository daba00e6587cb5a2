"""What endpoint and source fields may be: pure checks that name the field and the fix."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from console import credentials
from console.urls import problem_of
from runtime import durations
from schemas import headers as header_rules
from schemas import providers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from console.forms import EndpointForm, SourceForm
    from runtime.settings import Network

Problems = list[tuple[str, str]]

ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
EVENT_TYPE: Final = re.compile(r"\*|[a-z0-9_]+(\.[a-z0-9_]+)*(\.\*)?")

DESCRIPTION_MAX: Final = 500
LIST_MAX: Final = 100
SCHEDULE_MAX: Final = 20
DELAY_MAX_S: Final = 7 * 24 * 3600
OVERLAP_MAX_S: Final = 30 * 24 * 3600
TIMEOUT_S: Final = (1, 30)
IN_FLIGHT: Final = (1, 128)
RATE_MAX: Final = 10_000
BATCH: Final = (1, 500)
BATCH_WAIT_MS: Final = (0, 60_000)
UNSUPPORTED: Final = ("filter", "transform")


def unsupported(fields: Mapping[str, Any]) -> Problems:
    """Fields of the endpoint API that this version does not honour: refused rather than stored and ignored."""
    return [(name, "is not supported by this version: leave it out") for name in UNSUPPORTED if fields.get(name) is not None]


def endpoint(form: EndpointForm, allowed: Iterable[Network], now_ms: int) -> Problems:
    """What is wrong with an endpoint."""
    allowed = tuple(allowed)
    wrong = problem_of(form.url, allowed)
    return [
        *_identity(form.id, form.tenant, form.description),
        *([("url", wrong)] if wrong else []),
        *_event_types(form.event_types),
        *_channels(form.channels),
        *headers(form.headers),
        *_range("timeout_s", form.timeout_s, TIMEOUT_S),
        *_range("max_in_flight", form.max_in_flight, IN_FLIGHT),
        *schedule(form.retry_schedule)[1],
        *_rate_limit(form.rate_limit),
        *_range("batch_max", form.batch_max, BATCH),
        *_range("batch_wait_ms", form.batch_wait_ms, BATCH_WAIT_MS),
        *credentials.problems(form, allowed, now_ms),
    ]


def source(form: SourceForm) -> Problems:
    """What is wrong with a source, its secrets included."""
    found = _identity(form.id, form.tenant, form.description)
    if form.id == providers.API_SOURCE:
        found.append(("id", f"{form.id!r} is the source of /v1/events: choose another"))
    if form.external_url is not None and not re.fullmatch(r"https?://[!-~]{1,2000}", form.external_url):
        found.append(("external_url", "want the whole URL as the sender has it, such as https://hooks.shop.example/in/shop"))
    found += providers.validate(form.provider, form.options, form.secrets, form.external_url)
    return found + providers.validate_ip_allowlist(form.ip_allowlist)


def overlap(seconds: float) -> Problems:
    """What is wrong with the overlap of a rotation."""
    return _range("overlap_s", seconds, (0, OVERLAP_MAX_S))


def schedule(delays: Sequence[str | float]) -> tuple[list[float], Problems]:
    """A retry schedule in seconds, and what is wrong with it. A leading 0 is the first attempt and is dropped."""
    seconds: list[float] = []
    found: Problems = []
    for index, delay in enumerate(delays):
        try:
            value = durations.parse(delay) if isinstance(delay, str) else float(delay)
        except ValueError as e:
            found.append((f"retry_schedule[{index}]", str(e)))
            continue
        if not 0 <= value <= DELAY_MAX_S:
            found.append((f"retry_schedule[{index}]", "want 0 to 7 days"))
        elif value > 0 or index > 0:
            seconds.append(value)
    if len(delays) > SCHEDULE_MAX:
        found.append(("retry_schedule", f"want at most {SCHEDULE_MAX} delays"))
    return seconds, found


def headers(wanted: Mapping[str, str]) -> Problems:
    """What is wrong with extra request headers."""
    found: Problems = []
    if len(wanted) > LIST_MAX // 4:
        found.append(("headers", f"want at most {LIST_MAX // 4}"))
    for name, value in wanted.items():
        problems = header_rules.name_problem(name), header_rules.value_problem(value)
        found += [(f"headers.{name[:100]}", problem) for problem in problems if problem]
    if len({n.lower() for n in wanted}) < len(wanted):
        found.append(("headers", "the same name is there twice, in different case: keep one"))
    return found


def _identity(given_id: str | None, tenant: str, description: str) -> Problems:
    found: Problems = []
    if given_id is not None and not ID.fullmatch(given_id):
        found.append(("id", "want 1 to 64 of a-z, 0-9, - and _, beginning with a letter or a digit"))
    if not TENANT.fullmatch(tenant):
        found.append(("tenant", "want 1 to 64 letters, digits, -, _ and ., beginning with a letter or a digit"))
    if len(description) > DESCRIPTION_MAX:
        found.append(("description", f"want at most {DESCRIPTION_MAX} characters"))
    return found


def _event_types(wanted: Sequence[str]) -> Problems:
    if not 1 <= len(wanted) <= LIST_MAX:
        return [("event_types", f'want 1 to {LIST_MAX} types; ["*"] takes all')]
    return [
        (f"event_types[{i}]", f"{text[:100]!r} is no event type: write order.created, order.* or *")
        for i, text in enumerate(wanted)
        if len(text) > 100 or not EVENT_TYPE.fullmatch(text)
    ]


def _channels(wanted: Sequence[str]) -> Problems:
    if len(wanted) > LIST_MAX:
        return [("channels", f"want at most {LIST_MAX}")]
    return [
        (f"channels[{i}]", "want 1 to 100 printable characters")
        for i, c in enumerate(wanted)
        if not re.fullmatch(r"[ -~]{1,100}", c)
    ]


def _rate_limit(wanted: float | None) -> Problems:
    if wanted is None or 0 < wanted <= RATE_MAX:
        return []
    return [("rate_limit", f"want more than 0 and at most {RATE_MAX} requests per second, such as 5 or 0.5; null for no limit")]


def _range(field: str, value: float, bounds: tuple[float, float]) -> Problems:
    low, high = bounds
    return [] if low <= value <= high else [(field, f"want {low:g} to {high:g}")]
