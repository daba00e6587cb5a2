"""`python -m hub.registry`: serve the registry of the Kafka at KAFKA_BOOTSTRAP_SERVERS on HUB_REGISTRY_PORT."""

from __future__ import annotations

import sys

import uvicorn

from hub import ports
from hub.errors import HubError
from hub.registry.app import create_app
from hub.registry.service import Registry
from hub.registry.topic import SchemasTopic
from hub.registry.view import View
from runtime import log
from runtime.kafka import Kafka
from runtime.settings import HubSettings, Settings, SettingsError


def main() -> None:
    """Run until SIGTERM."""
    try:
        settings, own = Settings.from_env(), HubSettings.from_env()
        log.setup(settings.log_level)
        port = ports.claim(own.registry_port, "HUB_REGISTRY_PORT")
        view = View()
        topic = SchemasTopic(Kafka(settings), view)
        topic.start()
    except (SettingsError, HubError) as e:
        sys.exit(f"registry: {e}")
    app = create_app(Registry(view, topic))
    uvicorn.run(app, host=ports.LOOPBACK, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=5)
    topic.stop()


if __name__ == "__main__":
    main()
