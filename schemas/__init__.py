"""What crosses a stage boundary: records, their Avro schemas, the codec and the topics. Imports none of ours."""
