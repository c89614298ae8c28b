"""Outgoing HTTP client: a connection pool, and the address policy."""
