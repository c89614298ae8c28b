"""Names of this room that few processes need: imported when they are first used, which costs nothing until then.

Modules write ``lazy.NAME``. See docs/decisions/0214.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from jikko.assemble.backup import backups_by_the_clock
    from jikko.assemble.console.making import make_console
    from jikko.assemble.console.sqlite_stores import console_stores
    from jikko.assemble.console.watch import build_watch
    from jikko.assemble.knowledge.making import make_knowledge, make_retrieval
    from jikko.assemble.plugin_runtime import make_plugins
    from jikko.assemble.postgres.moving import contents_to_bucket
    from jikko.assemble.postgres.reading import known_datasets, objects_of_archive, read_owner, stored_environments
    from jikko.assemble.postgres.stores import datasets_in_postgres, plugin_database, stores_in_postgres
    from jikko.assemble.schedules import make_schedules, schedule_reader
    from jikko.assemble.sqlite_stores import stores_in_memory, stores_on_disk
    from jikko.assemble.tool_service import make_tools
    from jikko.cluster.nats.link import NatsLink
    from jikko.cluster.nats.nats_cluster import NatsCluster
    from jikko.cluster.nats.streams import Names
    from jikko.conversations.external_data import ExternalData
    from jikko.files.bucket import BucketBlobs
    from jikko.files.memory import MemoryBlobs
    from jikko.plugins.file import read_plugins_file
    from jikko.plugins.install.installed import InstalledPlugins
    from jikko.providers.fake import FakeModels, FakeReranker
    from jikko.providers.file import read_providers
    from jikko.providers.moderators import moderator_over
    from jikko.providers.speech.speaker import speech_over
    from jikko.providers.vectors.embedder import embedder_over
    from jikko.repositories.delivery_store import DeliveryStore
    from jikko.repositories.schedule_store import ScheduleStore
    from jikko.repositories.trigger_store import TriggerStore
    from jikko.sandbox.selftest import self_test
    from jikko.store.sqlite.memory_database import MemoryDatabase
    from jikko.strategies.service import StrategyService
    from jikko.tools.directory import ToolsDirectory
    from jikko.tools.file import read_tools_file
    from jikko.triggers.deliveries import Deliveries
    from jikko.triggers.delivery_retries import DeliveryRetries
    from jikko.triggers.file import read_triggers_file
    from jikko.triggers.receiving import Webhooks
    from jikko.triggers.schedule_control import ScheduleControl
    from jikko.triggers.triggers import Triggers
    from jikko.triggers.webhook_options import read_webhook_options

_MODULES: Final = {
    "Assembly": "assemble.assembly",
    "BucketBlobs": "files.bucket",
    "ExternalData": "conversations.external_data",
    "FakeModels": "providers.fake",
    "FakeReranker": "providers.fake",
    "InstalledPlugins": "plugins.install.installed",
    "MemoryBlobs": "files.memory",
    "MemoryDatabase": "store.sqlite.memory_database",
    "Names": "cluster.nats.streams",
    "NatsCluster": "cluster.nats.nats_cluster",
    "NatsLink": "cluster.nats.link",
    "ScheduleControl": "triggers.schedule_control",
    "ScheduleStore": "repositories.schedule_store",
    "DeliveryStore": "repositories.delivery_store",
    "TriggerStore": "repositories.trigger_store",
    "StrategyService": "strategies.service",
    "ToolsDirectory": "tools.directory",
    "Deliveries": "triggers.deliveries",
    "DeliveryRetries": "triggers.delivery_retries",
    "Triggers": "triggers.triggers",
    "Webhooks": "triggers.receiving",
    "assemble": "assemble.assembling",
    "backups_by_the_clock": "assemble.backup",
    "build_watch": "assemble.console.watch",
    "console_stores": "assemble.console.sqlite_stores",
    "contents_to_bucket": "assemble.postgres.moving",
    "datasets_in_postgres": "assemble.postgres.stores",
    "embedder_over": "providers.vectors.embedder",
    "key_files": "assemble.configuration",
    "known_datasets": "assemble.postgres.reading",
    "make_console": "assemble.console.making",
    "make_embedder": "assemble.models",
    "make_knowledge": "assemble.knowledge.making",
    "make_plugins": "assemble.plugin_runtime",
    "make_retrieval": "assemble.knowledge.making",
    "make_sandbox": "assemble.sandboxes",
    "make_schedules": "assemble.schedules",
    "make_tools": "assemble.tool_service",
    "mocks_of": "assemble.node_ports",
    "models_alone": "assemble.models",
    "moderator_over": "providers.moderators",
    "objects_of_archive": "assemble.postgres.reading",
    "plugin_database": "assemble.postgres.stores",
    "providers_of": "assemble.models",
    "read_owner": "assemble.postgres.reading",
    "read_plugins_file": "plugins.file",
    "read_providers": "providers.file",
    "read_triggers_file": "triggers.file",
    "read_tools_file": "tools.file",
    "read_webhook_options": "triggers.webhook_options",
    "sandbox_limits": "assemble.sandboxes",
    "schedule_reader": "assemble.schedules",
    "self_test": "sandbox.selftest",
    "speech_over": "providers.speech.speaker",
    "sqlite_suffices": "assemble.stores",
    "stored_environments": "assemble.postgres.reading",
    "stored_values": "assemble.stores",
    "stores_in_memory": "assemble.sqlite_stores",
    "stores_in_postgres": "assemble.postgres.stores",
    "stores_on_disk": "assemble.sqlite_stores",
    "try_sandbox": "assemble.sandboxes",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"jikko.{_MODULES[name]}"), name)
