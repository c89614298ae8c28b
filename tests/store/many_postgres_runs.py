"""PostgreSQL database with very many runs and related rows, copied straight into its tables."""

import asyncio
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Final

from msgspec import Struct

from jikko.repositories.shared_sql import id_text
from jikko.store.postgres.database import Connection, Postgres
from jikko.store.postgres.runs.run_rows import COLUMNS
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.run_columns import STATUS_NUMBERS
from tests.contract.runs import Draft, finished, node, started

BEGIN: Final = 1_700_000_000.0
SECONDS: Final = 2.0
"""Seconds between two runs."""
_APPS, _USERS, _VERSIONS = 50, 500, 3
_CHAT: Final = 1
"""App whose runs answer messages."""
_TURNS: Final = 5
"""Messages per conversation."""
_OPEN: Final = 300
_STATUSES: Final[list[Any]] = [*["succeeded"] * 940, *["failed"] * 45, *["stopped"] * 10, *["partial-succeeded"] * 5]
_WORDS: Final = [
    "請求書",
    "返却",
    "発送",
    "会員登録",
    "製品の保証",
    "在庫",
    "領収書",
    "ログイン",
    "電話番号",
    "配送先",
    "お問い合わせ",
    "見積もり",
    "契約",
    "更新",
    "解約",
]
RARE: Final = "鸚鵡"
"""Keyword in one of 100,000 runs, and in at least one."""
COMMON: Final = "領収書"
"""Keyword in many runs."""


class Filled(Struct, frozen=True, kw_only=True):
    """Content of a filled database. Ids as clients know them."""

    apps: Sequence[str]
    """By decreasing number of runs; the first has a fifth of all."""
    versions: Sequence[str]
    """Versions of the first app; the last one had a run in 100,000."""
    users: Sequence[str]
    """Ids of the first app's users, who are named ``user-0`` and so on."""
    digest: bytes
    """Digest of a key of the first app."""
    runs: Sequence[str]
    """Every hundredth run of any app, oldest first."""
    conversation: str
    """A conversation of the second app, by the user in the next field."""
    talker: str
    end: float
    """Creation of the newest run, in seconds since the Unix epoch."""


async def fill(database: Postgres, count: int, *, analysed: bool = True) -> Filled:
    """Copy ``count`` runs into an empty database.

    Args:
        analysed: Whether it has statistics and a visibility map, as a minute after filling; otherwise it has neither.
    """
    store = PostgresRunStore(database)
    draft = Draft()
    at = 1000.0
    await store.append(draft.step(started(at, q="質問"), *node(at, 1, q="答え"), *node(at, 2), finished(at + 1)))
    [(log, log_end)] = await database.fetch("SELECT log, log_end FROM runs")
    await store.remove(draft.id)
    await store.close()
    made = _Rows(random.Random(1), count, log, log_end)
    connection = await database.connect()
    try:
        await connection.execute("SET synchronous_commit = off")
        indices = await connection.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('runs', 'messages', 'conversations') AND "
            "indexname NOT IN (SELECT conname FROM pg_constraint)"
        )
        # Building a B-tree at once takes a fifth of the time; it has the shape of one grown at its end.
        for name, _ in indices:
            await connection.execute(f"DROP INDEX {name}")
        for table, columns, rows in made.tables():
            await _copied(connection, table, columns, rows)
        for _, definition in indices:
            await connection.execute(definition)
        if analysed:
            await connection.execute("VACUUM (ANALYZE)", timeout=600)
    finally:
        await connection.close()
    return made.filled()


async def _copied(connection: Connection, table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
    names = [name.strip() for name in columns.split(",")]

    async def in_turn() -> Any:
        for number, row in enumerate(rows):
            if number % 1000 == 0:
                await asyncio.sleep(0)
            yield row

    await connection.copy_records_to_table(table, records=in_turn(), columns=names, timeout=1200)


class _Rows:
    """Rows to copy, by table; random, but the same each time."""

    def __init__(self, drawn: random.Random, count: int, log: bytes, log_end: int) -> None:
        self._drawn = drawn
        self._count = count
        self._log, self._log_end = log, log_end
        self._apps = [self._id(BEGIN - 1000) for _ in range(_APPS)]
        self._shares = list(accumulate(1 / (number + 1) for number in range(_APPS)))
        self._versions = [[self._id(BEGIN - 900) for _ in range(_VERSIONS)] for _ in self._apps]
        self._users = [[self._id(BEGIN - 800) for _ in range(_USERS)] for _ in self._apps]
        self._answered: list[tuple[float, bytes]] = []
        self._some: list[bytes] = []
        self._conversations: list[tuple[bytes, int]] = []

    def filled(self) -> Filled:
        conversation, user = self._conversations[len(self._conversations) // 2]
        return Filled(
            apps=[id_text(app) for app in self._apps],
            versions=[id_text(version) for version in self._versions[0]],
            users=[id_text(user) for user in self._users[0]],
            digest=_digest(0),
            runs=[id_text(run) for run in self._some],
            conversation=id_text(conversation),
            talker=id_text(self._users[_CHAT][user]),
            end=BEGIN + (self._count - 1) * SECONDS,
        )

    def tables(self) -> Iterator[tuple[str, str, Iterable[tuple[Any, ...]]]]:
        yield (
            "apps",
            "app_id, name, mode, description, icon_type, icon, icon_background, use_icon_as_answer_icon, created_at, "
            "workflow_id",
            (
                (app, f"app {n}", "advanced-chat" if n == _CHAT else "workflow", "", "", "", "", False, BEGIN, vs[0])
                for n, (app, vs) in enumerate(zip(self._apps, self._versions, strict=True))
            ),
        )
        yield (
            "api_keys",
            "key_id, app_id, digest, hint, created_at",
            ((self._id(BEGIN), app, _digest(number), "", BEGIN) for number, app in enumerate(self._apps)),
        )
        yield "runs", f"key, {COLUMNS}, log", self._runs()
        yield "open_runs", f"key, {COLUMNS}, format", self._open_runs()
        yield "open_log", "run_id, position, frame", ((each, 0, self._log[1:]) for each in self._some[-_OPEN:])
        yield from self._chats()
        yield from self._rest()

    def _runs(self) -> Iterator[tuple[Any, ...]]:
        for number in range(self._count):
            at = BEGIN + number * SECONDS
            app = self._drawn.choices(range(_APPS), cum_weights=self._shares)[0]
            rare = number % 100_000 == min(77_777, self._count // 2)
            elapsed = self._drawn.lognormvariate(0.0, 2.0)
            row = self._row(
                number, at, 0 if rare else app, STATUS_NUMBERS[self._drawn.choice(_STATUSES)], elapsed, rare
            )
            if number % 100 == 0:
                self._some.append(row[1])
            if app == _CHAT and not rare:
                self._answered.append((at, row[1]))
            yield (*row, self._log)

    def _open_runs(self) -> Iterator[tuple[Any, ...]]:
        at = BEGIN + self._count * SECONDS
        for number in range(_OPEN):
            app = self._drawn.choices(range(_APPS), cum_weights=self._shares)[0]
            row = self._row(self._count + number, at - number, app, int(number >= _OPEN * 2 // 3), 0.0, False)
            self._some.append(row[1])
            yield (*row, 1)

    def _row(self, number: int, at: float, app: int, status: int, elapsed: float, rare: bool) -> tuple[Any, ...]:
        drawn = self._drawn
        user = drawn.randrange(_USERS)
        words = " ".join(drawn.choices(_WORDS, k=12))
        if rare:
            words += RARE
        run_id = self._id(at)
        failed = status == STATUS_NUMBERS["failed"]
        return (
            number + 1,
            run_id,
            run_id[::-1],
            self._apps[app],
            self._versions[app][2 if rare and app == 0 else drawn.randrange(2)],
            "2026-11-01 08:00:00.000000",
            self._users[app][user],
            f"user-{user}",
            self._id(at - 60) if number % 1000 == 7 else None,
            at,
            json.dumps({"q": words, "sys.user_id": f"user-{user}"}, ensure_ascii=False),
            status,
            1,
            self._log_end,
            json.dumps({"answer": words[::-1] + "承りました。"}, ensure_ascii=False).encode(),
            "the model could not be reached" if failed else None,
            elapsed,
            drawn.randrange(2000),
            2,
            0,
            None if status < 2 else at + elapsed,
            None if status != 1 else at + 86_400.0,
            f"{drawn.random() / 100:.6f} USD" if number % 10 == 3 else None,
            '["1", "LLM"]' if failed else None,
            None,
            "" if status else "server",
            number + 1,
        )

    def _chats(self) -> Iterator[tuple[str, str, Iterable[tuple[Any, ...]]]]:
        app = self._apps[_CHAT]
        turns = [self._answered[at : at + _TURNS] for at in range(0, len(self._answered), _TURNS)]
        self._conversations = [(self._id(each[0][0]), self._drawn.randrange(_USERS)) for each in turns]
        yield (
            "conversations",
            "conversation_id, app_id, end_user_id, session, turns, title_due, created_at, updated_at, name, "
            "introduction, inputs",
            (
                (
                    id_,
                    app,
                    self._users[_CHAT][user],
                    f"user-{user}",
                    len(each),
                    False,
                    each[0][0],
                    each[-1][0],
                    "領収書について",
                    "",
                    "{}",
                )
                for (id_, user), each in zip(self._conversations, turns, strict=True)
            ),
        )
        # Keys are assigned in the order of rows.
        yield (
            "messages",
            "message_id, conversation, run_id, status, created_at, query, answer, inputs, files, details",
            (
                (self._id(at), number, run_id, 0, at, "領収書をください。", "承りました。" * 10, "{}", "", "")
                for number, each in enumerate(turns, 1)
                for at, run_id in each
            ),
        )
        yield (
            "feedbacks",
            "message, app_id, feedback_id, liked, created_at, updated_at",
            ((n, app, self._id(BEGIN), True, BEGIN, BEGIN) for n in range(1, len(self._answered) + 1, 20)),
        )

    def _rest(self) -> Iterator[tuple[str, str, Iterable[tuple[Any, ...]]]]:
        many, drawn = max(self._count // 20, 100), self._drawn
        yield (
            "annotations",
            "annotation_id, app_id, hits, created_at, question, answer",
            ((self._id(BEGIN), self._apps[_CHAT], 0, BEGIN, drawn.choice(_WORDS), "答え") for _ in range(many // 10)),
        )
        yield (
            "callbacks",
            "run_id, app_id, url, receiver, created_at, state, attempts, next_at",
            (
                (
                    run_id,
                    self._apps[0],
                    "https://example.test/hook",
                    f"example-{n % 7}.test:443",
                    BEGIN,
                    int(n % 50 > 0),
                    1,
                    BEGIN,
                )
                for n, run_id in enumerate(self._some[:many])
            ),
        )
        yield (
            "idempotency_keys",
            "app_id, key, run_id, fingerprint, expires_at",
            (
                (self._apps[0], f"key-{number}", run_id, b"f" * 32, BEGIN + self._count * SECONDS + number)
                for number, run_id in enumerate(self._some[-many:])
            ),
        )
        yield (
            "files",
            "file_id, app_id, end_user_id, name, size, extension, mime_type, digest, created_at, origin",
            (
                (
                    self._id(BEGIN + n),
                    self._apps[0],
                    self._users[0][n % _USERS],
                    "領収書.pdf",
                    1000,
                    "pdf",
                    "application/pdf",
                    drawn.randbytes(32),
                    BEGIN + n * 20 * SECONDS,
                    0,
                )
                for n in range(many)
            ),
        )

    def _id(self, at: float) -> bytes:
        """Return an id (UUID version 7) of a moment."""
        bits = self._drawn.getrandbits(80) & 0x0FFF_3FFF_FFFF_FFFF_FFFF
        return ((int(at * 1000) << 80) | (0x7000 << 64) | (0x8000 << 48) | bits).to_bytes(16)


def _digest(number: int) -> bytes:
    return number.to_bytes(32)
