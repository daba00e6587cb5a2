"""The whole hub on one machine: embedded Kafka, schema registry, supervisor and the `hub` command."""
