"""External values of environment variables: precedence and types."""

from collections.abc import Mapping

import pytest

from jikko.apps.environment import (
    FILE,
    OPTION,
    VARIABLE,
    EnvLayer,
    empty_secrets,
    folded,
    layer,
    parse_env_file,
    parse_pairs,
    unused,
    with_values,
)
from jikko.apps.publishing import AppCatalog
from jikko.apps.versions import Workflows
from jikko.dsl.document import Variable
from jikko.errors import InvalidEnvironment, InvalidParam, NotFound
from jikko.nodes.registry import BY_TYPE
from jikko.repositories.app_store import App, changed
from jikko.values import Json
from tests.acceptance.workflows import app, end, start, with_environment
from tests.store.in_memory import AppsInMemory

KEY = Variable("api_key", "secret", "of the file")
LIMIT = Variable("limit", "number", 1)


def an_app(stored: Mapping[str, Json] | None = None, name: str = "Triage (EU)") -> App:
    environment = changed("", stored or {}, ())
    return App(id="1", name=name, mode="workflow", created_at=0, workflow_id="", environment=environment)


def value(variable: Variable, app: App, *layers: EnvLayer) -> Json:
    [found] = with_values([variable], app, layers)
    return found.value


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("api_key", "API_KEY"),
        ("Triage (EU)", "TRIAGE_EU"),
        ("  a--b  ", "A_B"),
        ("翻訳 📘 v2", "翻訳_V2"),
        ("🧾", ""),
        ("", ""),
    ],
)
def test_names_are_letters_and_digits_in_capitals(name: str, expected: str) -> None:
    assert folded(name) == expected


def test_the_first_place_wins_and_within_one_the_name_with_the_app() -> None:
    places = [
        layer(OPTION, {"TRIAGE_EU_API_KEY": "1"}),
        layer(OPTION, {"api_key": "2"}),
        layer(VARIABLE, {"TRIAGE_EU_API_KEY": "3", "API_KEY": "never"}),
        layer(VARIABLE, {"API_KEY": "4"}),
        layer(FILE, {"api-key": "5"}),
    ]
    stored = an_app({"api_key": "6"})
    assert [value(KEY, stored, *places[at:]) for at in range(6)] == ["1", "2", "3", "4", "5", "6"]
    assert value(KEY, an_app()) == "of the file"
    assert value(KEY, an_app(name="Other"), *places) == "2"


def test_an_empty_value_is_a_value() -> None:
    assert value(KEY, an_app(), layer(VARIABLE, {"API_KEY": ""})) == ""


@pytest.mark.parametrize(("text", "number"), [(" 7 ", 7), ("-1.5", -1.5), ("1e3", 1000.0), (8, 8)])
def test_a_number_is_one(text: Json, number: float) -> None:
    assert value(LIMIT, an_app({"limit": text})) == number


@pytest.mark.parametrize("text", ["", "seven", "nan", "inf", "1_0x", "９e", True, "x" * 1_000_000])
def test_what_is_no_number_is_refused_by_its_place_and_not_quoted(text: Json) -> None:
    given = layer(VARIABLE, {"LIMIT": str(text)})
    with pytest.raises(
        InvalidEnvironment, match=r"^JIKKO_ENV_LIMIT: the value .* 'limit' of app .* is not a number\.$"
    ):
        value(LIMIT, an_app(), given)


def test_a_text_of_a_megabyte_is_too_long() -> None:
    with pytest.raises(InvalidEnvironment, match="more than 204800"):
        value(KEY, an_app(), layer(OPTION, {"API_KEY": "鍵" * 350_000}))


def test_a_secret_without_a_value_is_named() -> None:
    empty = Variable("later", "secret", "")
    assert empty_secrets([KEY, empty, Variable("text", "string", "")]) == ["later"]
    assert empty_secrets(with_values([empty], an_app(), [layer(VARIABLE, {"LATER": "x"})])) == []


def test_a_name_that_no_app_has_is_told_with_what_was_meant() -> None:
    given = layer(VARIABLE, {"API_KEI": "1", "TRIAGE_EU_LIMIT": "2", "LIMIT": "3", "zzz": "4"})
    assert list(unused(given, [(an_app(), [KEY, LIMIT])])) == [
        ("JIKKO_ENV_API_KEI", " (did you mean 'API_KEY'?)"),
        ("JIKKO_ENV_ZZZ", ""),
    ]


def test_pairs_of_the_command_line() -> None:
    assert parse_pairs(["a=1", "b=x=y", "a=", "鍵=\ue000 値"]) == {"a": "", "b": "x=y", "鍵": "\ue000 値"}
    for wrong in ("sk-secret", "=sk-secret", "🗝=sk-secret"):
        with pytest.raises(InvalidParam, match="NAME=VALUE") as refused:
            parse_pairs([wrong])
        assert "sk-secret" not in str(refused.value)


def test_a_file_of_values_has_comments_and_quotes() -> None:
    text = "# c\nA=1\nexport B='two # words'\nC=\"line\\nline\"  # c\n\nD=$A\nE=値\ue000\nF=\n"
    assert parse_env_file(text, "x") == {
        "A": "1",
        "B": "two # words",
        "C": "line\nline",
        "D": "$A",
        "E": "値\ue000",
        "F": "",
    }


@pytest.mark.parametrize("line", ["sk-secret", "A='sk-secret", "🗝=sk-secret"])
def test_a_wrong_line_of_a_file_is_told_by_its_number_alone(line: str) -> None:
    with pytest.raises(InvalidParam, match=r"^\.env: line 2 is not NAME=VALUE") as refused:
        parse_env_file(f"A=1\n{line}\n", ".env")
    assert "sk-secret" not in str(refused.value)


def a_file() -> bytes:
    text = app("Triage (EU)", [start("q"), end(said="start.q")], "start>end")
    return with_environment(text, api_key=("secret", ""), limit=("number", 1)).encode()


@pytest.mark.anyio
async def test_the_compiled_workflow_has_the_values_of_now_and_masks_what_is_secret_by_its_type() -> None:
    store = AppsInMemory()
    apps, workflows = (
        AppCatalog(store, BY_TYPE),
        Workflows(store, BY_TYPE, environment=[layer(VARIABLE, {"LIMIT": "5"})]),
    )
    published = (await apps.publish(a_file(), source="x")).app

    before = await workflows.get(published)
    set_ = await apps.set_environment(published, {"api_key": "値\ue000"})
    after = await workflows.get(set_)
    unset = await apps.set_environment(published, {}, ["api_key", "nothing"])

    assert (before.graph.environment, set(before.graph.secrets)) == ({"api_key": "", "limit": 5}, set())
    assert (after.graph.environment, set(after.graph.secrets)) == ({"api_key": "値\ue000", "limit": 5}, {"api_key"})
    assert (await workflows.get(unset)) is before


@pytest.mark.anyio
async def test_nothing_is_set_if_one_name_or_value_is_wrong() -> None:
    apps = AppCatalog(AppsInMemory(), BY_TYPE)
    published = (await apps.publish(a_file(), source="x")).app

    with pytest.raises(NotFound, match=r"no environment variable 'api_kei' \(did you mean 'api_key'\?\)"):
        await apps.set_environment(published, {"limit": "2", "api_kei": "x"})
    with pytest.raises(InvalidEnvironment, match=r"^The value .*'limit'"):
        await apps.set_environment(published, {"api_key": "x", "limit": "two"})
    with pytest.raises(NotFound):
        await apps.publish(a_file(), source="x", environment={"nobody": "x"})

    assert (await apps.find("Triage (EU)")).environment == ""
    assert len(await apps.versions(published)) == 1
