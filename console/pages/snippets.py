"""Code a developer pastes to verify what arrives: Standard Webhooks libraries, as published. Pure."""

from __future__ import annotations

from typing import Final

_PYTHON: Final = """# pip install standardwebhooks
import os
from standardwebhooks import Webhook

webhook = Webhook(os.environ["WEBHOOK_SECRET"])

def receive(body: bytes, headers: dict[str, str]) -> None:
    event = webhook.verify(body, headers)  # raises WebhookVerificationError
    print(event["type"], event["data"])"""

_JAVASCRIPT: Final = """// npm install standardwebhooks
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.WEBHOOK_SECRET);

export function receive(body, headers) {
  const event = webhook.verify(body, headers); // throws when it is not ours
  console.log(event.type, event.data);
}"""


def python() -> str:
    """For a Python receiver."""
    return _PYTHON


def javascript() -> str:
    """For a Node receiver."""
    return _JAVASCRIPT
