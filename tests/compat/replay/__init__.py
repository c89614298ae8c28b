"""Replays recorded requests against a server, and compares its answers with those of Dify 1.15."""
