"""Triggers start runs without a client that waits for them: webhooks, schedules."""
