"""A record comes back from every store with all its fields, each with a value of its own."""

import pytest

from jikko.ports.stores.run_store import Append, RunStore
from jikko.record import RunIdentity, RunRecord
from tests.filled import filled

from .runs import APP, Draft

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("bare", [False, True])
async def test_a_record_comes_back_with_all_its_fields(store: RunStore, bare: bool) -> None:
    draft = Draft()
    events = draft.whole(status="failed").events
    identity = filled(RunIdentity, run_id=draft.id, app_id=APP, bare=bare)
    record: RunRecord = filled(
        RunRecord,
        identity=identity,
        status="failed",
        inputs='{"q":1}',
        outputs=b'{"o":2}',
        format=1,
        bare=bare,
    )

    await store.append(Append(draft.id, 0, events, record))

    assert await store.record(draft.id) == await store.record(draft.id.upper(), APP) == record
