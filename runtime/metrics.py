"""Every metric of the hub with its labels: a closed vocabulary, one comment each. Times are seconds.

Only this file makes metrics; the docs and the Grafana dashboards are checked against it.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

# A series of creation times beside each other one: nobody asks for them.
disable_created_metrics()  # type: ignore[no-untyped-call]  # without annotations in the library

_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LONG: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200, 36000)

# --- ingress
RECEIVED: Final = Counter("hub_received", "Requests to /in and events to /v1/events, before any check.", ["provider"])
VERIFIED: Final = Counter(
    "hub_verified", "Requests whose sender was verified, by the secret that matched.", ["provider", "verified_by"]
)
REJECTED: Final = Counter("hub_rejected", "Requests refused, by reason.", ["provider", "reason"])
REJECTED_UNKEPT: Final = Counter(
    "hub_rejected_unkept",
    "Refused requests that webhooks.rejected does not hold, by why (rate: over the bounds, queue, kafka).",
    ["why"],
)
HANDSHAKES: Final = Counter(
    "hub_handshakes", "Requests without an event that only wanted an answer, by kind (ping).", ["provider", "kind"]
)
PUBLISHED: Final = Counter("hub_published", "Records Kafka acknowledged, by topic.", ["topic"])
PUBLISH_FAILED: Final = Counter("hub_publish_failed", "Records Kafka did not acknowledge, by topic.", ["topic"])
ACK_SECONDS: Final = Histogram(
    "hub_ack_seconds", "From handing a record to the producer to Kafka's acknowledgement.", ["topic"], buckets=_FAST
)
INGRESS_SECONDS: Final = Histogram(
    "hub_ingress_seconds", "From the first byte of a request to its answer.", ["provider"], buckets=_FAST
)

# --- processors
PROCESSED: Final = Counter(
    "hub_processed",
    "Records an agent finished, by agent and outcome (routed, unrouted, quarantined, state).",
    ["agent", "outcome"],
)
EVENTS: Final = Counter("hub_events", "Canonical events made, by type.", ["type"])
ROUTED: Final = Counter("hub_routed", "Deliveries made by routing.", [])
PROCESS_SECONDS: Final = Histogram(
    "hub_process_seconds", "From receipt at the ingress to the acknowledgement of all that came of it.", ["agent"], buckets=_LONG
)

# --- delivery
DELIVERED: Final = Counter(
    "hub_delivery_attempts",
    "Attempts, by outcome (delivered, retrying, dead) and error class.",
    ["outcome", "error_class", "lane"],
)
DELIVERY_SECONDS: Final = Histogram(
    "hub_delivery_seconds", "From receipt at the ingress to the receiver's 2xx, live lane.", [], buckets=_LONG
)
ATTEMPT_SECONDS: Final = Histogram("hub_attempt_seconds", "Duration of one HTTP attempt.", ["outcome"], buckets=_LONG)
RETRIES: Final = Counter(
    "hub_retries", "Records written to a retry topic, by tier and why (failed, spilled, paused, hop).", ["tier", "why"]
)
HOLDS: Final = Counter(
    "hub_holds", "Records written to deliveries.held: what waits without having been tried, or in its order.", []
)
BACKLOG: Final = Gauge("hub_backlog", "Deliveries that wait in deliveries.held for their endpoint or their turn.", [])
SUPERSEDED: Final = Counter("hub_superseded", "Deliveries not sent because a newer event of the same object was waiting.", [])
BREAKERS: Final = Gauge("hub_breakers_open", "Endpoints whose circuit breaker is open or half-open in this worker.", [])
DISABLED: Final = Counter("hub_endpoints_disabled", "Endpoints the hub disabled, by why (gone, failing).", ["why"])
DEAD: Final = Counter("hub_dead", "Deliveries given up, by cause.", ["cause"])
IN_FLIGHT: Final = Gauge("hub_in_flight", "HTTP requests under way.", [])
HELD: Final = Gauge("hub_held", "Deliveries held in memory, by lane.", ["lane"])
REFUSED_ADDRESS: Final = Counter("hub_refused_addresses", "Connections the egress guard refused.", [])

# --- every process
LAG: Final = Gauge("hub_consumer_lag", "Records not yet committed by a consumer group, by topic.", ["group", "topic"])
QUARANTINED: Final = Counter("hub_quarantined", "Records set aside, by cause.", ["cause"])
UNROUTED: Final = Counter("hub_unrouted", "Events that reached no endpoint, by reason.", ["reason"])
READY: Final = Gauge("hub_ready", "Whether the process is ready, 1 or 0.", ["process"])

# --- console
PROJECTED: Final = Counter("hub_projected", "Records taken into the read model, by topic.", ["topic"])
PROJECTION_LAG: Final = Gauge("hub_projection_lag", "Records the read model has yet to take, by topic.", ["topic"])
PROJECTION_SKIPPED: Final = Counter(
    "hub_projection_skipped", "Records the read model could not read and left out, by topic.", ["topic"]
)
API_REQUESTS: Final = Counter(
    "hub_api_requests", "Requests to the API and the dashboard, by route and status.", ["route", "status"]
)
