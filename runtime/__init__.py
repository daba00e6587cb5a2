"""How any stage runs: settings, Kafka clients, metrics, health, secrets, live configuration. Imports only schemas."""
