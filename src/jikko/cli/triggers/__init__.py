"""Commands ``jikko triggers`` and ``jikko deliveries``."""
