"""Log rows: origin and user of a run."""

import msgspec
import pytest

from jikko.apps.end_users import end_user, mcp_user, trigger_user
from jikko.apps.keys import digest
from jikko.dify.bodies import log_entry
from jikko.ids import new_id
from jikko.ports.stores.trigger_store import TriggerKind
from jikko.record import RunIdentity, RunRecord

APP = new_id()


def told(end_user_id: str, user: str) -> dict[str, object]:
    identity = RunIdentity(
        run_id=new_id(),
        task_id=new_id(),
        app_id=APP,
        workflow_id=new_id(),
        version="v",
        end_user_id=end_user_id,
        user=user,
    )
    entry = msgspec.to_builtins(log_entry(RunRecord(identity=identity)))
    names = ("created_from", "created_by_role", "created_by_end_user", "created_by_account")
    return {"triggered_from": entry["workflow_run"]["triggered_from"], **{name: entry[name] for name in names}}


def test_a_run_of_a_client_tells_its_user() -> None:
    mine = end_user(APP, "DEFAULT-USER")
    assert told(mine, "DEFAULT-USER") == {
        "triggered_from": "app-run",
        "created_from": "service-api",
        "created_by_role": "end_user",
        "created_by_end_user": {
            "id": mine,
            "session_id": "DEFAULT-USER",
            "type": "service-api",
            "is_anonymous": False,
        },
        "created_by_account": None,
    }


@pytest.mark.parametrize("kind", ["webhook", "plugin"])
def test_a_run_of_a_webhook_or_a_plugin_has_the_end_user_of_triggers(kind: TriggerKind) -> None:
    its = trigger_user(APP, kind)
    assert its != end_user(APP, "DEFAULT-USER")
    assert told(its, "DEFAULT-USER") == {
        "triggered_from": kind,
        "created_from": "service-api",
        "created_by_role": "end_user",
        "created_by_end_user": {
            "id": its,
            "session_id": "DEFAULT-USER",
            "type": "trigger",
            "is_anonymous": False,
        },
        "created_by_account": None,
    }


@pytest.mark.parametrize("user", ["mcp-0", "mcp-0123456789abcdeX", "xmcp-0123456789abcdef", "mcp-日本"])
def test_a_run_of_an_mcp_server_has_an_end_user_of_its_own_type(user: str) -> None:
    its = mcp_user(digest("the code 🔑"))

    assert msgspec.convert(told(end_user(APP, its), its)["created_by_end_user"], dict[str, object])["type"] == "mcp"
    other = told(end_user(APP, user), user)["created_by_end_user"]
    assert msgspec.convert(other, dict[str, object])["type"] == "service-api"


def test_a_run_of_a_schedule_has_the_owner_of_the_workspace() -> None:
    row = told(trigger_user(APP, "schedule"), "")

    assert (row["triggered_from"], row["created_by_role"], row["created_by_end_user"]) == ("schedule", "account", None)
    assert msgspec.convert(row["created_by_account"], dict[str, str]).keys() == {"id", "name", "email"}
