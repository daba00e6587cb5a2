"""The delivery consumer group: signed webhooks out, retries by topic, one attempt path for all of them."""
