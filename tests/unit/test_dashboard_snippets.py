"""The code that developers paste does what it says, run as it is shown."""

from __future__ import annotations

import base64
import shutil
import subprocess
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from console.pages.snippets import javascript, python
from runtime.signing import new_secret, public_key

SECRET = new_secret("v1a")
BODY = b'{"type":"order.created","data":{"id":"7"}}'


def signed(body: bytes = BODY, at: int = 0) -> dict[str, str]:
    seed = base64.b64decode(SECRET.removeprefix("whsk_"))[:32]
    at = at or int(time.time())
    value = base64.b64encode(Ed25519PrivateKey.from_private_bytes(seed).sign(f"msg_1.{at}.".encode() + body)).decode()
    other = base64.b64encode(bytes(64)).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": f"v1,abc v1a,{other} v1a,{value}"}


def test_python_with_a_public_key(monkeypatch, capsys):
    monkeypatch.setenv("WEBHOOK_PUBLIC_KEY", public_key(SECRET))
    names: dict = {}
    exec(python(key_pair=True), names)
    names["receive"](BODY, signed())
    assert capsys.readouterr().out == "order.created {'id': '7'}\n"
    with pytest.raises(ValueError, match="not ours"):
        names["receive"](BODY + b" ", signed())
    with pytest.raises(ValueError, match="too old"):
        names["receive"](BODY, signed(at=1))


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on the PATH: the JavaScript example is not run")
def test_javascript_with_a_public_key(tmp_path):
    headers = ", ".join(f'"{k}": "{v}"' for k, v in signed().items())
    run = f"{javascript(key_pair=True)}\nreceive(Buffer.from('{BODY.decode()}'), {{{headers}}});"
    (tmp_path / "run.mjs").write_text(run)
    environment = {"WEBHOOK_PUBLIC_KEY": public_key(SECRET), "PATH": "/usr/bin:/bin:/usr/local/bin"}
    done = subprocess.run(
        ["node", tmp_path / "run.mjs"], env=environment, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.stdout.strip() == "order.created { id: '7' }", done.stderr
