"""How an endpoint does, in one or two sentences: since when, how often, why, and what happens next. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.pages.format import clock, plural, relative

if TYPE_CHECKING:
    from console.health import EndpointCondition


def answer(state: str, h: EndpointCondition, now: int) -> str:
    """The first line of an endpoint's page. `state` is the one shown: failing or active, paused, disabled."""
    if state in {"paused", "disabled"}:
        return f"{_stopped(state, h)}; {_waits(h, now)}."
    if h.failing_from_at is not None:
        return " ".join((_failing(h, h.failing_from_at, now), *_breaker(h, now), _sentence(_waits(h, now))))
    if h.last_success_at is None and h.last_failure_at is None:
        if h.waiting:
            return f"Nothing was sent here yet; {_waits(h, now)}."
        return "Nothing was sent here yet: send a test to see it work."
    success = f"last success {relative(h.last_success_at, now)}" if h.last_success_at is not None else "it never succeeded"
    told = [success]
    if state == "failing" and h.last_failure_at is not None:
        told.insert(0, f"last failure {relative(h.last_failure_at, now)}")
    return f"{_sentence(', '.join(told))[:-1]}; {_waits(h, now)}."


def breaker(h_breaker: str, probe_at: int | None, now: int) -> str:
    """What the breaker does, for lists; empty when it lets everything through."""
    if h_breaker == "open":
        when = f", probe {clock(probe_at, now)}" if probe_at is not None and probe_at > now else ", probe due"
        return f"breaker open{when}"
    return "breaker probing" if h_breaker == "half_open" else ""


def _stopped(state: str, h: EndpointCondition) -> str:
    reason = (h.state_reason or state).rstrip(".")
    if state == "disabled" and h.disabled_by == "hub":
        return f"The hub disabled it: {reason}"
    return f"{reason[:1].upper()}{reason[1:]}"


def _failing(h: EndpointCondition, since: int, now: int) -> str:
    last = h.last_error or (f"status {h.last_status}" if h.last_status is not None else "")
    told = f" (last: {last})" if last else ""
    return f"Failing since {clock(since, now)} UTC: {plural(h.failures, 'attempt')} in a row failed{told}."


def _breaker(h: EndpointCondition, now: int) -> list[str]:
    if h.breaker == "half_open":
        return ["The breaker lets one attempt through to see whether it answers."]
    if h.breaker != "open":
        return []
    if h.probe_at is None or h.probe_at <= now:
        return ["The breaker is open; the next probe is due."]
    return [f"The breaker is open; next probe {clock(h.probe_at, now)} UTC, {relative(h.probe_at, now)}."]


def _waits(h: EndpointCondition, now: int) -> str:
    if not h.waiting:
        return "nothing waits"
    oldest = f", the oldest since {clock(h.oldest_waiting_at, now)} UTC" if h.oldest_waiting_at is not None else ""
    return f"{plural(h.waiting, 'delivery waits', 'deliveries wait')}{oldest}"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
