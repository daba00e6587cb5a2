"""Small forms of the trials, each on the running hub of this module; `make trials` is the long version, with its verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.trials import order

if TYPE_CHECKING:
    from tests.bench.hub import Hub

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


async def test_order_holds_while_the_receiver_fails_and_the_worker_is_killed(hub: Hub) -> None:
    size = order.Size(keys=20, events=800, rate=50, kills=2, joins=0, control=400)
    finding = await order.run(hub, size, lambda _words: None)
    assert finding.passed, [check for check in finding.checks if not check.met]
    assert finding.figures["kills_of_the_serving_worker"] >= 1
