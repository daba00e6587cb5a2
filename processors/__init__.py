"""Webhooks to events to deliveries: normalize, the order workflow and routing, as Faust agents around pure functions."""
