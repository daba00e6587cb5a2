"""Code a developer pastes to verify what arrives: for v1 the Standard Webhooks libraries, as published; v1a they do not
know, so that is a few lines. Pure."""

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


_PYTHON_KEY: Final = """# pip install cryptography
import base64, json, os, time
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

public_key = os.environ["WEBHOOK_PUBLIC_KEY"].removeprefix("whpk_")
key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key))

def signed(signature: str, content: bytes) -> bool:
    version, _, value = signature.partition(",")
    try:
        return version == "v1a" and key.verify(base64.b64decode(value), content) is None
    except InvalidSignature:
        return False

def receive(body: bytes, headers: dict[str, str]) -> None:
    if abs(time.time() - int(headers["webhook-timestamp"])) > 300:
        raise ValueError("too old")
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    if not any(signed(s, content) for s in headers["webhook-signature"].split()):
        raise ValueError("not ours")
    event = json.loads(body)
    print(event["type"], event["data"])"""

_JAVASCRIPT_KEY: Final = """import { createPublicKey, verify } from "node:crypto";

const x = process.env.WEBHOOK_PUBLIC_KEY.replace(/^whpk_/, "").replace(/\\+/g, "-").replace(/\\//g, "_").replace(/=+$/, "");
const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });

export function receive(body, headers) { // body: a Buffer
  if (Math.abs(Date.now() / 1000 - headers["webhook-timestamp"]) > 300) throw new Error("too old");
  const content = Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`), body]);
  const signed = headers["webhook-signature"].split(" ").some((signature) => {
    const [version, value] = signature.split(",");
    return version === "v1a" && verify(null, content, key, Buffer.from(value, "base64"));
  });
  if (!signed) throw new Error("not ours");
  const event = JSON.parse(body);
  console.log(event.type, event.data);
}"""


def python(*, key_pair: bool = False) -> str:
    """For a Python receiver."""
    return _PYTHON_KEY if key_pair else _PYTHON


def javascript(*, key_pair: bool = False) -> str:
    """For a Node receiver."""
    return _JAVASCRIPT_KEY if key_pair else _JAVASCRIPT
