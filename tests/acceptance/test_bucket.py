"""Files in a bucket from a client's view, and the operator's messages about an unusable bucket."""

from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ECHO
from tests.files.buckets import CREDENTIALS, Buckets

pytestmark = pytest.mark.slow
CONTENT = "請求書 🧾".encode()


@pytest.fixture
def settings(buckets: Buckets) -> dict[str, str]:
    return {"JIKKO_FILES_URL": buckets.made(), **CREDENTIALS}


def test_an_uploaded_file_is_in_the_bucket_and_comes_back(
    jikko: Command, tmp_path: Path, settings: dict[str, str]
) -> None:
    key = jikko.imported(tmp_path, {"echo": ECHO})["echo"]
    server = Server(jikko.home, settings=settings)
    client = Client(server.url, key)
    try:
        file, form = ("note.txt", CONTENT, "text/plain"), {"user": client.user}
        uploaded = client.request("POST", "/v1/files/upload", files={"file": file}, data=form).json()
        preview = client.request("GET", "/files/" + str(uploaded["source_url"]).partition("/files/")[2])
    finally:
        client.close()
        server.close()

    assert (preview.status_code, preview.content) == (200, CONTENT)
    assert not [path for path in (jikko.home / "files").rglob("*") if path.is_file()]


def test_a_bucket_that_is_not_there_keeps_the_server_from_starting(buckets: Buckets, jikko: Command) -> None:
    settings = {"JIKKO_FILES_URL": buckets.url("no-such-bucket"), **CREDENTIALS}

    served, looked = jikko("serve", "--port", "0", **settings), jikko("doctor", **settings)

    assert (served.code != 0, "no-such-bucket" in served.err, served.has_traceback) == (True, True, False)
    assert "files_url" in served.err
    assert "no-such-bucket" in looked.out


def test_a_url_of_another_kind_is_refused_with_the_form_that_is_meant(jikko: Command) -> None:
    served = jikko("serve", "--port", "0", JIKKO_FILES_URL="https://host/bucket")

    assert (served.code, "expected s3://BUCKET" in served.err) == (2, True)
