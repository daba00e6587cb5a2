"""What every handler of the console may use: made once by `create_app`, handed to the API and to the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from console.config_writer import ConfigWriter
    from console.payloads import Payloads
    from console.queries import Queries
    from console.redrives import Redrives
    from console.stats import Stats
    from runtime.clock import Clock
    from runtime.config import Endpoints, Sources, Standings
    from runtime.health import Health
    from runtime.kafka import Kafka
    from runtime.publisher import Publisher
    from runtime.settings import Settings
    from schemas.codec import Codec


class Deps(msgspec.Struct, frozen=True, kw_only=True):
    """Reads: `queries` and `stats` (blocking: through `asyncio.to_thread`, or in a synchronous handler), `payloads`
    (awaitable), `sources`, `endpoints` and `standings` (live views, `.items` by id). Whatever changes something is a function of
    `console.actions` that takes these Deps. `admin_key` is what the API and the dashboard ask for.
    """

    settings: Settings
    clock: Clock
    health: Health
    kafka: Kafka
    codec: Codec
    queries: Queries
    stats: Stats
    payloads: Payloads
    sources: Sources
    endpoints: Endpoints
    standings: Standings
    config: ConfigWriter
    publisher: Publisher
    redrives: Redrives
    admin_key: str
