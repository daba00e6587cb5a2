"""`hub send`: a validly signed sample webhook of any provider, posted to a source of the running hub."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any, Final

import httpx
import msgspec
import typer
from rich.console import Console

from hub import samples
from hub.environment import running_hub
from hub.errors import HubError
from runtime import config, process
from runtime.settings import Settings

err = Console(stderr=True, highlight=False, soft_wrap=True)
READY_S: Final = 15
_TAKEN: Final = frozenset({"provider", "topic", "secret", "now_ms", "options", "external_url", "body"})
_PARAMS = typer.Option(
    "--set", metavar="NAME=VALUE", help="Fill in a variable of the sample, such as order_id=5 or sku=TS-1. Repeatable."
)


def send(
    provider: Annotated[str, typer.Argument(help=f"One of {', '.join(samples.providers())}.")],
    topic: Annotated[
        str | None, typer.Argument(help="What happened, in the provider's words; its main topic by default.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Source to send to; the only one of that provider by default.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many, each with ids of its own.")] = 1,
    rate: Annotated[float, typer.Option(min=0, help="How many per second; 0 for one after the other.")] = 0,
    values: Annotated[list[str] | None, _PARAMS] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a webhook.")] = False,
) -> None:
    """Post a validly signed sample to a source of the running hub, as its provider would.

    Examples:

      hub send shopify orders/create

      hub send stripe payment_intent.succeeded --set order_id=1004

      hub send shopify inventory_levels/update --set sku=TS-1 --set available=3 --count 20 --rate 5
    """
    filled = _values(values or [])
    settings = Settings.from_env(running_hub())
    chosen = _choose(settings, provider, source)
    url = f"http://127.0.0.1:{settings.ingress_port}/in/{chosen.config.id}"
    started = time.monotonic()
    failed = 0
    with httpx.Client(timeout=15) as client:
        for number in range(count):
            if rate:
                time.sleep(max(0.0, started + number / rate - time.monotonic()))
            failed += not _send_one(client, url, provider, topic, chosen, filled, as_json=as_json)
    if failed:
        sys.exit(1)


def _send_one(
    client: httpx.Client,
    url: str,
    provider: str,
    topic: str | None,
    source: config.Source,
    filled: dict[str, Any],
    *,
    as_json: bool,
) -> bool:
    now_ms = time.time_ns() // 1_000_000
    secret = next((s.value for s in source.secrets if s.active(now_ms)), None)
    if secret is None:
        raise HubError(f"Source {source.config.id} has no secret that is still valid: rotate it with `hub sources rotate`.")
    try:
        headers, body = samples.sample(
            provider,
            topic,
            secret=secret,
            now_ms=now_ms,
            options=source.config.options or None,
            external_url=source.config.external_url,
            **filled,
        )
    except ValueError as e:
        raise HubError(f"{e}.") from e
    try:
        answer = client.post(url, content=body, headers=headers)
    except httpx.TransportError as e:
        raise HubError(f"The ingress at {url} does not answer ({e}): is the hub up? `hub status` tells.") from e
    if as_json:
        typer.echo(msgspec.json.encode({"status": answer.status_code, "answer": answer.text, "bytes": len(body)}).decode())
    else:
        typer.echo(
            f"{answer.status_code}  {provider} {topic or samples.topics(provider)[0]}  {len(body)} bytes  {answer.text[:200]}"
        )
    return answer.is_success


def _choose(settings: Settings, provider: str, source: str | None) -> config.Source:
    """The source to send to, its secrets opened with the hub's own key."""
    if provider not in samples.providers():
        raise HubError(f"There is no provider {provider}: use one of {', '.join(samples.providers())}.")
    parts = process.build("send", settings)
    sources = config.sources(parts.kafka, parts.codec, parts.box)
    sources.start()
    try:
        sources.wait_ready(READY_S)
    except TimeoutError as e:
        raise HubError(f"{e}: is the hub up? `hub status` tells.") from e
    finally:
        sources.close()
        parts.ids.close()
    fitting = {name: s for name, s in sources.items.items() if s.config.provider == provider and source in (None, name)}
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    if not fitting:
        which = f"called {source} " if source else ""
        raise HubError(f"There is no {provider} source {which}to send to: make one with `hub sources create`.")
    raise HubError(f"There are several {provider} sources: choose one with --source, of {', '.join(sorted(fitting))}.")


def _values(pairs: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name in _TAKEN:
            raise HubError(f"--set {pair}: write NAME=VALUE with a variable of the sample.")
        values[name] = int(value) if value.lstrip("-").isdecimal() else value
    return values
