"""Brings what a SQLite file holds to PostgreSQL."""
