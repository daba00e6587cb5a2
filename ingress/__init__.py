"""The data plane's way in: verifies webhooks and own events and keeps them on Kafka before it answers."""
