"""Plugin runtime of one server process: finds, starts and invokes plugins."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from jikko.concurrency.scheduler import Scheduler
from jikko.diagnostics.diagnostic import Phrase
from jikko.plugins.host.backwards import HostCalls
from jikko.plugins.host.gate import NetworkGate, OfferedFile
from jikko.plugins.host.prompt import message_of
from jikko.plugins.install.installed_plugins import Entry, InstalledPlugins
from jikko.plugins.package.declaration import Kind, ProviderDeclaration, with_defaults
from jikko.plugins.package.package_names import Identifier, identifier, provider_name
from jikko.plugins.plugins_file import PluginsConfig
from jikko.plugins.process.budget import Budget, Budgets
from jikko.plugins.process.call import InvocationMessage, PluginFailure, ProcessLimits
from jikko.plugins.process.cgroups import Bounds
from jikko.plugins.process.plugin_launch import Lock, make_state, plugin_environment
from jikko.plugins.process.pool import PoolLimits, ProcessPool
from jikko.plugins.process.process import PluginProcess
from jikko.plugins.process.process_usage import FolderQuota
from jikko.plugins.process.sockets import sockets_offered
from jikko.ports.agents import AgentHost
from jikko.ports.files.file_store import FileStore
from jikko.ports.http import Connections
from jikko.ports.tools import Caller, Emit, FileMessage, ToolNotFound, plugin_missing
from jikko.repositories.plugin_storage import PluginStorage
from jikko.values import FILE_IDENTITY, Json, is_file


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeLimits:
    seconds: float = 600.0
    """Timeout of a call."""
    memory: int = 2 << 30
    """Bytes of one process with its children."""
    room: FolderQuota = field(default_factory=FolderQuota)
    """Quota of each plugin's folder."""
    confine: bool = True
    """False to run plugins unlocked, with all rights of the server."""
    pool: PoolLimits = field(default_factory=PoolLimits)


class _Outlet(NamedTuple):
    """Resources shared by all versions and processes of one plugin."""

    gate: NetworkGate
    budget: Budget


class PluginRuntime:
    """Starts plugins on the first call."""

    def __init__(
        self,
        installed: InstalledPlugins,
        config: PluginsConfig,
        limits: RuntimeLimits,
        *,
        connections: Connections,
        files: FileStore,
        storage: PluginStorage,
    ) -> None:
        self.installed = installed
        self.config = config
        self._limits = limits
        self._connections = connections
        self._budgets = Budgets()
        self._outlets: dict[str, _Outlet] = {}
        self._files = files
        self._storage = storage
        self._share = Scheduler()
        self.pool: ProcessPool[Entry] = ProcessPool(self.start, limits.pool)
        self._bounds = Bounds(
            memory=limits.memory, room=limits.room, grouped=limits.confine, each_round=self._forget_removed
        )

    def find(self, kind: Kind, written: str, exact: str, subject: Phrase) -> tuple[Entry, ProviderDeclaration]:
        """Find the plugin and provider that a workflow names. Raises ``ToolNotFound`` if there is none.

        ``exact``: Identifier of the plugin the workflow was built with, if known. ``subject``: For the error.
        """
        name = provider_name(written, self.config.aliases)
        made_with = identifier(exact)
        wanted = made_with if made_with is not None and made_with.plugin == name.plugin else None
        entry = self.installed.find(wanted or Identifier(name.plugin, "", ""))
        if entry is None:
            version = f":{made_with.version}" if made_with is not None and made_with.version else ""
            raise plugin_missing(subject, f"{name.plugin}{version}")
        provider = entry.plugin.provider(kind, name.provider)
        if provider is None:
            has = ", ".join(each.name for each in entry.plugin.providers if each.kind == kind)
            what = Phrase("tool.plugin_provider", {"plugin": name.plugin, "provider": name.provider})
            raise ToolNotFound(what, Phrase("remedy.it_has", {"known": has}) if has else None)
        return entry, provider

    def credentials(self, entry: Entry, provider: ProviderDeclaration, credential_id: str = "") -> dict[str, Json]:
        """Return credentials with defaults. Raises ``ToolNotFound``, with the line to add, if one is missing."""
        config, plugin_id = self.config.of(entry.plugin.id), entry.plugin.id
        if config.unset:
            params = {"entry": plugin_id, "names": ", ".join(config.unset)}
            raise ToolNotFound(Phrase("tool.plugin_unset", params), Phrase("remedy.set_before_start"))
        given, missing = with_defaults(provider.credentials, config.credentials_for(credential_id))
        if missing:
            code = "remedy.add_plugin" if self.config.source else "remedy.make_plugins_file"
            raise ToolNotFound(
                Phrase("tool.plugin_needs", {"plugin": plugin_id, "names": ", ".join(missing)}),
                Phrase(code, {"line": self.config.line_to_add(plugin_id, missing)}),
            )
        return given

    async def start(self, entry: Entry) -> PluginProcess:
        """Start a plugin process. Raises ``PluginFailure`` if that fails."""
        direct = self.config.of(entry.plugin.id).network == "direct"
        outlet = self._outlet(entry)
        # A plugin with direct connections has a gate too: it serves the files.
        address = outlet.gate.listen()
        code, environment, state = (
            self.installed.code(entry),
            self.installed.environment(entry),
            self.installed.state(entry),
        )
        uid = entry.uid if self._limits.confine else 0
        try:
            make_state(state, uid)
        except OSError as error:
            raise PluginFailure("PluginDied", f"The folder {state} cannot be used: {error}") from None
        group = await self._bounds.admit(state)
        command = [str(environment / "bin/python"), "-m", entry.plugin.entrypoint]
        with ExitStack() as stack:
            asks = self._limits.confine and not direct
            sockets = stack.enter_context(sockets_offered(outlet.budget)) if asks else 0
            lock = Lock(
                read=(code, environment),
                write=(state,),
                ports=None if direct else (outlet.gate.port,),
                sockets=sockets,
                memory=self._limits.memory,
                uid=uid,
                confine=self._limits.confine,
                cgroup=None if group is None else group.folder,
            )
            process = await PluginProcess.start(
                lock.command(command),
                folder=code,
                environment=plugin_environment(environment=environment, state=state, gate=None if direct else address),
                limits=ProcessLimits(memory=self._limits.memory),
                share=self._share,
                group=group,
                budget=outlet.budget,
                descriptors=[sockets] if asks else [],
            )
        self._bounds.watch(process, state)
        return process

    async def invoke(
        self,
        entry: Entry,
        request: Mapping[str, Any],
        *,
        caller: Caller,
        host: AgentHost | None,
        emit: Emit,
        answer: Callable[[Any], None] | None = None,
        silence: float | None = None,
    ) -> None:
        """Invoke a plugin, and wait for the end of its answer. Raises ``PluginFailure`` if it fails.

        ``request``: Without the user; files are mappings. ``host``: Serves its requests; ``None``: refuse them.
        ``silence``: Idle timeout in seconds, in place of a timeout for the whole call.
        """
        gate = self._outlet(entry).gate
        with ExitStack() as stack:
            gate.listen()
            sent = self._with_files({**request, "user_id": caller.user or "jikko"}, caller, gate, stack)
            calls = None
            if host is not None:
                calls = HostCalls(
                    entry.plugin,
                    caller,
                    host,
                    files=self._files,
                    storage=self._storage,
                    gate=gate,
                    config=self.config,
                    stack=stack,
                )
            context = {"app_id": caller.app_id, "context": {"idempotency_key": caller.key}}

            def take(received: InvocationMessage) -> None:
                file = None if calls is None else calls.linked(received)
                message = message_of(received) if file is None else FileMessage(file)
                if message is not None:
                    emit(message)

            async with self.pool.process(entry, caller.app_id) as process:
                await process.call(
                    sent,
                    seconds=self._limits.seconds if silence is None else silence,
                    streams=silence is not None,
                    emit=take,
                    answer=answer,
                    backwards=calls,
                    context=context,
                )

    async def close(self) -> None:
        """End every process. Idempotent."""
        await self._bounds.close()
        await self.pool.close()
        for outlet in self._outlets.values():
            await outlet.gate.close()

    async def _forget_removed(self) -> None:
        """End the idle processes of removed or replaced plugins."""
        installed = self.installed.entries()
        for entry in self.pool.keys:
            if entry not in installed:
                await self.pool.forget(entry)

    def _outlet(self, entry: Entry) -> "_Outlet":
        found = self._outlets.get(entry.plugin.id)
        if found is None:
            budget = self._budgets.open()
            found = self._outlets[entry.plugin.id] = _Outlet(NetworkGate(self._connections, budget=budget), budget)
        return found

    def _with_files(self, value: Json, caller: Caller, gate: NetworkGate, stack: ExitStack) -> Json:
        """Convert files to the SDK's shape, each with a URL from which the plugin can fetch it."""
        if is_file(value):
            return self._file(value, caller, gate, stack)
        match value:
            case dict():
                return {key: self._with_files(each, caller, gate, stack) for key, each in value.items()}
            case list() | tuple():
                return [self._with_files(each, caller, gate, stack) for each in value]
            case _:
                return value

    def _file(self, file: dict[str, Json], caller: Caller, gate: NetworkGate, stack: ExitStack) -> dict[str, Json]:
        file_id = file.get("related_id")
        mime_type = str(file.get("mime_type") or "application/octet-stream")
        if isinstance(file_id, str) and file_id:
            read = partial(self._files.read, file_id, app_id=caller.app_id, end_user_id=caller.end_user_id)
            url = stack.enter_context(gate.offering(OfferedFile(read, mime_type)))
        else:
            url = str(file.get("url") or file.get("remote_url") or "")
        return {
            "dify_model_identity": FILE_IDENTITY,
            "url": url,
            "mime_type": mime_type,
            "filename": file.get("filename"),
            "extension": file.get("extension"),
            "size": file.get("size") if isinstance(file.get("size"), int) else -1,
            "type": file.get("type") or "custom",
        }
