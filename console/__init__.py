"""The control plane: API, read model and dashboard. Sole owner of the database, which the topics can rebuild."""
