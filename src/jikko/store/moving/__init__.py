"""Migration of a SQLite file to PostgreSQL."""
