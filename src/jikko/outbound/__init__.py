"""The outgoing HTTP client: one pool of connections, and the policy of which addresses may be reached."""
