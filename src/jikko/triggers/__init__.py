"""Triggers: webhooks and schedules that start runs without a waiting client."""
