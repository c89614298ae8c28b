"""Factories for the installation and the testing of plugins."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from msgspec.structs import asdict

from jikko.apps.plugin_needs import PluginNeed
from jikko.assemble.build_models import make_models, providers_of
from jikko.assemble.build_node_ports import http_client
from jikko.assemble.plugin_runtime import make_runtime
from jikko.assemble.sqlite_stores import stores_in_memory
from jikko.concurrency.shutdown import Shutdown
from jikko.diagnostics.diagnostic import Phrase
from jikko.errors import InvalidSettings
from jikko.files.signing_keys import UrlSigner
from jikko.files.store import Files
from jikko.nodes.tools.conversion import NotConvertible, all_converted
from jikko.plugins.install.installed_plugins import Entry
from jikko.plugins.install.installer import PluginInstaller
from jikko.plugins.install.package_sources import PluginSources, download
from jikko.plugins.package.declaration import Kind, Plugin, read_package
from jikko.plugins.package.package_archive import (
    MAX_PACKED,
    Archive,
    BadKey,
    PackageRefused,
    PublicKey,
    pack,
    read_keys,
)
from jikko.plugins.package.package_names import Identifier, identifier, provider_name
from jikko.plugins.plugin_tools import PluginTools
from jikko.plugins.process.call import PluginFailure
from jikko.plugins.runtime import PluginRuntime
from jikko.plugins.sdk_models import ModelsOfPlugins
from jikko.ports.agents import StrategyName
from jikko.ports.models import Models
from jikko.ports.tools import BlobMessage, Caller, ToolCall, ToolFailure, ToolMessage, ToolName, ToolNotFound
from jikko.providers.fake import FakeModels
from jikko.providers.plugin import PluginProviders
from jikko.settings import Settings
from jikko.strategies.function_calling import is_meant
from jikko.values import Json


class PluginPackages:
    """Operations of the plugin commands."""

    def __init__(self, settings: Settings, runtime: PluginRuntime, installer: PluginInstaller, models: Models) -> None:
        self._settings = settings
        self._models = models
        self.runtime = runtime
        self.installer = installer

    async def read(self, source: str) -> tuple[Plugin, Archive]:
        """Read a package from a file, from a folder, or by its name. Raises ``PackageRefused``: it is unusable or
        unavailable; ``OSError``: it cannot be read."""
        keys = believed_keys(self._settings)
        local = await asyncio.to_thread(_local, Path(source))
        if local is not None:
            return read_package(local, keys)
        wanted = identifier(source)
        if wanted is None:
            raise PackageRefused(f"No file or folder {source}, and it is not the name of a plugin (author/name).")
        data, exact = await self._downloaded(wanted)
        plugin, archive = read_package(data, keys)
        if plugin.id != exact.plugin or plugin.checksum != exact.checksum:
            raise PackageRefused(
                f"What was downloaded for {exact.plugin} is {plugin.identifier}: its checksum is not {exact.checksum}."
            )
        return plugin, archive

    def wanted(self, needs: Iterable[PluginNeed]) -> list[Identifier]:
        """Return the plugins behind needs, each version once, in order; without those built into Jikko."""
        found: dict[Identifier, None] = {}
        for need in needs:
            if need.kind == "strategy" and is_meant(StrategyName(provider=need.provider, strategy=need.name)):
                continue
            plugin = provider_name(need.provider, self.runtime.config.aliases).plugin
            made_with = identifier(need.plugin)
            found[made_with if made_with is not None and made_with.plugin == plugin else Identifier(plugin, "", "")] = (
                None
            )
        with_version = {wanted.plugin for wanted in found if wanted.version}
        # A version that one file names also serves those without one.
        return [wanted for wanted in found if wanted.version or wanted.plugin not in with_version]

    def sources(self, places: Iterable[Path]) -> PluginSources:
        return PluginSources(places, believed_keys(self._settings))

    async def meant(self, wanted: Identifier, sources: PluginSources, *, again: bool) -> tuple[Plugin, Archive] | None:
        """Return the package that a file needs, from these sources or downloaded; ``None`` if it is already installed.
        ``again``: Return it even then.

        Raises:
            PackageRefused: It is unusable or unavailable.
            OSError: It cannot be read.
        """
        there = None if again else self.runtime.installed.find(wanted)
        if there is not None and (
            not wanted.version or wanted.checksum == there.plugin.checksum or wanted.version == there.plugin.version
        ):
            return None
        found = await sources.find(wanted)
        if found is not None:
            return found
        text = f"{wanted.plugin}{f':{wanted.version}' if wanted.version else ''}"
        return await self.read(f"{text}@{wanted.checksum}" if wanted.checksum else text)

    async def _downloaded(self, wanted: Identifier) -> tuple[bytes, Identifier]:
        if not self._settings.plugins_market:
            raise PackageRefused(
                f"{wanted.plugin} is not a file here, and nothing is downloaded: set JIKKO_PLUGINS_MARKET to the "
                "address of a marketplace, such as https://marketplace.dify.ai, or give the path of its .difypkg file."
            )
        http = http_client(self._settings)
        try:
            return await download(wanted, self._settings.plugins_market, http)
        finally:
            await http.close()

    def remove(self, name: str) -> tuple[Entry, ...]:
        """Remove a plugin, or one version of it, if it is installed."""
        plugin, _, version = name.partition("@")[0].partition(":")
        installed = self.runtime.installed
        with installed.changing():
            gone = installed.remove(plugin, version)
            # Its processes continue, and their files are removed later.
            installed.sweep()
        return gone

    def lacking(self, entry: Entry) -> list[str]:
        """Return the missing configuration of a plugin's providers, one text each."""
        found = []
        # Models are configured in the providers file, with any number of entries for a plugin.
        for provider in entry.plugin.providers:
            if provider.kind == "models":
                continue
            try:
                self.runtime.credentials(entry, provider)
            except ToolNotFound as lack:
                found.append(str(lack))
        return found

    def lacks(self, need: PluginNeed) -> str:
        """Return what a workflow lacks for one of its needs, or ``""``."""
        if need.kind == "strategy" and is_meant(StrategyName(provider=need.provider, strategy=need.name)):
            return ""  # built into Jikko
        kind: Kind = "tools" if need.kind == "tool" else "agent_strategies"
        try:
            subject = Phrase(f"tool.the_{need.kind}", {"name": f"{need.provider}/{need.name}"})
            entry, provider = self.runtime.find(kind, need.provider, need.plugin, subject)
            if provider.action(need.name) is None:
                has = ", ".join(action.name for action in provider.actions)
                return f"{entry.plugin.id} {entry.plugin.version} has no {need.kind} {need.name!r}; it has {has}"
            self.runtime.credentials(entry, provider)
        except ToolNotFound as lack:
            return str(lack)
        return ""

    async def tried(self, entry: Entry) -> str | None:
        """Start a plugin, and let it validate its providers' credentials. Returns the error, or ``None``."""
        try:
            for provider in entry.plugin.providers:
                credentials = {} if provider.kind == "models" else self.runtime.credentials(entry, provider)
                if provider.kind != "tools" or not self.runtime.config.of(entry.plugin.id).credentials:
                    async with self.runtime.pool.process(entry):
                        continue
                request = {
                    "type": "tool",
                    "action": "validate_tool_credentials",
                    "provider": provider.name,
                    "credentials": credentials,
                }
                await self.runtime.invoke(
                    entry, request, caller=Caller(), host=None, emit=lambda message: None, answer=lambda message: None
                )
        except ToolNotFound as lack:
            return str(lack)
        except PluginFailure as failure:
            return str(failure)
        return None

    async def called(
        self, provider: str, tool: str, given: Mapping[str, Json], emit: Callable[[str], None]
    ) -> str | None:
        """Call a tool. ``emit``: Called with each message, as a line of JSON. Returns the error, with
        ``PluginFailure.trace``, or ``None``."""

        def line(message: ToolMessage) -> None:
            if isinstance(message, BlobMessage):
                shown: Json = {bytes: len(message.content), "mime_type": message.mime_type, "name": message.filename}
            else:
                shown = asdict(message)
            kind = type(message).__name__.removesuffix("Message").lower()
            emit(msgspec.json.encode({"type": kind, **shown}).decode())

        tools = PluginTools(self.runtime, models=self._models, tools=lambda: tools)
        try:
            found = await tools.find(ToolName(provider_type="builtin", provider=provider, tool=tool))
            defaults = {each.name: each.default for each in found.parameters if each.default is not None}
            await tools.call(ToolCall(tool=found, parameters=all_converted(defaults | dict(given), found)), line)
        except NotConvertible as problem:
            return str(problem)
        except ToolNotFound as lack:
            return str(lack)
        except ToolFailure as failure:
            trace = getattr(failure.__cause__, "trace", "")
            return f"{failure}\n{trace}" if trace else str(failure)
        return None


def _local(path: Path) -> bytes | None:
    """Return the package in a file or folder; ``None`` if there is none. Raises ``PackageRefused``: the folder is not a
    plugin's; ``OSError``: it cannot be read."""
    if path.is_dir():
        return pack(path)
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(MAX_PACKED + 1)


@asynccontextmanager
async def plugin_packages(
    settings: Settings, environment: Mapping[str, str] = os.environ
) -> AsyncIterator[PluginPackages]:
    """Build the services of one plugin command; its processes end with the block. Raises ``InvalidSettings``: a setting
    is unusable."""
    async with Shutdown() as stack:
        stores = stores_in_memory(stack)
        signer = UrlSigner(keys=stores.signing_keys, base_url="http://127.0.0.1", validity=settings.link_seconds)
        runtime = make_runtime(settings, files=Files(stores.file_index, stores.blobs, signer), environment=environment)

        async def try_start(entry: Entry) -> None:
            try:
                process = await runtime.start(entry)
            except PluginFailure as failure:
                raise PackageRefused(f"{entry.plugin.id} is installed nowhere: {failure}") from None
            await process.kill()

        confine = settings.plugins_confine == "require"
        models: Models = FakeModels()
        if not settings.fake_models:
            of_plugins = PluginProviders(ModelsOfPlugins(runtime))
            models = make_models(providers_of(settings, environment), plugins=lambda: of_plugins)
        installer = PluginInstaller(runtime.installed, try_start, confine=confine, environment=environment)
        stack.step("the plugins", runtime.close)
        stack.step("the models", models.close)
        yield PluginPackages(settings, runtime, installer, models)


def believed_keys(settings: Settings) -> tuple[PublicKey, ...]:
    """Return the trusted public keys. Raises ``InvalidSettings``: the key file is unreadable."""
    if settings.plugins_keys is None:
        return ()
    try:
        return read_keys(settings.plugins_keys.read_text("ascii"))
    except (OSError, UnicodeDecodeError, BadKey) as error:
        raise InvalidSettings(f"The keys in {settings.plugins_keys} cannot be read: {error}.") from None
