"""`hub sources`: where webhooks come from."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from hub import show
from hub.api_client import Api
from hub.errors import HubError
from hub.show import AsJson  # noqa: TC001 - typer reads the annotations

app = typer.Typer(help="Sources: where webhooks come from.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="Source.")]
Secrets = Annotated[list[str] | None, typer.Option("--secret", help="Secret of the provider; - reads a line. Repeatable.")]
Options = Annotated[
    list[str] | None, typer.Option("--option", "-o", metavar="NAME=VALUE", help="Option of the provider. Repeatable.")
]
Ranges = Annotated[list[str] | None, typer.Option("--allow-ip", metavar="CIDR", help="Take it only from here. Repeatable.")]
ExternalUrl = Annotated[str | None, typer.Option(help="The URL as the sender knows it, where the scheme signs it.")]
Description = Annotated[str | None, typer.Option(help="For people.")]


@app.command("list")
def list_(tenant: str | None = None, provider: str | None = None, as_json: AsJson = False) -> None:
    """All sources."""
    with Api.of_running_hub() as api:
        found = api.get("/sources", tenant=tenant, provider=provider)["data"]
    if as_json:
        show.as_json(found)
        return
    columns = [(name, lambda s, n=name: s[n]) for name in ("id", "provider", "path", "enabled", "ip_allowlist", "description")]
    show.table(found, columns, "no sources: make one with `hub sources create shopify --secret …`")


@app.command()
def create(
    provider: Annotated[str, typer.Argument(help="Such as shopify, stripe or generic-hmac.")],
    source_id: Annotated[str | None, typer.Option("--id", help="The provider's name when absent.")] = None,
    secret: Secrets = None,
    option: Options = None,
    allow_ip: Ranges = None,
    external_url: ExternalUrl = None,
    description: Description = None,
    tenant: str | None = None,
    as_json: AsJson = False,
) -> None:
    """Make a source and say where its provider posts to."""
    body = _body(option, allow_ip, external_url, description)
    body |= {"provider": provider, "secrets": [_secret(text) for text in secret or []]}
    body |= {k: v for k, v in {"id": source_id, "tenant": tenant}.items() if v is not None}
    with Api.of_running_hub() as api:
        _tell(api.post("/sources", body), as_json=as_json)


@app.command("show")
def show_(source_id: Id, as_json: AsJson = False) -> None:
    """One source; its secrets stay hidden."""
    with Api.of_running_hub() as api:
        _tell(api.get(f"/sources/{source_id}"), as_json=as_json)


@app.command()
def update(
    source_id: Id,
    option: Options = None,
    allow_ip: Ranges = None,
    external_url: ExternalUrl = None,
    description: Description = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it accepts.")] = None,
    as_json: AsJson = False,
) -> None:
    """Change what is named; --option and --allow-ip replace all of them."""
    body = _body(option, allow_ip, external_url, description)
    body |= {} if enabled is None else {"enabled": enabled}
    if not body:
        raise HubError("Nothing to change: name an option, `hub sources update --help` lists them.")
    with Api.of_running_hub() as api:
        _tell(api.patch(f"/sources/{source_id}", body), as_json=as_json)


@app.command()
def delete(source_id: Id, as_json: AsJson = False) -> None:
    """Remove a source; what it sends from now on is refused."""
    with Api.of_running_hub() as api:
        api.delete(f"/sources/{source_id}")
    _tell({"id": source_id, "deleted": True}, as_json=as_json)


@app.command()
def rotate(
    source_id: Id,
    secret: Annotated[str, typer.Argument(help="The provider's new secret; - reads a line, so that no history keeps it.")],
    overlap: Annotated[float, typer.Option(help="Seconds the old secrets are accepted too.")] = 86_400,
    as_json: AsJson = False,
) -> None:
    """Take the provider's new secret."""
    with Api.of_running_hub() as api:
        body = {"secret": _secret(secret), "overlap_s": overlap}
        _tell(api.post(f"/sources/{source_id}/rotate-secret", body), as_json=as_json)


def _tell(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.as_json(found)
    else:
        show.fields(found)


def _secret(text: str) -> str:
    return sys.stdin.readline().rstrip("\r\n") if text == "-" else text


def _body(
    option: list[str] | None, allow_ip: list[str] | None, external_url: str | None, description: str | None
) -> dict[str, Any]:
    """Fields of the API for the options that were named."""
    given = {
        "options": None if option is None else dict(_pair(text) for text in option),
        "ip_allowlist": allow_ip,
        "external_url": external_url,
        "description": description,
    }
    return {name: value for name, value in given.items() if value is not None}


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise HubError(f"--option {text!r}: write it as NAME=VALUE.")
    return name, value
