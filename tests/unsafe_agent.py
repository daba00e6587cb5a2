"""The negative control: processors that lose events, in the place of `python -m processors`.

They do what Faust's `take` does: events taken in batches, slow work, records sent without waiting for Kafka's
confirmation, all acknowledged when the work ends, however it ends. On SIGTERM that is the batch it is cancelled in; on SIGKILL
the offsets are committed and the records still lie in the producer. A harness that finds nothing missing here proves nothing about the real ones.
"""

import asyncio
import functools
import sys
from typing import Any

from processors import __main__ as start
from processors import app
from processors.confirm import ConfirmedAgent

BATCH, WORK_S, LINGER_MS, COMMIT_S = 100, 0.2, 2000, 0.1


class UnsafeAgent(ConfirmedAgent):
    """Acknowledges what it took, whatever became of it."""

    async def _run(self, stream: Any) -> None:
        async for batch in stream:
            for first in range(0, len(batch), BATCH):
                await self._take_unsafely(batch[first : first + BATCH])

    async def _take_unsafely(self, messages: list[Any]) -> None:
        try:
            self._app.consumer.unacked.update(messages)
            await asyncio.sleep(WORK_S)
            for message in messages:
                work = await self._transform(message)
                for output in work.outputs:
                    self._sender.send(
                        output.topic, output.key, output.value, lambda _error, _message: None, output.headers, output.partition
                    )
                self.touch()
        finally:
            for message in messages:
                self._app.consumer.ack(message)


def unsafe_faust(create: Any, settings: Any) -> Any:
    faust = create(settings)
    faust.conf.stream_wait_empty = False
    faust.conf.broker_commit_interval = COMMIT_S
    return faust


def main() -> int:
    """The processors, with their agent and three settings exchanged."""
    app.ConfirmedAgent = UnsafeAgent
    app.LINGER_MS = LINGER_MS
    app.create_faust = functools.partial(unsafe_faust, app.create_faust)
    return start.main()


if __name__ == "__main__":
    sys.exit(main())
