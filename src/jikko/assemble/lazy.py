"""Lazy imports of names that few processes need: each is imported on first use.

Modules write ``lazy.NAME``. The imports below are for type checkers; the table of modules is read from their text. See
docs/decisions/0373.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from jikko.apps.speech import AppSpeech
    from jikko.assemble.assembling import assemble
    from jikko.assemble.assembly import Assembly
    from jikko.assemble.build_backup import build_scheduled_backups
    from jikko.assemble.build_models import make_embedder, models_alone, providers_of
    from jikko.assemble.build_node_ports import mocks_of
    from jikko.assemble.configuration import key_files
    from jikko.assemble.console.build_console import build_console
    from jikko.assemble.console.watch import build_watch
    from jikko.assemble.knowledge.build_knowledge import make_knowledge, make_retrieval
    from jikko.assemble.plugin_runtime import make_plugins
    from jikko.assemble.postgres.folder_facts import known_datasets, objects_of_archive, read_owner, stored_environments
    from jikko.assemble.postgres.moving import contents_to_bucket
    from jikko.assemble.postgres.postgres_stores import datasets_in_postgres, plugin_database, stores_in_postgres
    from jikko.assemble.sandboxes import make_sandbox, try_sandbox
    from jikko.assemble.sqlite_stores import stores_in_memory, stores_on_disk
    from jikko.assemble.stores import sqlite_suffices
    from jikko.assemble.tool_service import make_tools
    from jikko.cluster.nats.link import NatsLink
    from jikko.cluster.nats.nats_cluster import NatsCluster
    from jikko.cluster.nats.streams import Names
    from jikko.conversations.external_data import ExternalData
    from jikko.conversations.suggestions import Suggestions
    from jikko.files.bucket import BucketBlobs
    from jikko.files.memory_blobs import MemoryBlobs
    from jikko.plugins.install.installed_plugins import InstalledPlugins
    from jikko.plugins.package.package_names import provider_name
    from jikko.plugins.plugins_file import read_plugins_file
    from jikko.providers.embedder import embedder_over
    from jikko.providers.fake import FakeModels, FakeReranker
    from jikko.providers.other_models import moderator_over, speech_over
    from jikko.providers.providers_file import read_providers
    from jikko.repositories.audit_store import AuditStore
    from jikko.repositories.console_store import ChatPages, ConsoleStore
    from jikko.repositories.delivery_store import DeliveryStore
    from jikko.repositories.schedule_store import ScheduleStore
    from jikko.repositories.trigger_store import TriggerStore
    from jikko.sandbox.selftest import self_test
    from jikko.store.sqlite.console.run_pages import SqliteRunPages
    from jikko.store.sqlite.memory_database import MemoryDatabase
    from jikko.strategies.strategy_service import StrategyService
    from jikko.tools.directory import ToolsDirectory
    from jikko.tools.tools_file import read_tools_file
    from jikko.triggers.deliveries import Deliveries, DeliveryRetries
    from jikko.triggers.receiving import Webhooks
    from jikko.triggers.schedule_control import ScheduleControl
    from jikko.triggers.schedule_options import ScheduleOptions, ScheduleReader, read_triggers_file
    from jikko.triggers.schedules import ScheduleRuns, Schedules
    from jikko.triggers.triggers import Triggers, options_of
    from jikko.triggers.webhook_options import read_trigger_ids, read_webhook_options

_BLOCK: Final = Path(__file__).read_text(encoding="utf-8").split("if TYPE_CHECKING:\n")[1].split("\n\n")[0]
_MODULES: Final = {
    name.strip(" (\n"): module
    for module, names in (line.split(" import ") for line in _BLOCK.split("    from ")[1:])
    for name in names.strip("(),\n ").split(",")
}
"""Modules, by imported name."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
