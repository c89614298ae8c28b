"""Signed urls, and the key behind them."""

import os
import stat
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from jikko.errors import InvalidSettings
from jikko.files.signing_keys import KeyFiles, SigningKeys, UrlSigner
from jikko.ports.stores.file_index import StoredFile

FILE = StoredFile(
    id="0195e7a0-0000-7000-8000-0000000000f1",
    app_id="app",
    end_user_id="user",
    name="絵📷.PNG",
    size=3,
    extension="png",
    mime_type="image/png",
    digest="ab" * 32,
    created_at=0.0,
)
SIGNER = UrlSigner(keys=SigningKeys(b"k" * 32), base_url="https://flows.example/", clock=lambda: 1_750_000_000.9)


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_the_url_of_an_upload_has_the_form_of_dify() -> None:
    parts = urlsplit(SIGNER.url(FILE))

    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"https://flows.example/files/{FILE.id}/file-preview"
    assert list(query_of(SIGNER.url(FILE))) == ["timestamp", "nonce", "sign"]
    assert query_of(SIGNER.url(FILE))["timestamp"] == "1750000000"


def test_the_url_of_a_file_of_a_node_ends_in_its_extension() -> None:
    made = StoredFile(**{**{name: getattr(FILE, name) for name in FILE.__struct_fields__}, "origin": "node"})

    assert urlsplit(SIGNER.url(made)).path == f"/files/tools/{FILE.id}.png"


def test_a_client_gets_urls_of_the_server_that_it_reached() -> None:
    assert SIGNER.url(FILE, "http://127.0.0.1:8000").startswith("http://127.0.0.1:8000/files/")


@pytest.mark.parametrize(("age", "accepted"), [(0, True), (299, True), (301, False)])
def test_a_url_expires(age: int, accepted: bool) -> None:
    query = query_of(SIGNER.url(FILE))
    later = replace(SIGNER, clock=lambda: 1_750_000_000.0 + age)

    assert later.accepts(FILE.id, **query) is accepted


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": "1750000001"},
        {"timestamp": "x"},
        {"nonce": "other"},
        {"sign": ""},
        {"sign": "é"},
        {"sign": "\udc80"},
    ],
)
def test_a_url_that_was_changed_is_refused(change: dict[str, str]) -> None:
    assert not SIGNER.accepts(FILE.id, **{**query_of(SIGNER.url(FILE)), **change})


def test_a_url_opens_only_its_own_file_and_only_here() -> None:
    query = query_of(SIGNER.url(FILE))

    assert not SIGNER.accepts("0195e7a0-0000-7000-8000-0000000000f2", **query)
    assert not replace(SIGNER, keys=SigningKeys(b"o" * 32)).accepts(FILE.id, **query)


def test_an_expired_url_can_be_renewed_and_a_made_up_one_cannot() -> None:
    old = SIGNER.url(FILE, "http://before.example")
    later = replace(SIGNER, clock=lambda: 1_760_000_000.0)
    fresh = later.renewed(old, FILE.id)

    assert fresh is not None
    assert fresh.startswith("https://flows.example/files/")
    assert later.accepts(FILE.id, **query_of(fresh))
    for made_up in (old.replace("sign=", "sign=x"), "https://elsewhere.example/a.png", "", "http://[", old + "&sign=2"):
        assert later.renewed(made_up, FILE.id) is None
    assert later.renewed(old, "0195e7a0-0000-7000-8000-0000000000f2") is None


def test_the_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    path = tmp_path / "data" / "files.key"

    key = KeyFiles(path).load_or_create().newest

    assert len(key) == 32
    assert KeyFiles(path).load_or_create().newest == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["files.key"]


def test_a_new_key_is_all_on_the_disk_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced, sync = tmp_path / "files.key", [], os.fsync

    def note(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_size, path.exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    key = KeyFiles(path).load_or_create().newest

    assert synced == [(len(key), False)]


def test_a_file_that_holds_no_key_is_refused_and_what_to_do_is_said(tmp_path: Path) -> None:
    (tmp_path / "files.key").write_bytes(b"short")

    with pytest.raises(InvalidSettings, match="Remove it"):
        KeyFiles(tmp_path / "files.key").load_or_create()


def test_links_of_older_keys_are_accepted_and_only_the_newest_signs() -> None:
    before, after = (replace(SIGNER, keys=keys) for keys in (SigningKeys(b"a"), SigningKeys(b"b", b"a")))

    old, new = before.url(FILE), after.url(FILE)

    assert after.accepts(FILE.id, **query_of(old))
    assert after.renewed(old, FILE.id) is not None
    assert not before.accepts(FILE.id, **query_of(new))


def test_a_key_is_accepted_before_it_signs_and_the_former_ones_behind_it(tmp_path: Path) -> None:
    files = KeyFiles(tmp_path / "files.key")
    first = files.load_or_create().newest
    seen = [first]
    for _ in range(3):
        new = files.add()
        accepted = files.load_or_create()
        assert (accepted.newest, new.read_bytes() in accepted.older) == (seen[-1], True)
        files.make_newest(new)
        seen.append(files.load_or_create().newest)

    keys = files.load_or_create()
    assert len(set(seen)) == 4
    assert (keys.newest, sorted(keys.older)) == (seen[-1], sorted(seen[:-1]))
    assert files.remove_older() == 3
    assert (files.load_or_create().newest, files.load_or_create().older) == (seen[-1], ())
