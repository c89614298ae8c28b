"""``jikko triggers`` and ``jikko deliveries``."""
