"""Ids of datasets that are encrypted in exported files."""

import base64
import sys

import pytest

from jikko.dsl.encrypted_ids import DecryptionUnavailable, plain_id
from tests.dsl.encrypting import WORKSPACE, encrypted

DATASET = "be517915-1dd5-4d09-a67d-4d5e4e4b21a8"


def test_an_id_is_read_with_the_id_of_its_workspace() -> None:
    # Made by OpenSSL: printf DATASET | openssl enc -aes-256-cbc -base64 -K SHA-256 -iv FIRST-16-BYTES
    made = "o26dDrSp96z2+zSptshsFYIsG0bnoqLmpfFeUF4eP6i8mkBJMF0IFn9llcIMhLr2"

    assert encrypted(DATASET, WORKSPACE) == made
    assert plain_id(made, WORKSPACE) == DATASET


def test_it_is_told_in_lower_case() -> None:
    assert plain_id(encrypted(DATASET.upper(), WORKSPACE), WORKSPACE) == DATASET


@pytest.mark.parametrize(
    "text",
    [
        "",
        "handbook",
        DATASET,
        "知識",
        "====",
        base64.b64encode(b"x" * 16).decode(),
        base64.b64encode(b"x" * 48).decode(),
        base64.b64encode(b"x" * 47).decode(),
        encrypted("no id at all", WORKSPACE),
        encrypted(DATASET, DATASET),
        encrypted(DATASET, WORKSPACE) * 1000,
        encrypted("\x00" * 36, WORKSPACE),
    ],
)
def test_another_text_is_none(text: str) -> None:
    assert plain_id(text, WORKSPACE) is None


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)

    with pytest.raises(DecryptionUnavailable, match=r"\.\[knowledge\]"):
        plain_id(READABLE, WORKSPACE)


READABLE = encrypted(DATASET, WORKSPACE)
