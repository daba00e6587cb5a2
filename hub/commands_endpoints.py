"""`hub endpoints`: where webhooks are sent to."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hub import show
from hub.api_client import Api
from hub.errors import HubError
from hub.show import AsJson  # noqa: TC001 - typer reads the annotations

app = typer.Typer(help="Endpoints: where webhooks are sent to.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="Endpoint.")]
Events = Annotated[list[str] | None, typer.Option("--event", "-e", help="Event type: exact, order.* or *. Repeatable.")]
Channels = Annotated[list[str] | None, typer.Option("--channel", help="Only events of this channel. Repeatable.")]
Headers = Annotated[list[str] | None, typer.Option("--header", metavar="'NAME: VALUE'", help="Header to send along. Repeatable.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds one attempt may take, 1 to 30.")]
InFlight = Annotated[int | None, typer.Option(help="Requests under way at once, 1 to 128.")]
Schedule = Annotated[str | None, typer.Option(metavar="5s,5m,…", help="Delays before each retry; empty for the hub's.")]
Description = Annotated[str | None, typer.Option(help="For people.")]
Reason = Annotated[str | None, typer.Option(help="Why, for people.")]


@app.command("list")
def list_(tenant: str | None = None, state: str | None = None, as_json: AsJson = False) -> None:
    """All endpoints."""
    with Api.of_running_hub() as api:
        found = api.get("/endpoints", tenant=tenant, state=state)["data"]
    if as_json:
        show.as_json(found)
        return
    columns = [(name, lambda e, n=name: e[n]) for name in ("id", "state", "url", "event_types", "channels", "description")]
    show.table(found, columns, "no endpoints: make one with `hub endpoints create https://…`")


@app.command()
def create(
    url: Annotated[str, typer.Argument(help="Where to post to.")],
    endpoint_id: Annotated[str | None, typer.Option("--id", help="Made when absent.")] = None,
    event: Events = None,
    channel: Channels = None,
    header: Headers = None,
    timeout: Timeout = None,
    max_in_flight: InFlight = None,
    schedule: Schedule = None,
    description: Description = None,
    tenant: str | None = None,
    as_json: AsJson = False,
) -> None:
    """Make an endpoint and print its signing secret, this once."""
    body = _body(event, channel, header, timeout, max_in_flight, schedule, description)
    body |= {k: v for k, v in {"url": url, "id": endpoint_id, "tenant": tenant}.items() if v is not None}
    with Api.of_running_hub() as api:
        _tell(api.post("/endpoints", body), as_json=as_json)


@app.command("show")
def show_(endpoint_id: Id, as_json: AsJson = False) -> None:
    """One endpoint and how it does."""
    with Api.of_running_hub() as api:
        found = {**api.get(f"/endpoints/{endpoint_id}"), "health": api.get(f"/endpoints/{endpoint_id}/health")}
    if as_json:
        show.as_json(found)
        return
    health = found.pop("health")
    show.fields({**found, **{k: v for k, v in health.items() if k not in {*found, "endpoint_id"}}})


@app.command()
def update(
    endpoint_id: Id,
    url: Annotated[str | None, typer.Option(help="Where to post to.")] = None,
    event: Events = None,
    channel: Channels = None,
    header: Headers = None,
    timeout: Timeout = None,
    max_in_flight: InFlight = None,
    schedule: Schedule = None,
    description: Description = None,
    as_json: AsJson = False,
) -> None:
    """Change what is named; --header replaces all headers."""
    body = _body(event, channel, header, timeout, max_in_flight, schedule, description)
    body |= {} if url is None else {"url": url}
    if not body:
        raise HubError("Nothing to change: name an option, `hub endpoints update --help` lists them.")
    with Api.of_running_hub() as api:
        _tell(api.patch(f"/endpoints/{endpoint_id}", body), as_json=as_json)


@app.command()
def delete(endpoint_id: Id, as_json: AsJson = False) -> None:
    """Remove an endpoint; what waits for it is given up."""
    with Api.of_running_hub() as api:
        api.delete(f"/endpoints/{endpoint_id}")
    _tell({"id": endpoint_id, "deleted": True}, as_json=as_json)


@app.command()
def rotate(
    endpoint_id: Id,
    overlap: Annotated[float, typer.Option(help="Seconds the old secrets sign too.")] = 86_400,
    as_json: AsJson = False,
) -> None:
    """Make a new signing secret and print it, this once."""
    with Api.of_running_hub() as api:
        _tell(api.post(f"/endpoints/{endpoint_id}/rotate-secret", {"overlap_s": overlap}), as_json=as_json)


@app.command()
def pause(endpoint_id: Id, reason: Reason = None, as_json: AsJson = False) -> None:
    """Hold its deliveries back; they wait."""
    _do(endpoint_id, "pause", {"reason": reason}, as_json=as_json)


@app.command()
def resume(endpoint_id: Id, as_json: AsJson = False) -> None:
    """Send what waited while it was paused."""
    _do(endpoint_id, "resume", {}, as_json=as_json)


@app.command()
def disable(endpoint_id: Id, reason: Reason = None, as_json: AsJson = False) -> None:
    """Send nothing more and give up what is due."""
    _do(endpoint_id, "disable", {"reason": reason}, as_json=as_json)


@app.command()
def enable(endpoint_id: Id, as_json: AsJson = False) -> None:
    """Send again, whatever stopped it."""
    _do(endpoint_id, "enable", {}, as_json=as_json)


@app.command("test")
def send_test(endpoint_id: Id, as_json: AsJson = False) -> None:
    """Send one event of type hookstream.test to it."""
    _do(endpoint_id, "test", {}, as_json=as_json)


def _do(endpoint_id: str, what: str, body: dict[str, Any], *, as_json: bool) -> None:
    with Api.of_running_hub() as api:
        _tell(api.post(f"/endpoints/{endpoint_id}/{what}", body), as_json=as_json)


def _tell(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.as_json(found)
    else:
        show.fields(found)


def _body(
    event: list[str] | None,
    channel: list[str] | None,
    header: list[str] | None,
    timeout: float | None,
    max_in_flight: int | None,
    schedule: str | None,
    description: str | None,
) -> dict[str, Any]:
    """Fields of the API for the options that were named."""
    given = {
        "event_types": event,
        "channels": channel,
        "headers": None if header is None else dict(_header(text) for text in header),
        "timeout_s": timeout,
        "max_in_flight": max_in_flight,
        "retry_schedule": None if schedule is None else [part.strip() for part in schedule.split(",") if part.strip()],
        "description": description,
    }
    return {name: value for name, value in given.items() if value is not None}


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise HubError(f"--header {text!r}: write it as 'Name: value'.")
    return name.strip(), value.strip()
