"""Mappings of ``requests``."""

from jikko.sandbox.clients.shared.headers import Headers as CaseInsensitiveDict

__all__ = ["CaseInsensitiveDict"]
