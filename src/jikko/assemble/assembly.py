"""Services of a process, as built by ``assemble``; and the build context of all factories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:  # annotations are never resolved: naming a type needs no import
    from collections.abc import Callable, Mapping

    from jikko.apps.app_keys import AppKeys
    from jikko.apps.end_users import EndUsers
    from jikko.apps.publishing import AppCatalog
    from jikko.apps.versions import StandIns, Workflows
    from jikko.assemble.build_chat import ChatServices
    from jikko.assemble.build_schedules import ScheduleServices
    from jikko.assemble.build_upkeep import Measures, UpkeepServices
    from jikko.assemble.configuration import Configuration
    from jikko.concurrency.shutdown import Shutdown
    from jikko.console.console_service import Console
    from jikko.console.run_feed import RunFeed
    from jikko.inputs.uploads import FileService
    from jikko.knowledge.service import Knowledge
    from jikko.ports.clock import Clock
    from jikko.ports.cluster import Cluster
    from jikko.ports.http import HttpClient
    from jikko.ports.node_ports import NodePorts
    from jikko.ports.served_apps import ServedApps
    from jikko.ports.stores.run_store import RunStore
    from jikko.repositories.audit_store import AuditStore
    from jikko.repositories.conversation_store import ConversationStore
    from jikko.repositories.knowledge.knowledge_stores import OpenKnowledge
    from jikko.runs.runs import Runs
    from jikko.settings import Settings
    from jikko.tools.tools_of_installation import ToolService
    from jikko.triggers.deliveries import Deliveries
    from jikko.triggers.receiving import Webhooks
    from jikko.triggers.triggers import Triggers


class Assembly(Struct, frozen=True, kw_only=True):
    """Object graph of one process."""

    settings: Settings
    configuration: Configuration
    cluster: Cluster
    apps: AppCatalog
    app_keys: AppKeys
    workflows: Workflows
    runs: Runs
    ports: NodePorts
    store: RunStore
    conversations: ConversationStore
    chat: ChatServices
    upkeep: UpkeepServices
    end_users: EndUsers
    files: FileService
    datasets: OpenKnowledge
    """Storage of datasets."""
    knowledge: Knowledge
    tools: ToolService
    triggers: Triggers
    webhooks: Webhooks
    deliveries: Deliveries
    schedules: ScheduleServices
    served_apps: ServedApps
    measures: Measures
    audit: Callable[[], AuditStore]
    """Factory of the store."""
    console: Console | None
    """``None`` without a console."""
    console_feed: RunFeed | None
    """Live updates of the console's lists; ``None`` without a console."""
    clock: Clock


class BuildContext(Struct, frozen=True):
    """Process whose services are built."""

    settings: Settings
    """Settings with this process's share of the machine's limits."""
    of_machine: Settings
    """Original settings: limits for all processes of this machine together."""
    stack: Shutdown
    """Closes the services, newest first."""
    environment: Mapping[str, str]
    """Values of ``${NAME}`` in the files of providers, tools and plugins."""
    clock: Clock
    in_memory: bool = False
    """Whether nothing is kept on disk."""
    owned: bool = False
    """Whether this process, or its parent, holds the data folder."""
    brief: bool = False
    """Whether the process ends after a run or two."""
    workers: int = 1
    """Number of processes of this machine that share its limits and its database."""
    http: HttpClient | None = None
    """Replaces the HTTP client of nodes and files."""
    stand_ins: StandIns | None = None
    """See ``Workflows``."""
