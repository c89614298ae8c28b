"""What one process of a plugin may say and use, and how long it may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLimits:
    """Beyond these a process is ended."""

    line: int = 16 << 20
    """Bytes of one line."""
    call_bytes: int = 64 << 20
    """Bytes of all lines of one call."""
    call_messages: int = 100_000
    """Lines of one call."""
    file: int = 32 << 20
    """Bytes of one file."""
    memory: int = 2 << 30
    """Bytes of all that it starts."""
    ready_seconds: float = 30.0
    """Until it first gives a sign of life."""
    silent_seconds: float = 5.0
    """Without a sign of life, while calls wait, until another process takes new calls."""
    forgotten: int = 50
    """Calls without a waiter that still run in it, until it is replaced."""
    served: int = 10_000
    """Calls until it is replaced."""
