"""Redaction of personal data in cases."""

from typing import Any

import pytest

from jikko.proving.redaction import Redaction
from tests.effort import growth


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("from anna.b+c@mail.co.jp,", "from person1@example.com,"),
        ("連絡先anna@example.jpです", "連絡先person1@example.comです"),
        ("müller@beispiel.de 🙂", "person1@example.com 🙂"),
        ("Anna@X.com or anna@x.COM", "person1@example.com or person1@example.com"),
        ("電話03-1234-5678です", "電話00-0000-0001です"),
        ("+49 (0)170 1234567", "+00 (0)000 0000001"),
        ("0170/1234567", "0000/0000001"),
        ("(555) 123-4567", "(000) 000-0001"),
        ("0049 170 12345678", "0000 000 00000001"),
        ("DE89 3704 0044 0532 0130 00", "DE00 0000 0000 0000 0000 01"),
        ("GB82WEST12345698765432", "GB00XXXX00000000000001"),
        ("4111 1111 1111 1111", "0000 0000 0000 0001"),
        ("10.1.2.3", "192.0.2.1"),
        ("カード4111111111111111です", "カード0000000000000001です"),
        ("No.4111-1111-1111-1111 12/27", "No.0000-0000-0000-0001 12/27"),
        ("4111 1111 1111 1111 123", "0000 0000 0000 0001 123"),
        ("口座AT611904300234573201へ", "口座AT000000000000000001へ"),
        ("AT61 1904 3002 3457 3201 EUR 100", "AT00 0000 0000 0000 0001 EUR 100"),
        ("住所は192.168.1.1です", "住所は192.0.2.1です"),
        ("10.0.0.1-10.0.0.9", "192.0.2.1-192.0.2.2"),
        ("addr:2001:DB8:85a3::8a2e:370:7334。", "addr:2001:db8::1。"),
        ("[fe80::1%eth0]", "[2001:db8::1%eth0]"),
        ("山田@example.co.jp 様", "person1@example.com 様"),
        ("ｔａｒｏ＠example．com", "person1@example.com"),
        ("０９０－１２３４－５６７８", "000-0000-0001"),
        ("090−1234−5678、090ー1234ー5678 メール", "000-0000-0001、000-0000-0001 メール"),
        ("tel:0312345678 TEL03-1234-5678", "tel:0000000001 TEL0000000001"),
        ("0312345678 0312345679 0312345678", "0000000001 0000000002 0000000001"),
        ("Anna Müller, anna müller", "hidden1, hidden1"),
    ],
)
def test_what_tells_of_a_person_gets_a_stand_in_of_its_kind(text: str, redacted: str) -> None:
    assert Redaction(["Anna Müller"]).of(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-30 09:00:00+09:00",
        "01-12-2026",
        "30/11/2026 10",
        "01a217f8-9c3e-7000-8000-000000000012",
        "0.1234567",
        "20261130090000",
        "1764576000",
        "1234567890123456",
        "version 1.2.3.4.5, 999.1.1.1",
        "@home, a@b",
        "GB82WEST12345698765433",
        "std::vector abc::def 10:20:30.5 00:1a:2b:3c:4d:5e",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert Redaction().of(text) == text


def test_a_case_keeps_its_names_and_paths_and_has_one_stand_in_for_each_person() -> None:
    case: dict[str, Any] = {
        "name": "run 1",
        "inputs": {"from": "anna@x.com", "age": 41, "cv": "@kept/anna@x.com.pdf", "at": "@@ bob@x.com"},
        "mocks": {"Ask anna@x.com": [{"outputs": {"bob@x.com": ["ANNA@x.com"]}}, {"error": "no bob@x.com"}]},
        "forms": {"Ask": [{"action": "yes", "values": {"note": "bob@x.com"}}, "timeout"]},
        "expect": {"path": ["Ask anna@x.com"], "outputs": {"equals": {"to": "anna@x.com"}}},
    }

    redaction = Redaction(files=["kept/anna@x.com.pdf"])
    found = redaction.case(case)

    assert found["inputs"] == {
        "from": "person1@example.com",
        "age": 41,
        "cv": "@kept/anna@x.com.pdf",
        "at": "@@ person2@example.com",
    }
    assert found["mocks"] == {
        "Ask anna@x.com": [
            {"outputs": {"person2@example.com": ["person1@example.com"]}},
            {"error": "no person2@example.com"},
        ]
    }
    assert found["forms"]["Ask"][0]["values"] == {"note": "person2@example.com"}
    assert found["expect"] == {"path": ["Ask anna@x.com"], "outputs": {"equals": {"to": "person1@example.com"}}}
    assert redaction.counts == {"e-mail addresses": 2}


def test_of_texts_that_begin_with_an_at_sign_only_paths_of_saved_files_stay() -> None:
    said = "@anna@x.com 様"
    case: dict[str, Any] = {
        "inputs": {
            "cv": ["@a.files/anna@x.com"],
            "to": ["@@anna@x.com", "@@太郎"],
            "mixed": [said, "x"],
            "at": "@@太郎",
        },
        "mocks": {"Ask": [{"outputs": {"text": said}}]},
        "forms": {"Ask": [{"action": "yes", "values": {"cv": "@a.files/anna@x.com", "note": f"@{said}"}}]},
        "turns": [{"say": said, "expect": {"path": [], "answer": {"equals": said}}}],
        "expect": {"path": [], "outputs": {"equals": {"text": "@a.files/anna@x.com"}}},
    }

    told = "@person1@example.com 様"
    assert Redaction(["@太郎"], ["a.files/anna@x.com"]).case(case) == {
        "inputs": {
            "cv": ["@a.files/anna@x.com"],
            "to": ["@person1@example.com", "hidden1"],
            "mixed": [told, "x"],
            "at": "hidden1",
        },
        "mocks": {"Ask": [{"outputs": {"text": told}}]},
        "forms": {"Ask": [{"action": "yes", "values": {"cv": "@a.files/anna@x.com", "note": f"@{told}"}}]},
        "turns": [{"say": told, "expect": {"path": [], "answer": {"equals": told}}}],
        "expect": {"path": [], "outputs": {"equals": {"text": "@a.files/person1@example.com"}}},
    }


def test_long_texts_take_time_by_their_length() -> None:
    def redact(count: int) -> None:
        for piece in ("a", "1 ", "1.", "0(", "DE00 ", "a@", "山", "4111 ", "a:", ":", "0312345678 "):
            Redaction().of(piece * count)

    assert growth(redact, 500) < 30


def test_addresses_that_differ_have_stand_ins_that_differ() -> None:
    redaction = Redaction()
    found = {redaction.of(f"10.0.{number // 256}.{number % 256}") for number in range(1000)}
    assert len(found) == 1000
