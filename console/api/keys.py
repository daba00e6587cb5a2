"""/secrets: what is kept of them at rest; none is ever shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from console import actions
from console.actions.keys import Reencrypted
from console.api.operation import Call, Operation
from console.forms import ReencryptForm

if TYPE_CHECKING:
    from console.deps import Deps


async def _reencrypt(deps: Deps, call: Call) -> Reencrypted:
    return await actions.reencrypt(deps, call.body)


OPERATIONS: Final = (
    Operation(method="POST", path="/secrets/reencrypt", name="reencryptSecrets", tag="secrets",
              summary="Encrypt stored secrets anew by the newest key, a part at a time: repeat it until nothing is left.",
              run=_reencrypt, body=ReencryptForm, answer=Reencrypted, errors=(400, 422)),
)  # fmt: skip
