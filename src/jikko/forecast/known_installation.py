"""The parts of this installation that workflows need."""

from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path

from msgspec import Struct, field

from jikko.diagnostics.diagnostic import Phrase
from jikko.errors import InvalidSettings
from jikko.forecast.model_checks import missing_library
from jikko.outbound.policy import Network, parse_allow
from jikko.ports.agents import NoStrategies, Strategies
from jikko.ports.tools import NoTools, Tools
from jikko.providers.config import ProviderConfig, Providers
from jikko.sandbox.languages.stdlib import offers
from jikko.sandbox.packages.installed import PackageFolder, Unreadable
from jikko.sandbox.packages.loadable import loadable
from jikko.sandbox.unavailable import why_unsupported
from jikko.values import Json


class Installation(Struct, frozen=True, kw_only=True):
    """What a forecast has to know besides the file. By default: no providers, and only public addresses."""

    providers: Providers = field(default_factory=Providers)
    no_start: str = ""
    """Why no run can even start here: the text of the error; ``""`` if one can."""
    allow: tuple[Network, ...] = ()
    """The networks that are not public and that requests may reach all the same."""
    has_proxy: bool = False
    """Whether requests go through a proxy, which decides about the addresses of names by itself."""
    no_sandbox: Phrase | None = None
    """Why no program can run on this machine, if none can."""
    has_module: Callable[[str], bool] = offers
    """Whether Python programs can import a top-level module."""
    missing_library: Callable[[str], str | None] = missing_library
    """The package that a provider of a type needs, if it is not installed."""
    require_plugin: Callable[[ProviderConfig], None] = lambda config: None
    """Raises ``ToolNotFound`` if the plugin of a provider is not installed, or not told all that it needs."""
    fake_models: bool = False
    """Whether models are faked, so that none needs a provider."""
    mocks: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """Outputs of nodes that do not run, as ``with_mocks`` takes them."""
    tools: Tools = field(default_factory=NoTools)
    """Tells which tools there are. None is called, and no server is asked."""
    datasets: Container[str] = frozenset()
    """What workflow files can call the datasets that are here."""
    strategies: Strategies = field(default_factory=NoStrategies)
    """Tells which strategies of agents there are. None is invoked."""


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
    """This installation, with settings. Reads the providers file; starts and calls nothing. See ``Installation``.

    ``packages``: The folder of packages that programs can import. ``tools``, ``strategies``: What looks them up.
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
    """Which modules programs can import; of packages that cannot be loaded, none."""
    if packages is None:
        return offers
    folder = PackageFolder(packages)
    try:
        installed = None if loadable(folder).settings is None else folder.current()
    except Unreadable:
        installed = None
    found = frozenset[str]() if installed is None else installed.modules
    return lambda module: module in found or offers(module)
