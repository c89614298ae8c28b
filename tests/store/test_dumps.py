"""How PostgreSQL's own programs are called for a url of ours."""

import shlex

import pytest

from jikko.ports.addresses import dump_line, restore_line, without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://jikko:秘密@db.example/jikko", "postgresql://jikko@db.example/jikko"),
        ("postgres://a%40b:p:w@[::1]:5433/x?password=secret&sslmode=require", "postgres://a%40b@[::1]:5433/x?sslmode=require"),
        ("postgresql://u:secret@h1:1,h2:2/db?target_session_attrs=primary", "postgresql://u@h1:1,h2:2/db?target_session_attrs=primary"),
        ("postgresql://jikko:secret@/db?host=/var/run/x", "postgresql://jikko@/db?host=/var/run/x"),
        ("postgresql://h/db?sslpassword=secret&search_path=secret", "postgresql://h/db"),
        ("postgresql://u:p@ss@h/db", "postgresql://u@h/db"),
    ],
)  # fmt: skip
def test_a_url_is_told_without_what_is_secret_in_it(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_a_line_is_one_of_a_shell_whatever_the_url_has_in_it() -> None:
    url = "postgresql://u@h/it's; rm -rf $HOME?options=-c%20x"

    assert shlex.split(dump_line(url)) == ["pg_dump", "--format=custom", "--file=jikko.dump", url]
    assert shlex.split(restore_line(url))[-2:] == [f"--dbname={url}", "jikko.dump"]
