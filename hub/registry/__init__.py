"""A small subset of the Confluent Schema Registry's API, kept in a compacted topic in Confluent's own record format."""
