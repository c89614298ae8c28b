"""The file of compose for several servers: its services know each other, and Jikko takes its settings."""

import re
import shlex
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from jikko.setting_sources import read_settings
from jikko.settings import Settings
from tests.page_blocks import ROOT

TEXT = (ROOT / "deploy" / "compose.cluster.yml").read_text(encoding="utf-8")
REQUIRED = re.compile(r"\$\{(\w+):\?is missing in \.env\}")
GIVEN = {name: f"{name}1" for name in REQUIRED.findall(TEXT)}
"""What ``.env`` has."""
_CONNECTIONS = 32
"""Of each server at most, as docs/several-servers.md has it."""


@pytest.fixture(scope="module")
def file() -> Any:
    """The file as compose understands it: with what ``.env`` has in the place of names."""
    found = yaml.safe_load(REQUIRED.sub(lambda name: GIVEN[name[1]], TEXT))
    assert "${" not in str(found)
    return found


@pytest.fixture(scope="module")
def services(file: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = file["services"]
    return found


@pytest.fixture(scope="module")
def settings(services: Mapping[str, Any]) -> Settings:
    """Those of a server. Names that mean nothing are refused."""
    return read_settings({"JIKKO_HOME": "/data", **services["jikko"]["environment"]})


def test_the_head_of_the_file_names_what_env_must_have() -> None:
    head = TEXT.partition("\nname:")[0]

    assert set(re.findall(r"[A-Z]+_[A-Z_]+", head)) == set(GIVEN)


def test_servers_know_the_database_as_it_is_set_up(services: Mapping[str, Any], settings: Settings) -> None:
    url, made = urlsplit(settings.database_url), services["postgres"]["environment"]

    assert url.hostname in services
    assert url.port is None
    assert (url.username, url.password) == (made["POSTGRES_USER"], made["POSTGRES_PASSWORD"])
    assert url.path == f"/{made['POSTGRES_DB']}"
    [most] = re.findall(r"max_connections=(\d+)", shlex.join(services["postgres"]["command"]))
    assert int(most) > _CONNECTIONS * services["jikko"]["deploy"]["replicas"]
    assert f"up to {_CONNECTIONS} connections" in (ROOT / "docs" / "several-servers.md").read_text(encoding="utf-8")


def test_servers_know_nats_as_it_is_set_up(services: Mapping[str, Any], settings: Settings) -> None:
    url, command = urlsplit(settings.nats_url), services["nats"]["command"]

    assert url.hostname in services
    assert url.port == 4222
    assert {f"--user={url.username}", f"--pass={url.password}", "--jetstream"} < set(command)


def test_servers_know_the_bucket_as_it_is_set_up(services: Mapping[str, Any], settings: Settings) -> None:
    url, bucket = urlsplit(settings.files_url), services["bucket"]
    endpoint, words = urlsplit(parse_qs(url.query)["endpoint"][0]), bucket["entrypoint"][-1].split()

    assert endpoint.hostname in services
    assert words[-2:] == ["--addr", f":{endpoint.port}"]
    assert f"/data/{url.hostname}" in words
    keys = f'"{GIVEN["AWS_ACCESS_KEY_ID"]},{GIVEN["AWS_SECRET_ACCESS_KEY"]}"'
    assert bucket["environment"]["RCLONE_AUTH_KEY"] == keys
    # The servers have them of the same file.
    assert [each["path"] for each in services["jikko"]["env_file"]] == [".env"]


def test_the_balancer_finds_every_server_and_is_the_one_proxy_that_is_believed(
    file: Any, services: Mapping[str, Any], settings: Settings
) -> None:
    config = (ROOT / "deploy" / "haproxy.cfg").read_text(encoding="utf-8")
    templates = set(re.findall(r"server-template \w+ (\d+) (\w+):(\d+)", config))
    [subnet] = file["networks"]["default"]["ipam"]["config"]

    assert templates == {(str(services["jikko"]["deploy"]["replicas"]), "jikko", str(settings.port))}
    assert settings.trusted_proxies == (subnet["subnet"],)
    assert ip_network(subnet["subnet"]).is_private
    [published] = services["balancer"]["ports"]
    assert f"bind :{published.rpartition(':')[2]}" in config
    assert services["balancer"]["volumes"] == ["./haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro"]


def test_a_server_is_given_the_time_that_it_takes_to_stop(services: Mapping[str, Any], settings: Settings) -> None:
    assert int(services["jikko"]["stop_grace_period"].removesuffix("s")) > settings.stop_seconds


def test_each_service_that_keeps_something_has_a_volume(file: Any, services: Mapping[str, Any]) -> None:
    named = {volume.partition(":")[0] for each in services.values() for volume in each.get("volumes", ())}

    assert set(file["volumes"]) == {"postgres", "nats", "bucket"} < named
    # A volume without a name is one for each server.
    assert services["jikko"]["volumes"] == ["/data"]
