"""What routes work with."""

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from jikko.apps.app_keys import AppKeys
from jikko.apps.end_users import EndUsers
from jikko.apps.publishing import Apps
from jikko.apps.speech import AppSpeech
from jikko.apps.versions import Workflows
from jikko.concurrency.loop_lag import LoopLag
from jikko.conversations.annotations.annotations import Annotations
from jikko.conversations.suggestions import Suggestions
from jikko.conversations.turns import Turns
from jikko.http.bodies.reading import Bodies
from jikko.http.proxies import TrustedProxies
from jikko.http.sse import PING_SECONDS
from jikko.inputs.file_limits import FileLimits
from jikko.inputs.uploads import FileService
from jikko.maintenance.readiness import Readiness
from jikko.ports.app_calls.served_apps import ServedApps
from jikko.ports.clock import Clock
from jikko.ports.stores.conversation_store import ConversationStore
from jikko.runs.forms import Forms
from jikko.runs.idempotency import IdempotentStarts
from jikko.runs.retry import Retries
from jikko.runs.runs import Runs
from jikko.values import Json

START_SECONDS: Final = 8.0

if TYPE_CHECKING:
    from jikko.knowledge.service import Knowledge
    from jikko.ports.stores.knowledge.stores import OpenKnowledge


class Api(Struct, frozen=True, kw_only=True):
    """The services behind the API, and its limits."""

    apps: Apps
    app_keys: AppKeys
    runs: Runs
    starts: IdempotentStarts
    turns: Turns
    conversations: ConversationStore
    retries: Retries
    workflows: Workflows
    end_users: EndUsers
    version: str
    max_body: int
    """Bytes of a JSON body."""
    max_elements: int
    """Elements that arrays and objects of a large JSON body may have in all."""
    bodies: Bodies
    files: FileService
    forms: Forms
    file_limits: FileLimits
    datasets: "OpenKnowledge"
    """Where they are kept, if there are any."""
    knowledge: "Knowledge"
    annotations: Annotations
    suggestions: Suggestions
    speech: AppSpeech
    served_apps: ServedApps
    readiness: Readiness
    lag: LoopLag
    node: str
    """What the process is called in the records of its runs."""
    public_url: str
    """The server's address as clients know it; empty: taken from each request."""
    now: Clock
    root_path: str = ""
    """The path below which clients reach the server, unless a proxy says another; empty for none."""
    proxies: TrustedProxies | None = None
    """The proxies whose headers are taken; ``None``: no proxy's."""
    ping_seconds: float = PING_SECONDS
    start_seconds: float = START_SECONDS
    """For which a start may wait for the record, until it is refused. Infinite: no limit."""

    def fresh(self, value: Json, base_url: str) -> Json:
        """The value with urls of files that have not expired."""
        return self.files.fresh(value, base_url=base_url)

    def fresh_text(self, text: str, base_url: str) -> str:
        """The text with urls of files that have not expired."""
        return self.files.fresh_text(text, base_url=base_url)
