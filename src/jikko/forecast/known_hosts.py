"""Hosts of HTTP Request nodes that are known before the run. No name is resolved."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Final

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.forecast.known_installation import Installation
from jikko.lang.render import to_text
from jikko.lang.templates import Template
from jikko.outbound.policy import SETTING, Network, refusal, refused
from jikko.outbound.urls import WireUrl
from jikko.ports.http import HttpFailure
from jikko.values import Json

_LOOPBACK: Final = ipaddress.IPv4Address("127.0.0.1")
_END_OF_HOST: Final = re.compile(r"[/?#\\]")
_WRITTEN_HOST: Final = re.compile(r"(?i:https?)://(?:[^/?#{}@]*@)?((?:\{\{#[^{}]*#\}\}|[^/?#\\])+)")
_LOCAL_ENDINGS: Final = frozenset({"local", "internal", "lan", "home", "intranet", "corp"})
"""Last parts of names that no public name has."""
_ALLOW: Final = Phrase("remedy.allow", {"setting": SETTING})


def known_start(template: Template, environment: Mapping[str, Json]) -> tuple[str, bool]:
    """What a URL begins with in every run, and whether that is all of it. ``environment``: Values by name."""
    start = ""
    for part in template.parts:
        if isinstance(part, str):
            start += part
        elif len(part) == 2 and part[0] == "env" and part[1] in environment:
            start += to_text(environment[part[1]])
        else:
            return start, False
    return start, True


def written_host(template: Template) -> str:
    """The host of a URL as the file has it, references and all; the whole text where it cannot be found in the rest."""
    match = _WRITTEN_HOST.match(template.source)
    return match[1] if match is not None else template.source


def host_of(start: str, is_whole: bool) -> str | None:
    """Host and port of a URL that begins like that; ``None`` if they are not known yet. Without user and password."""
    scheme, mark, rest = start.partition("://")
    if not mark or scheme.lower() not in ("http", "https"):
        return None
    authority = _END_OF_HOST.split(rest, maxsplit=1)[0]
    if not is_whole and len(authority) == len(rest):
        return None
    return authority.rpartition("@")[2]


def diagnose_url(
    template: Template,
    environment: Mapping[str, Json],
    recorded: Mapping[str, Json],
    where: str,
    installation: Installation,
) -> Diagnostic | None:
    """Why a request cannot be sent, as far as known. ``recorded``: The environment with masks for secrets."""
    found = _diagnose_url(template, environment, where, installation)
    if found is None or host_of(*known_start(template, environment)) == host_of(*known_start(template, recorded)):
        return found
    # As the failure of the run, it quotes no host that a secret is part of.
    params = {"host": written_host(template)}
    remedy = found.remedy and _ALLOW
    return Diagnostic("address.hidden", params, where=where, severity=found.severity, remedy=remedy)


def _diagnose_url(
    template: Template, environment: Mapping[str, Json], where: str, installation: Installation
) -> Diagnostic | None:
    start, is_whole = known_start(template, environment)
    if is_whole and not start:
        remedy = Phrase("remedy.enter_address")
        return Diagnostic("address.required", where=where, severity="will_fail", remedy=remedy)
    if (is_whole or len(start) >= len("https://")) and not start.startswith(("http://", "https://")):
        return Diagnostic("address.scheme", where=where, severity="will_fail")
    authority = host_of(start, is_whole)
    if authority is None:
        return None
    try:
        url = WireUrl.parse(start if is_whole else start[: start.find(authority)] + authority)
    except HttpFailure as failure:
        why = failure.phrase or Phrase("address.unusable", {"why": str(failure)})
        return Diagnostic(why.code, why.params, where=where, severity="will_fail")
    return _refused(url, where, installation)


def _refused(url: WireUrl, where: str, installation: Installation) -> Diagnostic | None:
    host, last = url.host, url.host.rstrip(".").rpartition(".")[2]
    if last == "localhost" and installation.has_proxy:
        return Diagnostic("address.localhost", where=where, severity="will_fail")
    address = _LOOPBACK if last == "localhost" else url.address
    if address is not None:
        why = _why_refused(address, installation.allow)
        if why is None:
            return None
        what, remedy = refused(host, address, why)
        return Diagnostic(what.code, what.params, where=where, severity="will_fail", remedy=remedy)
    if installation.has_proxy or installation.allow or ("." in host and last not in _LOCAL_ENDINGS):
        return None
    params = {"host": repr(host)}
    return Diagnostic("address.private_name", params, where=where, severity="may_fail", remedy=_ALLOW)


def _why_refused(address: ipaddress.IPv4Address | ipaddress.IPv6Address, allow: tuple[Network, ...]) -> str | None:
    if address == _LOOPBACK and refusal(ipaddress.IPv6Address("::1"), allow) is None:
        return None
    return refusal(address, allow)
