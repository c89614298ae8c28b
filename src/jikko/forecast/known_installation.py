"""Installation as seen by a forecast: providers, tools, modules, datasets, addresses."""

import ipaddress
import re
from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.errors import InvalidSettings
from jikko.forecast.model_checks import missing_library
from jikko.forecast.outcome import will_fail
from jikko.lang.templates import Template, to_text
from jikko.outbound.policy import SETTING, Network, parse_allow, refusal, refused
from jikko.outbound.urls import WireUrl
from jikko.ports.agents import NoStrategies, Strategies
from jikko.ports.http import HttpFailure
from jikko.ports.tools import NoTools, Tools
from jikko.providers.config import ProviderConfig, Providers
from jikko.sandbox.languages.stdlib import offers
from jikko.sandbox.limits import why_unsupported
from jikko.sandbox.packages.installed import PackageFolder, Unreadable, loadable
from jikko.values import Json, Selector


class Installation(Struct, frozen=True, kw_only=True):
    """What a forecast needs to know besides the file. By default: no providers, and only public addresses."""

    providers: Providers = field(default_factory=Providers)
    no_start: str = ""
    """Error that keeps any run from starting here; ``""`` if there is none."""
    allow: tuple[Network, ...] = ()
    """Non-public networks that requests may reach."""
    has_proxy: bool = False
    """Whether requests use a proxy, which decides on the addresses of names itself."""
    no_sandbox: Phrase | None = None
    """Why programs cannot run on this machine; ``None`` if they can."""
    has_module: Callable[[str], bool] = offers
    """Whether Python programs can import a top-level module."""
    missing_library: Callable[[str], str | None] = missing_library
    """Returns the missing package of a provider type, if any."""
    require_plugin: Callable[[ProviderConfig], None] = lambda config: None
    """Raises ``ToolNotFound`` if a provider's plugin is not installed, or lacks settings."""
    fake_models: bool = False
    """Whether models are faked, and need no provider."""
    mocks: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """Outputs of mocked nodes, as for ``with_mocks``."""
    tools: Tools = field(default_factory=NoTools)
    """Looks up tools. None is called, and no server is contacted."""
    datasets: Container[str] = frozenset()
    """Names by which workflow files may refer to existing datasets."""
    strategies: Strategies = field(default_factory=NoStrategies)
    """Looks up agent strategies. None is invoked."""


def installation(
    providers: Path | None,
    environment: Mapping[str, str],
    *,
    packages: Path | None = None,
    http_allow: Iterable[str] = (),
    http_proxy: str = "",
    fake_models: bool = False,
    mocks: Mapping[str, Mapping[str, Json]] | None = None,
    tools: Callable[[], Tools] = NoTools,
    datasets: Container[str] = frozenset(),
    strategies: Callable[[], Strategies] = NoStrategies,
    require_plugin: Callable[[ProviderConfig], None] = lambda config: None,
) -> Installation:
    """Return this installation, by its settings. Reads the providers file; starts and calls nothing. See
    ``Installation``.

    ``packages``: Folder of packages that programs can import. ``tools``, ``strategies``: Make the lookups.
    """
    found, no_start = Providers(), ""
    known: Tools = NoTools()
    agents: Strategies = NoStrategies()
    allow: tuple[Network, ...] = ()
    try:
        if providers is not None:
            from jikko.providers.providers_file import read_providers

            found = read_providers(providers, environment)
        allow = parse_allow(http_allow)
        known, agents = tools(), strategies()
    except (InvalidSettings, ValueError) as error:
        no_start = str(error)
    return Installation(
        providers=found,
        no_start=no_start,
        allow=allow,
        has_proxy=bool(http_proxy),
        no_sandbox=why_unsupported(),
        fake_models=fake_models,
        mocks=mocks or {},
        tools=known,
        datasets=datasets,
        strategies=agents,
        require_plugin=require_plugin,
        has_module=_modules(packages),
    )


def _modules(packages: Path | None) -> Callable[[str], bool]:
    """Return a predicate for importable modules, without those of packages that cannot be loaded."""
    if packages is None:
        return offers
    folder = PackageFolder(packages)
    try:
        installed = None if loadable(folder).settings is None else folder.current()
    except Unreadable:
        installed = None
    found = frozenset[str]() if installed is None else installed.modules
    return lambda module: module in found or offers(module)


_LOOPBACK: Final = ipaddress.IPv4Address("127.0.0.1")
_END_OF_HOST: Final = re.compile(r"[/?#\\]")
_WRITTEN_HOST: Final = re.compile(r"(?i:https?)://(?:[^/?#{}@]*@)?((?:\{\{#[^{}]*#\}\}|[^/?#\\])+)")
_LOCAL_ENDINGS: Final = frozenset({"local", "internal", "lan", "home", "intranet", "corp"})
"""Top-level domains that no public name has."""
_ALLOW: Final = Phrase("remedy.allow", {"setting": SETTING})


def known_start(template: Template, environment: Mapping[str, Json]) -> tuple[str, bool]:
    """Return the constant prefix of a URL, and whether it is the whole URL. ``environment``: Values by name."""
    start = ""
    for part in template.parts:
        text = known_text(part, environment)
        if text is None:
            return start, False
        start += text
    return start, True


def known_text(part: str | Selector, environment: Mapping[str, Json]) -> str | None:
    """Return the text of a part of a template; ``None`` if only a run knows it."""
    if isinstance(part, str):
        return part
    return to_text(environment[part[1]]) if len(part) == 2 and part[0] == "env" and part[1] in environment else None


def written_host(template: Template) -> str:
    """Return the host of a URL as written in the file, with its references; the whole text if no host can be found."""
    match = _WRITTEN_HOST.match(template.source)
    return match[1] if match is not None else template.source


def host_of(start: str, is_whole: bool) -> str | None:
    """Return host and port of a URL with that prefix, without credentials; ``None`` if they are not known yet."""
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
    """Return why a request cannot be sent, as far as known. ``recorded``: The environment with secrets masked."""
    found = _diagnose_url(template, environment, where, installation)
    if found is None or host_of(*known_start(template, environment)) == host_of(*known_start(template, recorded)):
        return found
    # Like the run's error, it quotes no host that contains a secret.
    params = {"host": written_host(template)}
    remedy = found.remedy and _ALLOW
    return Diagnostic("address.hidden", params, where=where, severity=found.severity, remedy=remedy)


def _diagnose_url(
    template: Template, environment: Mapping[str, Json], where: str, installation: Installation
) -> Diagnostic | None:
    start, is_whole = known_start(template, environment)
    if is_whole and not start:
        return will_fail("address.required", where, "remedy.enter_address")
    if (is_whole or len(start) >= len("https://")) and not start.startswith(("http://", "https://")):
        return will_fail("address.scheme", where)
    authority = host_of(start, is_whole)
    if authority is None:
        return None
    try:
        url = WireUrl.parse(start if is_whole else start[: start.find(authority)] + authority)
    except HttpFailure as failure:
        why = failure.phrase or Phrase("address.unusable", {"why": str(failure)})
        return will_fail(why.code, where, **why.params)
    return _refused(url, where, installation)


def _refused(url: WireUrl, where: str, installation: Installation) -> Diagnostic | None:
    host, last = url.host, url.host.rstrip(".").rpartition(".")[2]
    if last == "localhost" and installation.has_proxy:
        return will_fail("address.localhost", where)
    address = _LOOPBACK if last == "localhost" else url.address
    if address is not None:
        why = _why_refused(address, installation.allow)
        if why is None:
            return None
        what, remedy = refused(host, address, why)
        return will_fail(what.code, where, remedy, **what.params)
    if installation.has_proxy or installation.allow or ("." in host and last not in _LOCAL_ENDINGS):
        return None
    params = {"host": repr(host)}
    return Diagnostic("address.private_name", params, where=where, severity="may_fail", remedy=_ALLOW)


def _why_refused(address: ipaddress.IPv4Address | ipaddress.IPv6Address, allow: tuple[Network, ...]) -> str | None:
    if address == _LOOPBACK and refusal(ipaddress.IPv6Address("::1"), allow) is None:
        return None
    return refusal(address, allow)
