"""Databases of earlier versions, and their contents.

    python -m tests.store.old_databases VERSION

writes the database of a version to ``fixtures``, with today's code and the migrations up to that version. It was run
for each version while the code still wrote what that version wrote; see ``fixtures/README.md``.
"""

import asyncio
import gzip
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec.structs import replace

from jikko.event_parts import Exceptions, FailedNode
from jikko.events import Event, FormRequested, RunFinished
from jikko.ids import new_id
from jikko.ports.stores.annotation_store import Annotation
from jikko.ports.stores.audit_store import AuditEntry, AuditFilter
from jikko.ports.stores.file_index import StoredFile
from jikko.ports.stores.messages import (
    AnnotationReply,
    Conversation,
    ConversationVariable,
    Message,
    MessageAnswer,
    MessageMetadata,
    TurnForm,
)
from jikko.ports.stores.run_store import Append, CallbackRequest, DeliveryReceived, KeyClaim, Projection
from jikko.ports.stores.trigger_store import Delivery, DueTime, Trigger
from jikko.record import RunRecord
from jikko.repositories.annotation_store import AnnotationStore
from jikko.repositories.app_store import ApiKey, App, AppStore, DeletedApp, WorkflowVersion
from jikko.repositories.audit_store import AuditStore
from jikko.repositories.callback_store import Callback, CallbackStore
from jikko.repositories.console_store import ConsoleStore, ConsoleToken, Scope
from jikko.repositories.delivery_store import DeliveryStore
from jikko.repositories.end_user_store import EndUser, EndUserStore
from jikko.repositories.file_index import FileIndex
from jikko.repositories.schedule_store import ScheduleStore
from jikko.repositories.trigger_store import TriggerStore
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.connection import connect
from jikko.store.sqlite.conversation_store import SqliteConversationStore
from jikko.store.sqlite.migrate import migrations
from jikko.values import Json
from tests.contract.conversations import conversation, feedback, message, variable
from tests.contract.runs import APP, WORKFLOW, Draft, finished, node, paused, started

FOLDER = Path(__file__).parent / "fixtures"
BEGIN = 1_790_000_000.25
"""Begin of the first run."""


class Run(msgspec.Struct):
    record: RunRecord
    events: list[Event]

    @property
    def id(self) -> str:
        return self.record.identity.run_id


class Claim(msgspec.Struct):
    """Idempotency key, and the fingerprint of its request."""

    key: str
    run_id: str
    fingerprint: bytes


class Talk(msgspec.Struct):
    """Conversation with all its data, oldest first."""

    conversation: Conversation
    messages: list[Message]
    variables: list[ConversationVariable]


class Contents(msgspec.Struct, kw_only=True):
    """Contents of a database, as returned by the stores."""

    app: App
    versions: list[WorkflowVersion]
    """Newest first, with their sources."""
    keys: list[ApiKey]
    end_users: list[EndUser]
    runs: dict[str, Run]
    """By state: ``open``, ``paused``, ``failed``, …; since version 5 also ``queued``, which has not begun."""
    files: list[StoredFile] = []
    """Since version 2."""
    claims: list[Claim] = []
    """Since version 3."""
    callbacks: list[Callback] = []
    """Since version 3."""
    secret: str | None = None
    """Signing secret of callbacks. Since version 3."""
    deleted: list[DeletedApp] = []
    """Deleted apps. Since version 8, like the environment values of ``app``."""
    conversations: list[Talk] = []
    """Since version 9."""
    annotations: list[Annotation] = []
    """Newest first. Since version 10."""
    tokens: list[ConsoleToken] = []
    """Since version 16 also one with scopes and an end.

    Since version 11, as a run that has told what it cost and bore, and one with large inputs that goes on.
    Since version 13 there is one with inputs that are kept in pieces."""
    audit: list[AuditEntry] = []
    """Newest first. Since version 16."""
    triggers: list[Trigger] = []
    """Oldest first. Since version 14."""
    deliveries: list[Delivery] = []
    """Newest first. Since version 14."""
    due_times: list[DueTime] = []
    """Due times of the triggers' schedule, newest first. Since version 14."""


class Stores:
    """All stores of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.apps = AppStore(database)
        self.runs = SqliteRunStore(database, scan_up_to=0)
        self.end_users = EndUserStore(database)
        self.files = FileIndex(database)
        self.callbacks = CallbackStore(database)
        self.conversations = SqliteConversationStore(database)
        self.annotations = AnnotationStore(database)
        self.console = ConsoleStore(database)
        self.audit = AuditStore(database)
        self.triggers = TriggerStore(database)
        self.deliveries = DeliveryStore(database)
        self.schedules = ScheduleStore(database)


def versions() -> list[int]:
    """Return the versions with a stored database."""
    return sorted(int(path.name[len("version-") :].partition(".")[0]) for path in FOLDER.glob("version-*.db.gz"))


def unpack(version: int, folder: Path) -> tuple[Path, Contents]:
    """Unpack the database of a version into a folder. Returns its path and contents."""
    path = folder / "jikko.db"
    path.write_bytes(gzip.decompress((FOLDER / f"version-{version:04d}.db.gz").read_bytes()))
    contents = gzip.decompress((FOLDER / f"version-{version:04d}.json.gz").read_bytes())
    # Former name of a run's identity, in most of these.
    contents = contents.replace(b'"record":{"owner":', b'"record":{"identity":')
    return path, msgspec.json.decode(contents, type=Contents)


def drafts(version: int) -> dict[str, Draft]:
    """Return runs of every kind in a version's database, with texts of every kind. None is appended yet."""
    texts = {
        "succeeded": "領収書の宛名を「株式会社こはる」に変更できますか？",
        "emoji": "👩‍💻 ship it 🚀 100% 請求書 🦓",
        "failed": '返金 c\\d "quoted" a_b',
        "stopped": "Straße, naïve, ŽLUŤOUČKÝ",
    }
    runs = {name: Draft(user="山田 太郎") for name in texts}
    for at, (name, text) in enumerate(texts.items()):
        begun = BEGIN + at
        status = "succeeded" if name == "emoji" else name
        last = finished(begun + 1, status, answer=text, tags=["✓", None, 1.5, 2**60])  # type: ignore[arg-type]
        runs[name].step(started(begun, q=text), *node(begun, 1, text=text), *node(begun, 2), last)
    for count in range(20):
        run = runs[f"ordinary {count}"] = Draft(user=f"user-{count % 7}@example.com")
        begun = BEGIN + 1200 * count
        text = f"お問い合わせ番号 {count:05d} について"
        run.step(started(begun, q=text), *node(begun, 1, text=text), finished(begun + 1, answer=text))
    runs["repeated"] = Draft(user="山田 太郎", retry_of=runs["failed"].id)
    runs["repeated"].step(started(BEGIN + 50), finished(BEGIN + 51, answer="今度は成功しました 🎉"))
    runs["open"] = Draft(user="花子 🌸")
    runs["open"].step(started(BEGIN + 60, q="まだ実行中です"), *node(BEGIN + 60, 1, text="途中"))
    runs["paused"] = Draft(user="花子 🌸")
    runs["paused"].step(started(BEGIN + 70, q="見積もり"), _form(BEGIN + 71), paused(BEGIN + 71, wake_at=BEGIN + 1000))
    if version >= 5:
        runs["open"].record.holder = "0a1b2c3d/0"
        runs["queued"] = Draft(user="花子 🌸")
        runs["queued"].step(started(BEGIN + 80, q="順番を待っています ⏳"))
    if version >= 11:
        runs["dear"] = Draft(user="高田")
        runs["dear"].step(started(BEGIN + 81), _dear_end(BEGIN + 82))
        runs["large"] = Draft(user="花子 🌸")
        runs["large"].record.holder = "0a1b2c3d/0"
        runs["large"].step(started(BEGIN + 83, q="大きな入力" * 2_000), *node(BEGIN + 83, 1))
    if version >= 13:
        runs["huge"] = Draft(user="高田")
        runs["huge"].step(started(BEGIN + 84, q="巨大な入力 🐘" * 60_000), finished(BEGIN + 85))
    return runs


def _dear_end(at: float) -> RunFinished:
    failed = FailedNode(node_id="llm", title="回答 🤖")
    borne = Exceptions(tries=2, handled=1, rounds=3)
    return RunFinished(
        at=at,
        status="failed",
        error="高い",
        elapsed=1.5,
        price="0.25",
        currency="USD",
        failed_node=failed,
        exceptions=borne,
    )


def _form(at: float) -> FormRequested:
    return FormRequested(
        at=at,
        execution_id=new_id(),
        node_id="form",
        title="承認 ✅",
        form_id=new_id(),
        form={"form_content": "この見積もりを承認しますか？", "form_token": "token-1", "actions": [{"id": "はい"}]},
        expires_at=BEGIN + 1000,
    )


async def write(path: Path, version: int) -> Contents:
    """Create the database of a version."""
    database = Database.open(path, steps=migrations()[:version])
    stores = Stores(database)
    published: list[WorkflowVersion] = []
    app = App(id=APP, name="経費精算 🧾", mode="workflow", icon="🤖", created_at=BEGIN - 100, workflow_id=WORKFLOW)
    for number, workflow_id in enumerate((new_id(), WORKFLOW)):
        source = f"app: {{name: 経費精算 🧾}} # {number}\n".encode()
        at = BEGIN - 90 + number
        text = f"2026-09-21 08:00:0{number}.123456"
        new = WorkflowVersion(id=workflow_id, app_id=APP, version=text, number=0, source=source, created_at=at)
        published.insert(0, await stores.apps.publish(app, new))
    keys = [
        ApiKey(id=new_id(), app_id=APP, digest=bytes([at]) * 32, hint=f"app-{at}…", created_at=BEGIN + at)
        for at in range(2)
    ]
    for key in keys:
        await stores.apps.add_key(key)

    runs, contents = drafts(version), Contents(app=app, versions=published, keys=keys, end_users=[], runs={})
    for name, run in runs.items():
        projections: tuple[Projection, ...] = ()
        if version >= 3 and name in ("succeeded", "paused"):
            claim = KeyClaim(key=f"鍵-{name}-🔑", fingerprint=name.encode(), at=BEGIN, lifetime=1e9)
            projections = claim, CallbackRequest(url=f"https://example.com/{name}")
            contents.claims.append(Claim(claim.key, run.id, claim.fingerprint))
            created = run.record.created_at
            callback = Callback(run_id=run.id, app_id=APP, url=f"https://example.com/{name}", created_at=created)
            contents.callbacks.append(callback)
        elif name == "queued":
            claim = KeyClaim(key="鍵-⏳", fingerprint=b"queued", at=BEGIN, lifetime=1e9)
            projections = (claim,)
            contents.claims.append(Claim("鍵-⏳", run.id, b"queued"))
        await append(stores, run, projections)
        contents.runs[name] = Run(run.record, run.events)
        owner = run.record.identity
        if owner.user not in [user.user for user in contents.end_users]:
            first = min(other.record.created_at for other in runs.values() if other.record.identity.user == owner.user)
            user = EndUser(id=owner.end_user_id, app_id=APP, user=owner.user, created_at=first)
            contents.end_users.append(user)
    if version >= 2:
        contents.files = [
            file(name, runs["paused"].record.identity.end_user_id) for name in ("見積書.pdf", "📎 a b.txt")
        ]
        for stored in contents.files:
            await stores.files.add(stored)
    if version >= 8:
        await set_values_and_remove_an_app(stores, contents)
    if version >= 9:
        await talk(stores, contents)
    if version >= 10:
        await annotate(stores, contents)
    if version >= 11:
        token = ConsoleToken(
            id=new_id(),
            name="当番 🛎",
            role="operator",
            digest=b"t" * 32,
            hint="con-t…",
            created_at=BEGIN,
            used_at=BEGIN,
        )
        await stores.console.add_token(token)
        if version >= 16:
            scoped: list[Scope] = ["apps:write", "runs:read"]
            token = replace(token, id=new_id(), digest=b"s" * 32, scopes=scoped, expires_at=BEGIN + 0.5)
            await stores.console.add_token(token)
        contents.tokens = await stores.console.tokens()
    if version >= 16:
        changed = AuditEntry(
            id=new_id(),
            at=BEGIN,
            actor="当番 🛎",
            source=contents.tokens[0].id,
            via="api",
            action="publish_version",
            what="published 'a', version 2",
            app_id=APP,
            before={"version": 1},
            after={"鍵": [None, 1.5]},
        )
        await stores.audit.add(changed)
        contents.audit = await stores.audit.entries(AuditFilter(), limit=9)
    if version >= 14:
        await trigger(stores, contents)
    if version >= 3:
        contents.secret = await stores.callbacks.secret(APP, "whsec_秘密")
    while version >= 4 and await stores.runs.index(limit=8) >= 8:
        pass
    await stores.runs.close()
    return contents


async def set_values_and_remove_an_app(stores: Stores, contents: Contents) -> None:
    await stores.apps.set_environment(APP, {"API_KEY": "鍵 🔑", "LIMITS": {"a": [1.5, None]}})
    contents.app = await stores.apps.app(APP) or contents.app
    gone = App(id=new_id(), name="廃止 🗑", mode="workflow", created_at=BEGIN - 50, workflow_id=new_id())
    text = "2026-09-21 08:00:09.123456"
    source = b"app: {name: gone}"
    version = WorkflowVersion(
        id=gone.workflow_id, app_id=gone.id, version=text, number=0, source=source, created_at=BEGIN - 50
    )
    await stores.apps.publish(gone, version)
    await stores.apps.delete_app(gone.id, at=BEGIN + 7)
    contents.deleted = await stores.apps.deleted_apps()


async def talk(stores: Stores, contents: Contents) -> None:
    """Add two conversations of one end user; the first has all possible data."""
    whole = MessageAnswer(
        text="朝 9 時からです 🕘",
        files=[{"related_id": new_id()}],
        metadata=MessageMetadata(
            usage={"total_tokens": 3}, annotation_reply=AnnotationReply(id=new_id(), account_name="山田")
        ),
        forms=[TurnForm(requested=_form(BEGIN + 2))],
    )
    answers = [
        whole,
        MessageAnswer(status="error", error="Run failed: 🙁"),
        MessageAnswer(status="paused", text="途中"),
    ]
    for number in range(2):
        new = conversation(new_id(), at=BEGIN + number, title_due=number == 1)
        files: list[Json] = [{"related_id": new_id(), "名": "\ue000"}]
        messages = [
            message(new_id(), new.id, at=BEGIN + count, run_id=new_id(), answer=answer, files=files)
            for count, answer in enumerate(answers[number:])
        ]
        variables = [variable("数", [1, None, {"深": "🙂"}], at=BEGIN), variable("text", "\ue000", at=BEGIN)]
        await stores.conversations.add_turn(messages[0], new, variables)
        for later in messages[1:]:
            await stores.conversations.add_turn(later)
        await stores.conversations.rate(feedback(messages[0].id, new.id, at=BEGIN + 9, content="ありがとう"))
        opened = await stores.conversations.opened(APP, new.end_user_id, new.id)
        assert opened is not None
        known = await stores.conversations.messages(new.id) or []
        contents.conversations.append(Talk(opened.conversation, known[::-1], list(opened.variables)))


async def annotate(stores: Stores, contents: Contents) -> None:
    """Add two annotations, one of which has answered."""
    for at, question in enumerate(("営業時間は？ 🕘", "Где вы?")):
        known = Annotation(id=new_id(), app_id=APP, question=question, answer=f"答え {at}", created_at=BEGIN + at)
        await stores.annotations.add(known)
    await stores.annotations.hit(APP, known.id)
    contents.annotations, _ = await stores.annotations.page(APP)


async def trigger(stores: Stores, contents: Contents) -> None:
    """Add a webhook with deliveries of each verdict, and a schedule with due times in each state."""
    hook = Trigger(id=new_id(), app_id=APP, node_id="受信", kind="webhook", address="A" * 24, created_at=BEGIN)
    clock = Trigger(id=new_id(), app_id=APP, node_id="時計 ⏱", kind="schedule", created_at=BEGIN + 1)
    await stores.apps.keep_triggers([hook, clock])
    await stores.triggers.enable(hook.id, False)
    run = Draft(user="送信元")
    run.step(started(BEGIN + 90), finished(BEGIN + 91, "failed"))
    accepted = Delivery(id=new_id(), app_id=APP, trigger_id=hook.id, received_at=BEGIN + 90, size=3, run_id=run.id)
    projection = DeliveryReceived(delivery=accepted)
    await stores.runs.append(Append(run.id, 0, run.events, run.record, (projection,)))
    contents.runs["delivered"] = Run(run.record, run.events)
    user = run.record.identity
    contents.end_users.append(EndUser(id=user.end_user_id, app_id=APP, user=user.user, created_at=BEGIN + 90))
    refused = Delivery(
        id=new_id(),
        app_id=APP,
        trigger_id=hook.id,
        received_at=BEGIN + 92,
        verdict="refused",
        reason="署名が違います 🙅",
        sender_id="送信 1",
        method="POST",
        size=9,
    )
    await stores.deliveries.add(refused, since=0.0, most=100)
    await stores.deliveries.discard(accepted.id, [accepted.run_id], BEGIN + 93)
    times = [
        DueTime(trigger_id=clock.id, due=BEGIN, last=BEGIN, state="started", at=BEGIN + 1, run_id=run.id),
        DueTime(
            trigger_id=clock.id, due=BEGIN + 60, last=BEGIN + 120, count=2, state="skipped", at=BEGIN + 2, why="missed"
        ),
        DueTime(trigger_id=clock.id, due=BEGIN + 180, last=BEGIN + 180, state="waiting", at=BEGIN + 3, why="queue_all"),
    ]
    await stores.schedules.add_waiting(times)
    contents.triggers = await stores.triggers.all()
    contents.deliveries = await stores.deliveries.newest([hook.id])
    contents.due_times = await stores.schedules.times(clock.id)


async def append(stores: Stores, run: Draft, projections: tuple[Projection, ...]) -> None:
    """Append a run: an open one event by event, others at once."""
    events = run.events
    if not run.record.is_open:
        return await stores.runs.append(Append(run.id, 0, events, run.record, projections))
    record = RunRecord(identity=run.record.identity, holder=run.record.holder)
    for at, event in enumerate(events):
        record.apply(event)
        await stores.runs.append(Append(run.id, at, [event], record, projections if at == 0 else ()))


def file(name: str, end_user_id: str) -> StoredFile:
    return StoredFile(
        id=new_id(),
        app_id=APP,
        end_user_id=end_user_id,
        name=name,
        size=12,
        extension=name.rpartition(".")[2],
        mime_type="text/plain",
        digest=name.encode().hex().ljust(64, "0")[:64],
        created_at=BEGIN + 5000,
    )


def main() -> None:
    version = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jikko.db"
        contents = asyncio.run(write(path, version))
        with closing(connect(path, busy_timeout=1)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for suffix, content in (("db", path.read_bytes()), ("json", msgspec.json.encode(contents))):
            packed = gzip.compress(content, mtime=0)
            (FOLDER / f"version-{version:04d}.{suffix}.gz").write_bytes(packed)


if __name__ == "__main__":
    main()
