"""/sources: where webhooks come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from console import actions
from console.api.operation import Call, Operation
from console.forms import RotateSourceForm, SourceForm, SourcePatch
from console.problems import NotFoundError
from console.rows import Page
from console.views import SourceView, source_view

if TYPE_CHECKING:
    from console.deps import Deps


class SourceQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which sources."""

    tenant: str | None = None
    provider: str | None = None


async def _list(deps: Deps, call: Call) -> Page[SourceView]:
    wanted: SourceQuery = call.query
    found = [source_view(s) for _, s in sorted(deps.sources.items.items())]
    return Page([s for s in found if wanted.tenant in {None, s.tenant} and wanted.provider in {None, s.provider}])


async def _create(deps: Deps, call: Call) -> SourceView:
    return await actions.create_source(deps, call.body)


async def _show(deps: Deps, call: Call) -> SourceView:
    source = deps.sources.items.get(call.path["id"])
    if source is None:
        raise NotFoundError(f"there is no source {call.path['id']!r}")
    return source_view(source)


async def _put(deps: Deps, call: Call) -> SourceView:
    return await actions.put_source(deps, call.path["id"], call.body)


async def _patch(deps: Deps, call: Call) -> SourceView:
    return await actions.patch_source(deps, call.path["id"], call.body)


async def _delete(deps: Deps, call: Call) -> None:
    await actions.delete_source(deps, call.path["id"])


async def _rotate(deps: Deps, call: Call) -> SourceView:
    return await actions.rotate_source_secret(deps, call.path["id"], call.body.secret, call.body.overlap_s)


_ONE: Final = "/sources/{id}"
OPERATIONS: Final = (
    Operation(method="GET", path="/sources", name="listSources", tag="sources", summary="All sources.",
              run=_list, query=SourceQuery, answer=Page[SourceView], errors=(422,)),
    Operation(method="POST", path="/sources", name="createSource", tag="sources",
              summary="Make a source. Its secrets never come back.",
              run=_create, body=SourceForm, answer=SourceView, status=201, errors=(400, 409, 422)),
    Operation(method="GET", path=_ONE, name="showSource", tag="sources", summary="One source.",
              run=_show, answer=SourceView, errors=(404,)),
    Operation(method="PUT", path=_ONE, name="replaceSource", tag="sources",
              summary="Replace all fields of a source; secrets only when some are sent.",
              run=_put, body=SourceForm, answer=SourceView, errors=(400, 404, 422)),
    Operation(method="PATCH", path=_ONE, name="changeSource", tag="sources", summary="Change some fields of a source.",
              run=_patch, body=SourcePatch, answer=SourceView, errors=(400, 404, 422)),
    Operation(method="DELETE", path=_ONE, name="deleteSource", tag="sources",
              summary="Remove a source; what it sends from now on is refused.", run=_delete, status=204, errors=(404,)),
    Operation(method="POST", path=f"{_ONE}/rotate-secret", name="rotateSourceSecret", tag="sources",
              summary="Take the provider's new secret; the old ones are accepted too until the overlap ends.",
              run=_rotate, body=RotateSourceForm, answer=SourceView, errors=(400, 404, 422)),
)  # fmt: skip
