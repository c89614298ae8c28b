"""Trial cluster on one machine: PostgreSQL, NATS, a bucket, and several servers, each a process of its own."""
