"""`hub endpoints`: where webhooks are sent to."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hub import endpoint_options as o
from hub import show
from hub.api_client import Api
from hub.errors import HubError
from hub.show import AsJson  # noqa: TC001 - typer reads the annotations

app = typer.Typer(help="Endpoints: where webhooks are sent to.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="Endpoint.")]
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
    event: o.Events = None,
    channel: o.Channels = None,
    header: o.Headers = None,
    timeout: o.Timeout = None,
    max_in_flight: o.InFlight = None,
    schedule: o.Schedule = None,
    description: o.Description = None,
    ordering: o.Ordering = None,
    rate_limit: o.RateLimit = None,
    batch_max: o.BatchMax = None,
    batch_wait: o.BatchWait = None,
    auth: o.Auth = None,
    ca: o.Ca = None,
    signature: o.Signature = None,
    tenant: str | None = None,
    as_json: AsJson = False,
) -> None:
    """Make an endpoint and print its signing secret, this once."""
    body = o.body(
        url=url, endpoint_id=endpoint_id, tenant=tenant, event=event, channel=channel, header=header, timeout=timeout,
        max_in_flight=max_in_flight, schedule=schedule, description=description, ordering=ordering, rate_limit=rate_limit,
        batch_max=batch_max, batch_wait=batch_wait, signature=signature, auth=auth, ca=ca,
    )  # fmt: skip
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
def health(endpoint_id: Id, as_json: AsJson = False) -> None:
    """How it does: state, breaker, since when it fails, what waits, the last hour."""
    with Api.of_running_hub() as api:
        _tell(api.get(f"/endpoints/{endpoint_id}/health"), as_json=as_json)


@app.command()
def update(
    endpoint_id: Id,
    url: Annotated[str | None, typer.Option(help="Where to post to.")] = None,
    event: o.Events = None,
    channel: o.Channels = None,
    header: o.Headers = None,
    timeout: o.Timeout = None,
    max_in_flight: o.InFlight = None,
    schedule: o.Schedule = None,
    description: o.Description = None,
    ordering: o.Ordering = None,
    rate_limit: o.RateLimit = None,
    batch_max: o.BatchMax = None,
    batch_wait: o.BatchWait = None,
    auth: o.Auth = None,
    ca: o.Ca = None,
    as_json: AsJson = False,
) -> None:
    """Change what is named; --header replaces all headers."""
    body = o.body(
        url=url, event=event, channel=channel, header=header, timeout=timeout, max_in_flight=max_in_flight, schedule=schedule,
        description=description, ordering=ordering, rate_limit=rate_limit, batch_max=batch_max, batch_wait=batch_wait, auth=auth, ca=ca,
    )  # fmt: skip
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
    signature: o.Signature = None,
    as_json: AsJson = False,
) -> None:
    """Make a new signing secret, of another kind if named, and print it, this once."""
    body = {"overlap_s": overlap} | o.body(signature=signature)
    with Api.of_running_hub() as api:
        _tell(api.post(f"/endpoints/{endpoint_id}/rotate-secret", body), as_json=as_json)


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
    """Send nothing more, route nothing more to it and give up what is due."""
    _do(endpoint_id, "disable", {"reason": reason}, as_json=as_json)


@app.command()
def enable(
    endpoint_id: Id,
    recover: Annotated[
        bool | None,
        typer.Option(
            "--recover/--no-recover", help="Send what it missed since it began to fail. Default: if the hub disabled it."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send again, whatever stopped it."""
    _do(endpoint_id, "enable", {} if recover is None else {"recover": recover}, as_json=as_json)


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
