"""How an HTTP request node proves who it is."""

import base64
from typing import Self

from msgspec import Struct

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields
from jikko.lang.templates import Template
from jikko.nodes.context import Variables
from jikko.nodes.contract import NodeFailure


class Authorization(Struct, frozen=True):
    """How the node proves who it is."""

    type: str
    """``bearer``, ``basic`` or ``custom``."""
    key: Template
    header: str

    @classmethod
    def read(cls, data: Fields) -> Self | None:
        if data.choice("type", ("no-auth", "api-key"), "no-auth") == "no-auth":
            return None
        config = data.mapping("config")
        if not config.raw:
            data.problem("config", Phrase("document.missing"), Phrase("remedy.api_key"))
        return cls(
            type=config.choice("type", ("bearer", "basic", "custom"), "bearer"),
            key=Template.parse(config.text("api_key")),
            header=config.text("header").strip() or "Authorization",
        )

    def value(self, variables: Variables) -> str:
        """The value of the header. Raises ``NodeFailure``: the key is blank, or cannot be encoded."""
        key = self.key.to_text(variables)
        if not key.strip():
            raise NodeFailure(
                "API key is required for authorization but was empty. Please provide a valid API key.",
                kind="AuthorizationConfigError",
            )
        match self.type:
            case "bearer":
                return f"Bearer {key}"
            case "basic":
                return f"Basic {_encoded(key) if ':' in key else key}"
            case _:
                return key


def _encoded(key: str) -> str:
    try:
        return base64.b64encode(key.encode()).decode()
    except UnicodeEncodeError:
        raise NodeFailure(
            "The API key holds characters that cannot be sent.", kind="AuthorizationConfigError"
        ) from None
