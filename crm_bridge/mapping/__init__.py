"""Connectors: how a CRM takes an event, said in YAML and carried out at the time of sending."""
