"""Everything sealed in the configuration encrypted anew by the newest key, so that the older ones can be given up."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

import msgspec

from console.actions.write import applied, one_at_a_time
from console.problems import InvalidError
from schemas.records import EndpointConfig, SourceConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from console.deps import Deps
    from console.forms import ReencryptForm
    from runtime.secrets import SecretBox

LIMIT: Final = (0, 1000)
Config = SourceConfig | EndpointConfig


class Reencrypted(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of sources and endpoints: how many there are, how many this call wrote, how many an older key still closes."""

    records: int
    rewritten: int
    left: int


@one_at_a_time
async def reencrypt(deps: Deps, form: ReencryptForm) -> Reencrypted:
    """Rewrite what an older key closes. Nothing else about it changes. Raises InvalidError, UnavailableError."""
    low, high = LIMIT
    if not low <= form.limit <= high:
        raise InvalidError([("limit", f"want {low} to {high}")])
    box = deps.config.box
    box.refresh()
    found: list[Config] = [s.config for s in deps.sources.items.values()]
    found += [e.config for e in deps.endpoints.items.values()]
    stale = [config for config in found if not all(box.current(text) for text in _sealed(config))]
    for config in stale[: form.limit]:
        await _rewrite(deps, config)
    rewritten = min(len(stale), form.limit)
    return Reencrypted(records=len(found), rewritten=rewritten, left=len(stale) - rewritten)


async def _rewrite(deps: Deps, config: Config) -> None:
    box = deps.config.box
    secrets = [msgspec.structs.replace(s, ciphertext=_anew(box, s.ciphertext)) for s in config.secrets]
    if isinstance(config, SourceConfig):
        await applied(deps.config.put_source(msgspec.structs.replace(config, secrets=secrets)))
        return
    headers = {name: _anew(box, text) for name, text in config.headers.items()}
    auth = None if config.auth is None else _anew(box, config.auth)
    await applied(deps.config.put_endpoint(msgspec.structs.replace(config, secrets=secrets, headers=headers, auth=auth)))


def _sealed(config: Config) -> Iterator[str]:
    """All ciphertexts of a record."""
    secrets = (s.ciphertext for s in config.secrets)
    if isinstance(config, SourceConfig):
        return iter(secrets)
    return chain(secrets, config.headers.values(), () if config.auth is None else (config.auth,))


def _anew(box: SecretBox, ciphertext: str) -> str:
    return ciphertext if box.current(ciphertext) else box.encrypt(box.decrypt(ciphertext))
