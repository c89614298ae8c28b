"""Checks of an address before any connection, without repeating secrets in it."""

import pytest

from jikko.errors import InvalidSettings
from jikko.ports.addresses import diagnose_bucket_url, diagnose_database_url, diagnose_nats_url, shown
from jikko.settings import Settings

SECRET = "geheim"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://jikko@host/db",
        "postgres://jikko:geheim@host:5432/db",
        "postgresql://jikko:ge%2Fhe%40im@host/db?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgresql://jikko@one:5432,two:5433/db?target_session_attrs=primary",
        "postgresql://jikko:ge:heim@[::1]:5432/db",
        "postgresql:///db?host=/run/postgresql",
        "postgresql://jikko@/db?host=/tmp",
    ],
)
def test_addresses_of_databases(url: str) -> None:
    assert diagnose_database_url(url) == ""


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("jikko:geheim@host/db", "expected postgresql://"),
        ("mysql://jikko:geheim@host/db", "expected postgresql://"),
        ("postgresql+asyncpg://jikko:geheim@host/db", "expected postgresql://"),
        ("postgresql://jikko:geheim@host", "expected postgresql://"),
        ("postgresql://[/db", "expected postgresql://"),
        ("postgresql://jikko:gehei/m@host/db", "%2F"),
        ("postgresql://jikko:gehei#m@host/db", "%23"),
        ("postgresql://jikko:gehei?m@host/db", "%3F"),
        ("postgresql://jikko:gehei@m@host/db", "%40"),
        ("postgresql://jikko:geheim@host:54x2/db", "expected postgresql://"),
        ("postgresql://jikko:geheim@host:99999/db", "expected postgresql://"),
        ("postgresql://jikko:geheim@host/db?sslmode=requird", "sslmode=requird; expected disable, "),
        ("postgresql://jikko:geheim@host/db?target_session_attrs=primay", "or prefer-standby"),
        ("postgresql://jikko:geheim@host/db?sslmode", "NAME=VALUE"),
    ],
)
def test_what_is_no_address_of_a_database_is_told_without_what_is_in_it(url: str, said: str) -> None:
    told = diagnose_database_url(url)

    assert said in told
    assert "gehei" not in told


@pytest.mark.parametrize(
    "url", ["nats://host:4222", "host:4222", "tls://u:ge%2Fheim@a:4222, nats://token@b", "nats://[::1]:4222,"]
)
def test_addresses_of_nats(url: str) -> None:
    assert diagnose_nats_url(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        ",",
        "http://host",
        "nats://",
        "nats://host:42x2",
        "nats://host:0",
        "nats://host:99999",
        "nats://[",
        "nats://a/b",
    ],
)
def test_what_is_no_address_of_nats(url: str) -> None:
    assert "expected nats://HOST:4222" in diagnose_nats_url(url)


@pytest.mark.parametrize("password", ["gehei/m", "gehei#m", "gehei?m", "gehei,m", "gehei@m"])
def test_a_password_that_tears_an_address_of_nats_apart_is_told_and_not_shown(password: str) -> None:
    told = diagnose_nats_url(f"nats://jikko:{password}@host:4222")

    assert "%2F" in told
    assert "gehei" not in told


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket",
        "s3://My.bucket_1/a/b?endpoint=http://127.0.0.1:9000&region=eu",
        "s3://b/ü?endpoint=https://h&ca=/ca.pem",
    ],
)
def test_addresses_of_buckets(url: str) -> None:
    assert diagnose_bucket_url(url) == ""


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://", "expected s3://BUCKET"),
        ("gs://bucket", "expected s3://BUCKET"),
        ("s3://[", "expected s3://BUCKET"),
        ("s3://my bucket", "letters, digits"),
        ("s3://bücket", "letters, digits"),
        ("s3://bucket/a/../b", "a folder is not named .."),
        ("s3://bucket?endpoint=host:9000", "an endpoint begins with https:// or http://"),
        ("s3://bucket?endpoint=https://host:90x0", "an endpoint begins"),
        ("s3://bucket?part=1", "unknown option part"),
        ("s3://KEY:geheim@bucket", "has no place for keys: set AWS_ACCESS_KEY_ID"),
        ("s3://bucket?endpoint=https://KEY:geheim@host", "has no place for keys"),
        ("s3://bucket?secret_access_key=geheim", "has no place for keys"),
    ],
)
def test_what_is_no_address_of_a_bucket_is_told_without_what_is_in_it(url: str, said: str) -> None:
    told = diagnose_bucket_url(url)

    assert said in told
    assert SECRET not in told


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidSettings) as refused:
        Settings(database_url="mysql://a:geheim@b/c", nats_url="http://a", files_url="gs://b", backup_url="b")

    lines = str(refused.value).splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["database_url", "nats_url", "files_url", "backup_url"]
    assert SECRET not in str(refused.value)


def test_an_address_is_shown_without_user_password_and_options() -> None:
    assert shown("postgresql://jikko:ge@heim@host:1/db?password=geheim") == "postgresql://host:1/db"
