"""The server process behind a proxy: whom it believes is a setting, also of each of several workers."""

from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ECHO

FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "flows.example", "X-Forwarded-Prefix": "/jikko"}


def link(server: Server, key: str) -> str:
    """The beginning of a link to a file, for a client that says it is a proxy."""
    client = Client(server.url, key)
    file = {"file": ("山.txt", b"x", "text/plain")}
    answer = client.request("POST", "/v1/files/upload", files=file, headers={**client.headers, **FORWARDED})
    client.close()
    return str(answer.json()["source_url"]).partition("/files/")[0]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("trusted", ["", "127.0.0.0/8"])
def test_nobody_is_believed_but_those_whom_the_setting_names(
    jikko: Command, tmp_path: Path, workers: str, trusted: str
) -> None:
    (tmp_path / "echo.yml").write_text(ECHO, encoding="utf-8")
    [imported] = jikko.json("apps", "import", tmp_path / "echo.yml")
    server = Server(jikko.home, settings={"JIKKO_TRUSTED_PROXIES": trusted, "JIKKO_WORKERS": workers})

    found = link(server, imported["api_key"])

    server.stop()
    assert found == ("https://flows.example/jikko" if trusted else server.url)


@pytest.mark.parametrize(("setting", "value"), [("JIKKO_TRUSTED_PROXIES", "localhost"), ("JIKKO_ROOT_PATH", "no path")])
def test_a_setting_that_cannot_be_is_refused_by_name(jikko: Command, setting: str, value: str) -> None:
    outcome = jikko("serve", "--port", "0", **{setting: value})

    assert outcome.code == 2
    assert setting in outcome.err
    assert not outcome.has_traceback
