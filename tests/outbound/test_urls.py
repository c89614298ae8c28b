"""From the URL that was written to the one that is sent."""

import pytest

from jikko.outbound.urls import WireUrl
from jikko.ports.http import HttpFailure


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTP://EXAMPLE.com:80/A", "http://example.com/A"),
        ("https://example.com:444/", "https://example.com:444/"),
        ("http://example.com/a b/ü?q=ü&r=a b#part", "http://example.com/a%20b/%C3%BC?q=%C3%BC&r=a%20b"),
        ("http://example.com/100%/%41", "http://example.com/100%25/%41"),
        ("http://example.com/a/../b/./c", "http://example.com/b/c"),
        ("http://example.com/../../etc", "http://example.com/etc"),
        ("http://user:secret@example.com/x", "http://example.com/x"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://0x7f.1:8080/", "http://127.0.0.1:8080/"),
        ("http://①②⑦.0.0.1/", "http://127.0.0.1/"),
        ("http://[::FFFF:127.0.0.1]/", "http://127.0.0.1/"),
        ("http://my_service.internal./", "http://my_service.internal./"),
    ],
)
def test_urls_are_sent_escaped_and_in_their_usual_form(written: str, sent: str) -> None:
    assert str(WireUrl.parse(written)) == sent


def test_parameters_replace_the_query() -> None:
    url = WireUrl.parse("http://example.com/x?a=1", (("q", "a b&c=/"), ("q", ""), ("ü", "1")))

    assert str(url) == "http://example.com/x?q=a+b%26c%3D%2F&q=&%C3%BC=1"


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("ftp://example.com/", "does not start with"),
        ("http://", "no host"),
        ("http:///x", "no host"),
        ("http://a b/", "is not a host name"),
        ("http://example.com\\@evil.example/", "backslash"),
        ("http://127%2e0.0.1/", "is not a host name"),
        ("http://a..b/", "is not a host name"),
        ("http://[::1", "its host is malformed"),
        ("http://example.com:99999/", "its port is not a number"),
        ("http://example.com:0/", "no port 0"),
        ("http://example.com/\r\nX: y", "control character"),
        ("http://exa\tmple.com/", "control character"),
        ("http://example.com/\ud83d", "surrogate"),
        ("http://\ud83d:password@example.com/", "surrogate"),
    ],
)
def test_urls_that_cannot_be_used_are_refused(written: str, why: str) -> None:
    with pytest.raises(HttpFailure, match=why) as caught:
        WireUrl.parse(written)
    assert caught.value.kind == "url"


@pytest.mark.parametrize(
    "written", ["http://user:hunter2@exa℀mple.com/", "http://user:hunter2/x@example.com/", "http://user:hunter2@[x]/"]
)
def test_user_and_password_are_not_told_with_what_is_wrong(written: str) -> None:
    with pytest.raises(HttpFailure) as caught:
        WireUrl.parse(written)
    assert "hunter2" not in str(caught.value)


def test_user_and_password_are_taken_out() -> None:
    url = WireUrl.parse("http://us%40er:p%3Aw@example.com/")

    assert url.userinfo == ("us@er", "p:w")
    assert url.authority == "example.com"
