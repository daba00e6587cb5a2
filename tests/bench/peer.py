"""This hub as a product that another bench starts, stops, counts and sets up.

    python -m tests.bench.peer start            returns when every stage is ready, with fresh state
    python -m tests.bench.peer stop             stops it and removes its state
    python -m tests.bench.peer pids             root pids; their children are the broker, the registry, the stages
    python -m tests.bench.peer setup URL...     one endpoint a URL; prints how to publish, as JSON

The JSON specification for such a bench (its commands run anywhere, hence the `cd`):

    {"name": "hookstream",
     "start": "cd /path/to/hookstream && .venv/bin/python -m tests.bench.peer start",
     "stop":  "cd /path/to/hookstream && .venv/bin/python -m tests.bench.peer stop",
     "pids":  "cd /path/to/hookstream && .venv/bin/python -m tests.bench.peer pids",
     "setup": "cd /path/to/hookstream && .venv/bin/python -m tests.bench.peer setup"}

`setup` answers {"url", "headers": ["name: value"], "body": template, "sign": "header:secret"}: {{SENT_AT}} and
{{ORDER_NO}} of the template are filled in per request, {{UUID}} in a header value too, and the signature is the base64
HMAC-SHA256 of the body. HOOKSTREAM_PEER_HOME is where its state lies (default: a folder of the temporary directory).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.bench import hub, target


def main(arguments: list[str]) -> int:
    """Exit code 2 for a command that is none."""
    home = Path(os.environ.get("HOOKSTREAM_PEER_HOME") or Path(tempfile.gettempdir()) / "hookstream-peer")
    running = home / "running.json"
    match arguments:
        case ["start"]:
            _stop(home, running)
            started = hub.start(home)
            running.write_text(started.dump())
        case ["stop"]:
            _stop(home, running)
        case ["pids"]:
            _say(" ".join(map(str, hub.load(running.read_text()).pids())))
        case ["setup", _, *_]:
            _say(target.dump(target.create(hub.load(running.read_text()), arguments[1:])))
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2
    return 0


def _stop(home: Path, running: Path) -> None:
    if running.exists():
        hub.load(running.read_text()).stop()
    shutil.rmtree(home, ignore_errors=True)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
