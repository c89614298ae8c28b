"""Queries of clients, commands and background jobs to a database of very many runs: each kind once, by name."""

from collections.abc import Awaitable, Callable
from functools import partial
from itertools import combinations
from typing import Any, Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from jikko.ports.stores.messages import ConversationQuery
from jikko.ports.stores.run_pages import RunCursor, RunFilter
from jikko.ports.stores.run_store import LogQuery
from jikko.repositories.annotation_store import AnnotationStore
from jikko.repositories.callback_store import CallbackStore
from jikko.repositories.console_store import ChatPages
from jikko.repositories.end_user_store import EndUserStore
from jikko.repositories.file_index import FileIndex
from jikko.store.postgres.archive.run_archive import RunArchive
from jikko.store.postgres.console.run_pages import PostgresRunPages
from jikko.store.postgres.conversation_store import PostgresConversationStore
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.runs.run_store import PostgresRunStore
from tests.store.many_postgres_runs import BEGIN, COMMON, RARE, Filled

Question: TypeAlias = Callable[[], Awaitable[Any]]
_NOBODY: Final = "0199a1b2-0000-7000-8000-0000000000ff"
"""Unused id."""
_DAY: Final = 86_400.0
_FIELDS: Final[dict[str, dict[str, Any]]] = {
    "app": {"app_id": "0"},
    "failed": {"statuses": ("failed",)},
    "succeeded": {"statuses": ("succeeded",)},
    "running": {"statuses": ("running", "paused")},
    "user": {"user": "user-3"},
    "nobody": {"user": "user-none"},
    "version": {"workflow_id": "0"},
    "rare version": {"workflow_id": "2"},
    "lately": {"after": 0.98},
    "between": {"after": 0.3, "before": 0.5},
    "slow": {"min_elapsed": 0.7},
    "tokens": {"min_tokens": 1900},
    "cost": {"min_cost": 0.009},
    "error": {"error": "Could NOT"},
    "failed at": {"failed_at": "LLM"},
    "repeats": {"retry": "repeats"},
    "repeated": {"retry": "repeated"},
    "versions": {"workflow_ids": ("0", "2")},
    "very slow": {"min_elapsed": 400.0},
    "none so slow": {"min_elapsed": 1e9},
}
"""Filters of the console. Numbers stand for ids and times of the filled database."""


class Stores(Struct, frozen=True):
    """Queried stores."""

    pages: PostgresRunPages
    chats: ChatPages
    runs: PostgresRunStore
    archiving: RunArchive
    conversations: PostgresConversationStore
    annotations: AnnotationStore
    callbacks: CallbackStore
    users: EndUserStore
    files: FileIndex


def stores_of(database: Postgres) -> Stores:
    """Return the stores of a database. The caller closes ``runs``."""
    archive = RunArchive(database, None)
    return Stores(
        PostgresRunPages(database),
        ChatPages(database),
        PostgresRunStore(database, archive),
        archive,
        PostgresConversationStore(database),
        AnnotationStore(database),
        CallbackStore(database),
        EndUserStore(database),
        FileIndex(database),
    )


def questions(stores: Stores, filled: Filled) -> dict[str, Question]:
    """Return all queries."""
    return {
        **_of_the_console(stores, filled),
        **_of_logs(stores, filled),
        **_of_one_run(stores, filled),
        **_of_chats(stores, filled),
        **_of_jobs(stores, filled),
    }


def filters(filled: Filled, most: int) -> dict[str, RunFilter]:
    """Return the console's filters, and all combinations of 2 to ``most`` on different fields."""
    found = {"none": RunFilter()}
    for count in range(1, most + 1):
        for some in combinations(_FIELDS.items(), count):
            given = [part for _, fields in some for part in fields]
            if len(given) == len(set(given)):
                fields = {name: value for _, each in some for name, value in each.items()}
                found[", ".join(name for name, _ in some)] = _filter(filled, fields)
    return found


def _filter(filled: Filled, fields: dict[str, Any]) -> RunFilter:
    wanted = RunFilter(**fields)
    span = filled.end - BEGIN
    return replace(
        wanted,
        app_id=wanted.app_id and filled.apps[int(wanted.app_id)],
        workflow_id=wanted.workflow_id and filled.versions[int(wanted.workflow_id)],
        workflow_ids=wanted.workflow_ids and tuple(filled.versions[int(number)] for number in wanted.workflow_ids),
        after=None if wanted.after is None else BEGIN + wanted.after * span + 0.5,
        before=None if wanted.before is None else BEGIN + wanted.before * span + 0.5,
    )


def listed(stores: Stores, wanted: RunFilter, behind: RunCursor | None = None) -> Question:
    """Return a page of the console's list of runs, with its counts."""

    async def ask() -> None:
        await stores.pages.page(wanted, behind=behind, limit=50)
        await stores.pages.counts(wanted)

    return ask


def _of_the_console(stores: Stores, filled: Filled) -> dict[str, Question]:
    pages, app = stores.pages, filled.apps[0]
    middle, oldest = RunCursor(BEGIN + (filled.end - BEGIN) / 2, 1 << 40), RunCursor(BEGIN + 200.0, 1 << 40)
    some = filters(filled, 1)
    first = BEGIN // 3600 * 3600
    step = max((filled.end - first) // 48 // 3600, 1) * 3600
    asked = {f"console, {name}": listed(stores, wanted) for name, wanted in some.items()}
    for name in ("none", "app", "failed", "user", "slow"):
        asked[f"console, {name}, in the middle"] = listed(stores, some[name], middle)
        asked[f"console, {name}, at the end"] = listed(stores, some[name], oldest)
        asked[f"console, {name}, newer than the oldest"] = partial(pages.newer, some[name], oldest)
        asked[f"console, {name}, over time"] = partial(pages.histogram, some[name], first=first, step=step, buckets=49)
    return {
        **asked,
        "console, rare keyword": lambda: pages.page(RunFilter(keyword=RARE)),
        "console, common keyword": lambda: pages.page(RunFilter(keyword=COMMON)),
        "console, a conversation": listed(stores, RunFilter(conversation_id=filled.conversation)),
        "console, a day over time": lambda: pages.histogram(
            RunFilter(), first=filled.end - _DAY, step=1800.0, buckets=48
        ),
        "console, charts": lambda: pages.strata(None, first=first, last=first + 49 * step, step=step),
        "console, charts of an app": lambda: pages.strata(app, first=first, last=first + 49 * step, step=step),
        "console, those that moved": lambda: pages.those(some["slow"], filled.runs[-50:]),
        "console, earliest": pages.earliest,
        "console, newest": pages.newest,
        "console, open": pages.open_counts,
        "console, since a day": lambda: pages.since(filled.end - _DAY),
        "console, since ever": lambda: pages.since(0),
        "console, apps": lambda: pages.app_days(filled.apps, since=filled.end - _DAY, last=20),
        "console, one app": lambda: pages.app_days([app], since=filled.end - _DAY, last=20),
        "console, chats": lambda: stores.chats.conversations(filled.apps[1], user=None, behind=None, limit=50),
        "console, chats of a user": lambda: stores.chats.conversations(
            filled.apps[1], user="user-3", behind=None, limit=50
        ),
    }


def _of_logs(stores: Stores, filled: Filled) -> dict[str, Question]:
    span = filled.end - BEGIN
    asked: dict[str, dict[str, Any]] = {
        "all": {},
        "failed": {"statuses": ("failed",)},
        "succeeded": {"statuses": ("succeeded",)},
        "partly": {"statuses": ("partial-succeeded",)},
        "running": {"statuses": ("running",)},
        "a user": {"user": "user-3"},
        "nobody": {"user": "user-none"},
        "a user, failed": {"user": "user-3", "statuses": ("failed",)},
        "before": {"before": BEGIN + span / 2},
        "after": {"after": BEGIN + span * 0.98},
        "between, succeeded": {
            "statuses": ("succeeded",), "after": BEGIN + span * 0.3, "before": BEGIN + span / 2,
        },
        "page 100": {"page": 100},
        "far back": {"page": 200},
        "the last page": {"page": 99_999},
        "a common keyword": {"keyword": COMMON},
        "a rare keyword": {"keyword": RARE},
        "no keyword": {"keyword": "nowhere to be found"},
        "a user, a keyword": {"keyword": COMMON, "user": "user-3"},
    }  # fmt: skip
    return {
        f"logs, {name}": partial(stores.runs.list_runs, LogQuery(app_id=filled.apps[0], **query))
        for name, query in asked.items()
    }


def _of_one_run(stores: Stores, filled: Filled) -> dict[str, Question]:
    runs, run_id = stores.runs, filled.runs[len(filled.runs) // 3]
    return {
        "run, detail": lambda: runs.detail(run_id, filled.digest),
        "run, record": lambda: runs.record(run_id),
        "run, none": lambda: runs.record(_NOBODY),
        "run, events": lambda: runs.events(run_id),
        "run, open, events": lambda: runs.events(filled.runs[-1]),
        "run, retries": lambda: runs.retries(run_id),
        "run, callback": lambda: stores.callbacks.find(run_id),
        "run, its message": lambda: stores.conversations.message_of_run(run_id),
        "a task": lambda: runs.find_task(filled.apps[0], run_id),
        "an idempotency key": lambda: runs.claimed(filled.apps[0], "key-1", now=BEGIN),
        "runs by the beginning of an id": lambda: runs.scan(after=run_id, limit=11),
        "a user": lambda: stores.users.find(filled.apps[0], filled.users[3]),
        "a user, unknown": lambda: stores.users.find(filled.apps[0], _NOBODY),
    }


def _of_chats(stores: Stores, filled: Filled) -> dict[str, Question]:
    chats, app, talker, conversation = stores.conversations, filled.apps[1], filled.talker, filled.conversation
    return {
        "chats, of a user": lambda: chats.conversations(ConversationQuery(app_id=app, end_user_id=talker)),
        "chats, of a user, behind one": lambda: chats.conversations(
            ConversationQuery(app_id=app, end_user_id=talker, after=conversation)
        ),
        "chats, by creation": lambda: chats.conversations(
            ConversationQuery(app_id=app, end_user_id=talker, order="created_at")
        ),
        "chats, of nobody": lambda: chats.conversations(ConversationQuery(app_id=app, end_user_id=_NOBODY)),
        "chats, opened": lambda: chats.opened(app, talker, conversation),
        "chats, messages": lambda: chats.messages(conversation),
        "chats, first message": lambda: chats.first_message(conversation),
        "chats, untitled": chats.untitled,
        "chats, feedbacks": lambda: chats.feedbacks(app),
        "annotations": lambda: stores.annotations.page(app),
        "annotations, page 100": lambda: stores.annotations.page(app, page=100),
        "annotations, a keyword": lambda: stores.annotations.page(app, keyword=COMMON),
    }


def _of_jobs(stores: Stores, filled: Filled) -> dict[str, Question]:
    runs, app, few = stores.runs, filled.apps[0], filled.apps[-1]
    middle = BEGIN + (filled.end - BEGIN) / 2
    return {
        "prune --dry-run, all": lambda: runs.prunable(middle),
        "prune --dry-run, a large app": lambda: runs.prunable(middle, app_id=app),
        "prune --dry-run, a small app": lambda: runs.prunable(middle, app_id=few),
        "retention, nothing is old": lambda: runs.prune(BEGIN, limit=100),
        "retention, nothing of a small app is old": lambda: runs.prune(BEGIN, limit=100, app_id=few),
        "retention, what remained": lambda: runs.created_before(BEGIN + 100.0),
        "retention, files": lambda: stores.files.expire(BEGIN, limit=100),
        "archive, nothing is old": lambda: stores.archiving.archive(BEGIN),
        "export, a small app": lambda: runs.scan(app_id=few, limit=100),
        "removing a user, unknown": lambda: runs.remove_of_user(app, _NOBODY, limit=100),
        "removing a user, open": lambda: runs.open_of_user(app, filled.users[3]),
        "files, of nobody": lambda: stores.files.forget_of_user(app, _NOBODY),
        "callbacks, due": lambda: stores.callbacks.due(BEGIN + 10.0, each=10, limit=100),
        "callbacks, undelivered": lambda: stores.callbacks.undelivered(app_id=few),
        "forms, due": lambda: runs.due_runs(BEGIN),
        "forms, next": lambda: runs.next_wake(BEGIN),
        "open runs of nobody": lambda: runs.open_runs("nobody"),
        "holders": runs.holders,
        "short ids": lambda: runs.scan(after=_NOBODY, limit=11),
    }
