"""What a forecast finds."""

from typing import Literal, TypeAlias

from msgspec import Struct

Level: TypeAlias = Literal["error", "will_fail", "may_fail", "warning"]
"""``error``: the file cannot be imported. ``will_fail``: every run ends there, unless an earlier node ends it or an
iteration before it has nothing to go over. ``may_fail``: it depends on the run. ``warning``: no run fails of it."""

Cause: TypeAlias = Literal[
    "document",
    "node_type",
    "tool",
    "knowledge",
    "code",
    "import",
    "sandbox",
    "model",
    "secret",
    "environment",
    "address",
    "inputs",
    "form",
    "variable",
    "mock",
]
"""What a finding is about. ``document``: how the file is written; ``app``: its kind and mode; ``node_type``: an agent
or another node that Jikko does not have; ``tool``: a tool that is not there, or not set up; ``knowledge``: a dataset
that is not there, or settings that a search needs; ``code``: a program that cannot be run; ``import``: a module that
programs do not have; ``model``: a provider without a line in the providers file; ``environment``: a value from outside
that is not of its variable's type; ``address``: the host of a request; ``variable``: a variable that a node needs and
that cannot be there, or of a type that it does not take; ``mock``: outputs that were given for a node, which make it
fail."""


class Trouble(Struct, frozen=True):
    """What is wrong with one node, taken by itself."""

    cause: Cause
    where: str
    """The path inside the document, as of a ``Problem``."""
    what: str
    """A sentence without its full stop. Ends with what the run will say, if it fails."""
    hint: str = ""
    """What to do about it."""
    certain: bool = True
    """Whether the node fails whenever it runs."""
    harmless: bool = False
    """Whether the node does not fail of it."""


class Finding(Struct, frozen=True):
    """One thing to know about a file before it runs."""

    level: Level
    cause: Cause
    where: str
    """The path inside the document; ``""`` for the whole."""
    what: str
    hint: str = ""
    node: str = ""
    """The id of the node that it is about; ``""`` for none. So is ``title``, which is the id of a node without one."""
    title: str = ""
    line: int = 0
    """Counted from 1, where the file is no YAML; 0 where ``where`` says it. So is ``column``."""
    column: int = 0

    def sentence(self, line: int = 0) -> str:
        """What is told of the file if this decides about it: ``will fail at node "Title" (line 7): why; what to do``.

        Args:
            line: Of ``where`` in the file, counted from 1; 0 for none.
        """
        says = "may fail" if self.level == "may_fail" else "will fail"
        what = self.what + (f"; {self.hint}" if self.hint else "")
        if not self.node:
            return f"{says}: {what}"
        return f'{says} at node "{self.title}"{f" (line {line})" if line else ""}: {what}'
