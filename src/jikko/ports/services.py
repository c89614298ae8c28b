"""What nodes may use of the outside world, in one bundle."""

from dataclasses import dataclass

from jikko.ports.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class Services:
    """The implementations that one process was assembled with."""

    sandbox: Sandbox
