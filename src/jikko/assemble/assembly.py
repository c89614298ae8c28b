"""The services of a process, as ``assemble`` builds them; and the context that every factory of a room is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:  # nobody resolves them: to name a type costs no import
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
    from jikko.ports.models import DefaultModels
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
    """The object graph of one process."""

    settings: Settings
    configuration: Configuration
    cluster: Cluster
    apps: AppCatalog
    app_keys: AppKeys
    workflows: Workflows
    runs: Runs
    ports: NodePorts
    """Of the nodes of runs."""
    store: RunStore
    conversations: ConversationStore
    chat: ChatServices
    upkeep: UpkeepServices
    end_users: EndUsers
    files: FileService
    datasets: OpenKnowledge
    """Where they are kept."""
    knowledge: Knowledge
    default_models: DefaultModels
    tools: ToolService
    triggers: Triggers
    webhooks: Webhooks
    deliveries: Deliveries
    schedules: ScheduleServices
    served_apps: ServedApps
    measures: Measures
    audit: Callable[[], AuditStore]
    """Makes it."""
    console: Console | None
    """``None``: there is none."""
    console_feed: RunFeed | None
    """Tells those who look at its lists what moves; ``None``: there is no console."""
    clock: Clock


class BuildContext(Struct, frozen=True):
    """The process whose services are built."""

    settings: Settings
    """Of limits of the machine, the part that this process may use."""
    of_machine: Settings
    """As they were set: the limits of all processes of this machine together."""
    stack: Shutdown
    """Closes what was built, the newest first."""
    environment: Mapping[str, str]
    """What ``${NAME}`` in the files of providers, tools and plugins stands for."""
    clock: Clock
    in_memory: bool = False
    """Whether nothing is kept on disk."""
    owned: bool = False
    """Whether this process, or the one that started it, holds the data folder."""
    brief: bool = False
    """Whether the process ends after a run or two."""
    workers: int = 1
    """How many processes of this machine share its limits and write to its database."""
    http: HttpClient | None = None
    """Sends the requests of nodes and files in place of the usual client."""
    stand_ins: StandIns | None = None
    """See ``Workflows``."""
