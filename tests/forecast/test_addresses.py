"""Hosts of requests that are known before the run."""

from typing import Any

import pytest

from jikko.forecast.known_installation import Installation, diagnose_url, host_of, known_start
from jikko.lang.templates import Template
from jikko.outbound.policy import parse_allow
from jikko.values import Json

ENVIRONMENT: dict[str, Json] = {"BASE": "http://10.1.2.3", "HOST": "192.168.0.7", "SCHEME": "https", "PORT": 8080}


def refused(url: str, **more: Any) -> tuple[str, bool] | None:
    found = diagnose_url(Template.parse(url), ENVIRONMENT, ENVIRONMENT, "url", Installation(**more))
    return None if found is None else (found.text(), found.severity == "will_fail")


REFUSED = {
    "http://127.0.0.1/": "127.0.0.1",
    "http://127.1:80/{{#a.b#}}": "127.0.0.1",
    "http://[::1]/": "::1",
    "http://[::ffff:10.0.0.1]/": "10.0.0.1",
    "http://user:pass@169.254.169.254/latest": "169.254.169.254",
    "HTTP://10.0.0.1": None,
    "{{#env.BASE#}}/{{#a.b#}}": "10.1.2.3",
    "http://{{#env.HOST#}}:{{#env.PORT#}}/": "192.168.0.7",
    "http://api.localhost:3000/": "127.0.0.1",
}


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_is_refused_is_named(url: str) -> None:
    found = refused(url)
    assert found is not None
    what, certain = found
    assert certain
    address = REFUSED[url]
    assert f"The address {address}" in what if address else "url should start with http:// or https://" in what


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/{{#a.b#}}",
        "https://{{#a.b#}}/",
        "https://127.0.0.1{{#a.b#}}/",
        "{{#a.b#}}",
        "ht{{#a.b#}}",
        "{{#env.NONE#}}/x",
        "https://日本語.example.com/",
        "https://8.8.8.8/",
    ],
)
def test_what_may_be_reached_or_is_not_known_is_not_told(url: str) -> None:
    assert refused(url) is None


@pytest.mark.parametrize("host", ["sandbox:8194", "db.internal", "printer.local"])
def test_a_name_that_looks_private_is_a_doubt(host: str) -> None:
    found = refused(f"http://{host}/")
    assert found is not None
    assert not found[1]


def test_what_was_opened_is_not_told() -> None:
    allow = parse_allow(["127.0.0.0/8"])
    assert refused("http://127.0.0.1/", allow=allow) is None
    assert refused("http://localhost/", allow=allow) is None
    assert refused("http://localhost/", allow=parse_allow(["::1"])) is None
    assert refused("http://sandbox/", allow=allow) is None
    assert refused("http://10.0.0.1/", allow=allow) is not None


def test_a_proxy_decides_about_names() -> None:
    assert refused("http://sandbox/", has_proxy=True) is None
    assert refused("http://localhost/", has_proxy=True) is not None
    assert refused("http://10.0.0.1/", has_proxy=True) is not None


@pytest.mark.parametrize("url", ["http://a b/", "http://x:99999/", "http://[::1/", "http:///x", "http://a\u0000b/"])
def test_a_url_that_cannot_be_used_is_told(url: str) -> None:
    found = refused(url)
    assert found is not None
    assert found[1]


def test_a_host_is_shown_without_user_and_password() -> None:
    assert host_of(*known_start(Template.parse("https://u:p@h.example:1/{{#a.b#}}"), {})) == "h.example:1"


SECRETS = [
    "10.9.8.7",
    "my host.example",
    "127.0.0.1:99999",
    "vault.internal",
    "[::1",
    "a_b\u0000c",
    "sk-0123456789abcdef !",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://{{#env.KEY#}}/x", "{{#env.KEY#}}"),
        ("http://api.{{#env.KEY#}}:80/{{#a.b#}}", "api.{{#env.KEY#}}:80"),
        ("http://u:p@{{#env.KEY#}}", "{{#env.KEY#}}"),
        ("{{#env.WHOLE#}}/x", "{{#env.WHOLE#}}/x"),
    ],
)
def test_a_host_that_a_secret_is_part_of_is_not_shown(url: str, host: str, secret: str) -> None:
    environment: dict[str, Json] = {"KEY": secret, "WHOLE": f"http://{secret}"}
    recorded: dict[str, Json] = {"KEY": "*" * 20, "WHOLE": "http:/" + "*" * 12}
    found = diagnose_url(Template.parse(url), environment, recorded, "url", Installation())

    if found is None:  # with a name in front some of them are hosts that can be asked
        assert url.startswith("http://api.")
        return
    assert found.text() == f"requests to {host} cannot be sent; the reason is hidden, since the host contains a secret"
    assert secret not in found.advice()


def test_a_secret_beside_the_host_keeps_no_reason_back() -> None:
    url = Template.parse("http://{{#env.KEY#}}@10.0.0.1/{{#env.KEY#}}")
    found = diagnose_url(url, {"KEY": "sk-0123:456"}, {"KEY": "sk-012******"}, "url", Installation())

    assert found is not None
    assert "The address 10.0.0.1 may not be reached" in found.text()
    assert "sk-" not in found.text()


def test_a_url_that_cannot_be_used_is_told_in_the_language_of_the_reader() -> None:
    found = diagnose_url(Template.parse("http://例え.example:0/"), {}, {}, "url", Installation())
    assert found is not None
    assert (found.code, found.text()) == ("address.unusable", "The URL cannot be used: there is no port 0")
    assert found.text("ja") == "この URL は使えません: ポート 0 はありません"
