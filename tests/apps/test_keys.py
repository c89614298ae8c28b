"""API keys, new ones and those that are brought."""

import re

import pytest

from jikko.apps.app_keys import AppKeys
from jikko.apps.keys import checked_key, digest, is_list_of_keys, new_key, parse_keys
from jikko.apps.publishing import AppCatalog
from jikko.errors import Conflict, InvalidParam
from jikko.nodes.registry import BY_TYPE
from tests.apps.test_publishing import a_file
from tests.meanwhile import meanwhile
from tests.store.in_memory import AppsInMemory

KEY = "app-0123456789abcdefghijABCD"


def test_a_key_has_no_character_that_a_double_click_would_cut_off() -> None:
    keys = {new_key() for _ in range(500)}
    assert len(keys) == 500
    assert [key for key in keys if re.fullmatch(r"app-[A-Za-z0-9]{32}", key) is None] == []


@pytest.mark.parametrize("text", [KEY, f"  {KEY}\n", "app-" + "x" * 200])
def test_a_key_is_taken_without_the_white_space_around_it(text: str) -> None:
    assert checked_key(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "app-",
        "app-0123456789abcdefghijABC",
        f"{KEY}-",
        f"{KEY} {KEY}",
        KEY.upper(),
        "app-" + "鍵" * 30,
        "app-" + "x" * 201,
    ],
)
def test_what_is_no_key_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(InvalidParam, match="Not an API key") as refused:
        checked_key(text)
    assert len(text) < 5 or text not in str(refused.value)


def test_a_list_of_keys_has_one_app_a_line() -> None:
    text = f"# from before\n\n 経費 = 精算 🧾 =  {KEY}\r\nSupport triage={KEY}x\n"
    assert list(parse_keys(text, "x")) == [("経費 = 精算 🧾", KEY), ("Support triage", f"{KEY}x")]


@pytest.mark.parametrize("line", ["no sign", f"= {KEY}", "App = app-short", f"App = {KEY}-", f"App = x{KEY}"])
def test_a_wrong_line_is_told_by_its_number_alone(line: str) -> None:
    with pytest.raises(InvalidParam, match=r"^keys\.txt: line 2 is not APP = KEY") as refused:
        list(parse_keys(f"# one\n{line}\n", "keys.txt"))
    assert "short" not in str(refused.value)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "is_list"),
    [(f"A = {KEY}", True), (f"\n# c\nA={KEY}\n", True), ("/run/secrets/keys", False), ("a=b/keys", False), ("", False)],
)
def test_a_list_is_told_from_the_name_of_a_file(text: str, is_list: bool) -> None:
    assert is_list_of_keys(text) == is_list


@pytest.mark.anyio
async def test_a_key_that_is_brought_twice_is_there_once_and_opens_one_app_alone() -> None:
    store = AppsInMemory()
    apps, keys = AppCatalog(store, BY_TYPE), AppKeys(store)
    one = (await apps.publish(a_file("One"), source="a")).app
    other = (await apps.publish(a_file("Other"), source="b")).app

    first = await keys.add(one.id, KEY)
    assert await keys.add(one.id, KEY) == first
    with pytest.raises(Conflict, match=r"app-0123… opens the app 'One'"):
        await keys.add(other.id, KEY)

    assert await keys.of(one) == [first]
    assert await keys.of(other) == []
    assert (await keys.authenticate(digest(KEY))).id == one.id


@pytest.mark.anyio
async def test_a_first_key_is_added_where_there_is_none_and_what_is_not_added_opens_nothing() -> None:
    store = AppsInMemory()
    apps, keys = AppCatalog(store, BY_TYPE), AppKeys(store)
    app = (await apps.publish(a_file("One"), source="a")).app

    first = await keys.add_first(app.id, KEY)
    assert first is not None
    assert await keys.add_first(app.id, f"{KEY}2") is None
    assert await keys.of(app) == [first]


@pytest.mark.anyio
@pytest.mark.parametrize("by_another", [False, True], ids=["the same app", "another app"])
async def test_a_key_that_two_servers_bring_at_once_is_added_once(by_another: bool) -> None:
    store = AppsInMemory()
    apps = AppCatalog(store, BY_TYPE)
    one, other = [(await apps.publish(a_file(name), source="a")).app for name in ("経費 🧾", "other")]
    first = other if by_another else one
    keys = AppKeys(meanwhile(store, "keys", lambda: AppKeys(store).add(first.id, KEY)))

    if by_another:
        with pytest.raises(Conflict, match="opens the app 'other'"):
            await keys.add(one.id, KEY)
    else:
        assert (await keys.add(one.id, KEY)).digest == digest(KEY)
    assert [len(await store.keys(each.id)) for each in (one, other)] == [not by_another, by_another]
