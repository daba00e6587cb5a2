"""/endpoints: where webhooks are sent to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from console import actions
from console.api.operation import Call, Operation
from console.forms import EnableForm, EndpointForm, EndpointPatch, RotateEndpointForm, StateForm
from console.health import EndpointCondition, health
from console.problems import NotFoundError
from console.rows import Page
from console.views import EndpointCreated, EndpointEnabled, EndpointView, SecretCreated, endpoint_view

if TYPE_CHECKING:
    from console.deps import Deps


class EndpointQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which endpoints."""

    tenant: str | None = None
    state: Literal["active", "paused", "disabled"] | None = None


class TestSent(msgspec.Struct, frozen=True, kw_only=True):
    """The test's delivery: look it up under /deliveries/{delivery_id} in a moment."""

    delivery_id: str
    webhook_id: str


async def _list(deps: Deps, call: Call) -> Page[EndpointView]:
    wanted: EndpointQuery = call.query
    found = [endpoint_view(e) for _, e in sorted(deps.endpoints.items.items())]
    return Page([e for e in found if wanted.tenant in {None, e.tenant} and wanted.state in {None, e.state}])


async def _create(deps: Deps, call: Call) -> EndpointCreated:
    return await actions.create_endpoint(deps, call.body)


async def _show(deps: Deps, call: Call) -> EndpointView:
    endpoint = deps.endpoints.items.get(call.path["id"])
    if endpoint is None:
        raise NotFoundError(f"there is no endpoint {call.path['id']!r}")
    return endpoint_view(endpoint)


async def _put(deps: Deps, call: Call) -> EndpointView:
    return await actions.put_endpoint(deps, call.path["id"], call.body)


async def _patch(deps: Deps, call: Call) -> EndpointView:
    return await actions.patch_endpoint(deps, call.path["id"], call.body)


async def _delete(deps: Deps, call: Call) -> None:
    await actions.delete_endpoint(deps, call.path["id"])


async def _rotate(deps: Deps, call: Call) -> SecretCreated:
    return await actions.rotate_endpoint_secret(deps, call.path["id"], call.body.overlap_s, call.body.signature)


async def _test(deps: Deps, call: Call) -> TestSent:
    delivery = await actions.send_test(deps, call.path["id"])
    return TestSent(delivery_id=delivery.id, webhook_id=delivery.webhook_id)


async def _pause(deps: Deps, call: Call) -> EndpointView:
    return await actions.pause_endpoint(deps, call.path["id"], call.body.reason)


async def _resume(deps: Deps, call: Call) -> EndpointView:
    return await actions.resume_endpoint(deps, call.path["id"])


async def _enable(deps: Deps, call: Call) -> EndpointEnabled:
    return await actions.enable_endpoint(deps, call.path["id"], recover=call.body.recover)


async def _disable(deps: Deps, call: Call) -> EndpointView:
    return await actions.disable_endpoint(deps, call.path["id"], call.body.reason)


async def _health(deps: Deps, call: Call) -> EndpointCondition:
    return await asyncio.to_thread(health, deps, call.path["id"])


_ONE: Final = "/endpoints/{id}"
OPERATIONS: Final = (
    Operation(method="GET", path="/endpoints", name="listEndpoints", tag="endpoints", summary="All endpoints.",
              run=_list, query=EndpointQuery, answer=Page[EndpointView], errors=(422,)),
    Operation(method="POST", path="/endpoints", name="createEndpoint", tag="endpoints",
              summary="Make an endpoint. The answer holds its signing secret, this once.",
              run=_create, body=EndpointForm, answer=EndpointCreated, status=201, errors=(400, 409, 422)),
    Operation(method="GET", path=_ONE, name="showEndpoint", tag="endpoints", summary="One endpoint.",
              run=_show, answer=EndpointView, errors=(404,)),
    Operation(method="PUT", path=_ONE, name="replaceEndpoint", tag="endpoints", summary="Replace all fields of an endpoint.",
              run=_put, body=EndpointForm, answer=EndpointView, errors=(400, 404, 422)),
    Operation(method="PATCH", path=_ONE, name="changeEndpoint", tag="endpoints", summary="Change some fields of an endpoint.",
              run=_patch, body=EndpointPatch, answer=EndpointView, errors=(400, 404, 422)),
    Operation(method="DELETE", path=_ONE, name="deleteEndpoint", tag="endpoints",
              summary="Remove an endpoint; what waits for it is given up.", run=_delete, status=204, errors=(404,)),
    Operation(method="POST", path=f"{_ONE}/rotate-secret", name="rotateEndpointSecret", tag="endpoints",
              summary="A new signing secret, shown this once; the old ones sign too until the overlap ends.",
              run=_rotate, body=RotateEndpointForm, answer=SecretCreated, errors=(400, 404, 422)),
    Operation(method="POST", path=f"{_ONE}/test", name="testEndpoint", tag="endpoints",
              summary="Send one event of type hookstream.test to this endpoint alone.",
              run=_test, answer=TestSent, status=202, errors=(404, 409)),
    Operation(method="POST", path=f"{_ONE}/pause", name="pauseEndpoint", tag="endpoints",
              summary="Hold its deliveries back; they wait.",
              run=_pause, body=StateForm, answer=EndpointView, errors=(400, 404, 409, 422)),
    Operation(method="POST", path=f"{_ONE}/resume", name="resumeEndpoint", tag="endpoints",
              summary="Send what waited while it was paused.", run=_resume, answer=EndpointView, errors=(404, 409)),
    Operation(method="POST", path=f"{_ONE}/disable", name="disableEndpoint", tag="endpoints",
              summary="Send nothing more, route nothing more to it and give up what is due; the dead can be re-driven.",
              run=_disable, body=StateForm, answer=EndpointView, errors=(400, 404, 422)),
    Operation(method="POST", path=f"{_ONE}/enable", name="enableEndpoint", tag="endpoints",
              summary="Send again, whatever stopped it; with recover also all it missed since it began to fail, by a re-drive.",
              run=_enable, body=EnableForm, answer=EndpointEnabled, errors=(400, 404, 409, 422)),
    Operation(method="GET", path=f"{_ONE}/health", name="endpointHealth", tag="endpoints",
              summary="State, breaker, since when it fails, backlog, and the success rate and durations of the last hour.",
              run=_health, answer=EndpointCondition, errors=(404,)),
)  # fmt: skip
