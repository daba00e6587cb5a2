"""`hub listen`: a receiver on this machine that verifies deliveries and prints them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from hub.api_client import Api
from hub.errors import HubError
from hub.listener import Listener
from hub.show import AsJson  # noqa: TC001 - typer reads the annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hub.listener import Arrival

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def listen(
    events: Annotated[
        list[str] | None,
        typer.Option("--event", "-e", help="What to listen to: exact, order.* or *. Repeatable; all by default."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free one.")] = 0,
    secret: Annotated[str | None, typer.Option(help="Only listen, with this secret (whsec_…): register no endpoint.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many deliveries.")] = None,
    body: Annotated[bool, typer.Option("--body", help="Print the bodies, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Receive deliveries here, verify their signatures, print them.

    Registers an endpoint with the running hub and removes it at the end. The hub must be allowed to post to this
    machine: start it with HUB_EGRESS_ALLOW=127.0.0.0/8.

    Examples:

      hub listen

      hub listen --event 'order.*' --body
    """
    asyncio.run(_listen(tuple(events or ["*"]), port, secret, count, lambda arrival: _show(arrival, body=body, as_json=as_json)))


async def _listen(
    events: tuple[str, ...], port: int, secret: str | None, count: int | None, show: Callable[[Arrival], None]
) -> None:
    stop, seen = asyncio.Event(), 0

    def take(arrival: Arrival) -> None:
        nonlocal seen
        show(arrival)
        seen += 1
        if seen == count:
            stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Listener(take).listening(port) as listener:
        with _endpoint(listener.url, events, secret) as active:
            listener.secrets = (active,)
            what = ", ".join(events) if secret is None else "whatever is sent here"
            err.print(f"listening for {what} at {listener.url}; stop with Ctrl-C")
            await stop.wait()


@contextlib.contextmanager
def _endpoint(url: str, events: tuple[str, ...], secret: str | None) -> Iterator[str]:
    """The signing secret; of an endpoint that exists while the context is open, unless one is given."""
    if secret is not None:
        yield secret
        return
    with Api.of_running_hub() as api:
        made = api.post("/endpoints", {"url": url, "event_types": list(events), "description": "hub listen"})
        try:
            yield made["secret"]
        finally:
            with contextlib.suppress(HubError):  # the hub has gone: there is nothing to remove it from
                api.delete(f"/endpoints/{made['id']}")


def _show(arrival: Arrival, *, body: bool, as_json: bool) -> None:
    kind, webhook_id = (arrival.headers.get(name, "?") for name in ("x-hookstream-event", "webhook-id"))
    attempt = arrival.headers.get("x-hookstream-attempt", "?")
    if as_json:
        line = {
            "at_ns": arrival.at_ns,
            "event": kind,
            "webhook_id": webhook_id,
            "attempt": attempt,
            "refused": arrival.refused,
            "body": arrival.body.decode("utf-8", "replace"),
        }
        typer.echo(msgspec.json.encode(line).decode())
        return
    at = time.strftime("%H:%M:%S", time.localtime(arrival.at_ns / 1e9))
    verdict = "[green]verified[/]" if arrival.refused is None else f"[red]refused: {arrival.refused}[/]"
    out.print(f"{at}  {kind:24} {webhook_id}  attempt {attempt}  {len(arrival.body):,} bytes  {verdict}")
    if body:
        out.print(arrival.body.decode("utf-8", "replace"), markup=False)
