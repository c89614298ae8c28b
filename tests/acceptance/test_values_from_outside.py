"""Values for the environment variables of a workflow that are not in its file."""

import json
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, form, start, template, with_environment

SECRET = "sk-値-0123456789"


def says(key: str, *, asks: bool = False) -> str:
    """An app that says its environment; first it may ask."""
    nodes = [
        start("q"),
        *([form("ask", "Go on?")] if asks else []),
        template("t", "{{ key }} {{ n + 1 }}", key="env.api_key", n="env.limit"),
        end(said="t.output"),
    ]
    edges = "start>ask ask:yes>t ask:no>t t>end" if asks else "start>t t>end"
    return with_environment(app("Triage (EU)", nodes, edges), api_key=("secret", key), limit=("number", 1))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "says.yml"
    path.write_text(says(""), encoding="utf-8")
    return path


def output_of(jikko: Command, file: Path, *options: str | Path, **settings: str) -> str:
    outcome = jikko("run", file, *options, **settings)
    assert outcome.code == 0, outcome
    text: str = json.loads(outcome.out)["said"]
    return text


def test_a_secret_need_not_stand_in_the_file(jikko: Command, file: Path, tmp_path: Path) -> None:
    values = tmp_path / ".env"
    values.write_text(f"# secrets\nTRIAGE_EU_API_KEY='{SECRET}'\nlimit=8\n", encoding="utf-8")
    assert output_of(jikko, file, JIKKO_ENV_API_KEY=SECRET) == f"{SECRET} 2"
    assert (
        output_of(jikko, file, JIKKO_ENV_TRIAGE_EU_API_KEY="mine", JIKKO_ENV_API_KEY="all", JIKKO_ENV_LIMIT="4")
        == "mine 5"
    )
    assert output_of(jikko, file, "--env-file", values, "--env", "limit=6", JIKKO_ENV_LIMIT="4") == f"{SECRET} 7"


def test_the_settings_file_has_values_too(jikko: Command, file: Path) -> None:
    jikko.home.mkdir()
    (jikko.home / "jikko.toml").write_text('[env]\napi_key = "toml"\nlimit = 2.5\n')
    assert output_of(jikko, file) == "toml 3.5"
    assert output_of(jikko, file, JIKKO_ENV_API_KEY="variable") == "variable 3.5"
    (jikko.home / "jikko.toml").write_text("[env]\napi_key = [1]\n")
    assert jikko("run", file).code == 2


@pytest.mark.parametrize(
    ("options", "settings", "message"),
    [
        (("--env", "api_kei=x"), {}, "--env API_KEI: the workflow has no such environment variable (did you mean"),
        (("--env", "sk-secret"), {}, "NAME=VALUE"),
        (("--env-file", "/nowhere"), {}, "/nowhere"),
        (("--env", "limit=sk-secret"), {}, "--env LIMIT: the value for the environment variable 'limit'"),
        ((), {"JIKKO_ENV_LIMIT": "sk-secret"}, "JIKKO_ENV_LIMIT: the value for the environment variable 'limit'"),
    ],
)
def test_a_wrong_value_is_told_by_its_place_and_not_quoted(
    jikko: Command, file: Path, options: tuple[str, ...], settings: dict[str, str], message: str
) -> None:
    outcome = jikko("run", file, *options, **settings)
    assert (outcome.code, outcome.has_traceback) == (2, False)
    assert message in outcome.err
    assert "sk-secret" not in outcome.out + outcome.err


def test_what_is_set_for_an_app_holds_while_the_server_runs_and_is_shown_as_a_mask(jikko: Command, file: Path) -> None:
    [imported] = jikko.json("apps", "import", file, "--env", f"api_key={SECRET}")
    server = Server(jikko.home)
    client = Client(server.url, imported["api_key"])
    try:
        assert client.run(q="x")["data"]["outputs"] == {"said": f"{SECRET} 2"}
        shown = jikko("apps", "env", "Triage (EU)", "limit=8", "api_key=another-値-key")
        assert client.run(q="x")["data"]["outputs"] == {"said": "another-値-key 9"}
        jikko("apps", "env", "Triage (EU)", "--unset", "api_key")
        assert client.run(q="x")["data"]["outputs"] == {"said": " 9"}
    finally:
        client.close()
        server.close()
    assert shown.out.splitlines() == [
        'api_key  secret  "anothe************ey"  (set)',
        "limit  number  8  (set)",
    ]
    assert jikko.json("apps", "env", "Triage (EU)") == [
        {"name": "api_key", "type": "secret", "value": "", "set": False, "overruled_by": None},
        {"name": "limit", "type": "number", "value": 8, "set": True, "overruled_by": None},
    ]


def test_what_wins_over_a_value_that_is_set_is_named(jikko: Command, file: Path) -> None:
    jikko.json("apps", "import", file, "--env", "limit=8")
    outer = {"JIKKO_ENV_TRIAGE_EU_LIMIT": "9", "JIKKO_ENV_API_KEY": SECRET}
    shown = jikko("apps", "env", "Triage (EU)", **outer)
    assert shown.out.splitlines() == [
        'api_key  secret  ""  (empty; overridden by JIKKO_ENV_API_KEY)',
        "limit  number  8  (set; overridden by JIKKO_ENV_TRIAGE_EU_LIMIT)",
    ]
    told = [json.loads(line) for line in jikko("apps", "env", "Triage (EU)", "--json", **outer).out.splitlines()]
    assert [one["overruled_by"] for one in told] == ["JIKKO_ENV_API_KEY", "JIKKO_ENV_TRIAGE_EU_LIMIT"]


def test_values_come_by_standard_input_past_the_history_of_the_shell(jikko: Command, file: Path) -> None:
    jikko.json("apps", "import", file)
    piped = jikko("apps", "env", "Triage (EU)", "--from-file", "-", given=f"api_key={SECRET}\n")
    assert (piped.code, SECRET in piped.out) == (0, False)
    assert jikko.json("apps", "env", "Triage (EU)")[0]["set"]


def test_a_name_that_the_app_does_not_have_is_refused_and_nothing_is_set(jikko: Command, file: Path) -> None:
    jikko.json("apps", "import", file)
    for pair, code, message in (
        ("api_kei=x", 7, "did you mean 'api_key'?"),
        ("limit=many", 2, "'limit' of app 'Triage (EU)' is no"),
    ):
        refused = jikko("apps", "env", "Triage (EU)", "api_key=x", pair)
        assert (refused.code, message in refused.err) == (code, True)
    assert not any(entry["set"] for entry in jikko.json("apps", "env", "Triage (EU)"))
    missing = jikko("apps", "import", file, "--env", "nobody=x", "--json")
    assert (missing.code, missing.lines[0]["error"]["code"]) == (7, "not_found")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_names_secrets_without_a_value_and_values_without_a_variable(
    tmp_path: Path, file: Path, workers: str
) -> None:
    settings = {"JIKKO_WORKERS": workers, "JIKKO_ENV_LIMID": "1"}
    server = Server(tmp_path / "home", file, settings=settings)
    server.stop()
    assert (
        "Triage (EU): secret api_key is empty; set JIKKO_ENV_TRIAGE_EU_API_KEY, or use `jikko apps env" in server.output
    )
    assert "JIKKO_ENV_LIMID: no app has such an environment variable (did you mean 'LIMIT'?)" in server.output
    # Also of an app that it does not publish.
    again = Server(tmp_path / "home", settings={"JIKKO_WORKERS": workers})
    again.stop()
    assert "secret api_key is empty" in again.output
    filled = Server(tmp_path / "home", settings={"JIKKO_WORKERS": workers, "JIKKO_ENV_API_KEY": SECRET})
    filled.stop()
    assert "api_key" not in filled.output
    assert SECRET not in filled.output


def test_a_secret_from_outside_is_masked_in_records_like_one_of_the_file(tmp_path: Path, file: Path) -> None:
    server = Server(tmp_path / "home", file, settings={"JIKKO_ENV_API_KEY": SECRET})
    [key] = (path.read_text().strip() for path in (tmp_path / "home" / "keys").iterdir())
    client = Client(server.url, key)
    try:
        run = client.run(q="x")
        nodes = client.node_executions(run["workflow_run_id"])
    finally:
        client.close()
        server.close()
    assert run["data"]["outputs"] == {"said": f"{SECRET} 2"}
    [rendered] = [node for node in nodes if node["node_type"] == "template-transform"]
    assert rendered["inputs"]["key"] == "sk-値-0************89"


def test_a_run_that_waited_goes_on_with_the_values_of_now(jikko: Command, file: Path) -> None:
    file.write_text(says("", asks=True), encoding="utf-8")
    [imported] = jikko.json("apps", "import", file, "--env", "api_key=old")
    server = Server(jikko.home)
    client = Client(server.url, imported["api_key"])
    try:
        paused = client.run(q="x")
        [reason] = paused["data"]["reasons"]
        jikko("apps", "env", "Triage (EU)", f"api_key={SECRET}")
        token = reason["form_token"]
        filled = {"inputs": {"comment": "c"}, "action": "yes", "user": "someone"}
        assert client.request("POST", f"/v1/form/human_input/{token}", json=filled).status_code == 200
        run = client.finished(paused["workflow_run_id"])
    finally:
        client.close()
        server.close()
    assert run["outputs"] == {"said": f"{SECRET} 2"}


def test_a_value_of_another_type_refuses_runs_and_says_what_to_change(jikko: Command, file: Path) -> None:
    [imported] = jikko.json("apps", "import", file)
    server = Server(jikko.home, settings={"JIKKO_ENV_LIMIT": "many"})
    client = Client(server.url, imported["api_key"])
    try:
        answer = client.request("POST", "/v1/workflows/run", json=client.body("blocking", {}))
    finally:
        client.close()
        server.close()
    assert (answer.status_code, answer.json()["code"]) == (503, "invalid_environment")
    assert "JIKKO_ENV_LIMIT" in answer.json()["message"]
    refused = jikko("serve", file, "--port", "0", JIKKO_ENV_LIMIT="many")
    assert (refused.code, "JIKKO_ENV_LIMIT" in refused.err) == (2, True)


def test_check_forecasts_with_the_values_from_outside(jikko: Command, file: Path) -> None:
    [bare] = jikko.json("check", file)
    [problem] = bare["problems"]
    assert (problem["cause"], "JIKKO_ENV_TRIAGE_EU_API_KEY" in problem["hint"]) == ("secret", True)

    assert jikko.json("check", file, "--env", f"api_key={SECRET}")[0]["problems"] == []
    outcome = jikko("check", file, "--strict", JIKKO_ENV_TRIAGE_EU_API_KEY=SECRET)
    assert (outcome.code, SECRET in outcome.out + outcome.err) == (0, False)


def test_check_tells_a_value_of_another_type_as_run_does(jikko: Command, file: Path) -> None:
    [report] = jikko("check", file, "--env", "limit=sk-secret", "--env", "api_key=x", "--json").lines
    assert (report["verdict"], report["problems"][0]["cause"]) == ("will_fail", "environment")
    assert report["problems"][0]["problem"] in jikko("run", file, "--env", "limit=sk-secret").err
    assert "sk-secret" not in str(report)
