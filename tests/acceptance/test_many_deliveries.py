"""`jikko deliveries` where a webhook was called thousands of times."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.acceptance.faults import until
from tests.acceptance.processes import Command, Server
from tests.acceptance.test_webhooks import FLOW, deliveries, post, states

_COPIES = """
INSERT INTO deliveries ({fields}) WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5100)
SELECT {values} FROM n, deliveries
"""


def test_a_failed_call_is_replayed_and_set_aside_however_many_came_after_it(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "flow.yml"
    file.write_text(FLOW, encoding="utf-8")
    [entry] = jikko.json("apps", "import", file)
    server = Server(jikko.home)
    try:
        assert post(f"{server.url}/triggers/webhook/{entry['webhooks']['hook']}", json={"n": 0}).is_success
        until(lambda: states(jikko) == {"failed": 1}, "the call has failed")
    finally:
        server.close()
    [failed] = deliveries(jikko)
    with closing(sqlite3.connect(jikko.home / "jikko.db")) as database, database:
        fields = [row[1] for row in database.execute("PRAGMA table_info(deliveries)")]
        changed = {"delivery_id": "randomblob(16)", "received_at": "received_at + 1 + i", "verdict": "'refused'"}
        values = ", ".join(changed.get(field, field) for field in fields)
        database.execute(_COPIES.format(fields=", ".join(fields), values=values))

    [would] = jikko.json("deliveries", "replay", "--since", "2h", "--dry")
    [discarded] = jikko.json("deliveries", "discard", "--since", "2h")

    assert would["delivery_id"] == discarded["id"] == failed["id"]
    assert discarded["state"] == "discarded"
