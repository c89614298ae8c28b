"""Requirements of a plugin's environment."""

import pytest

from jikko.plugins.install.virtual_environment import from_files, from_lock
from jikko.plugins.package.package_archive import PackageRefused

EXPORTED = """\
anyio==4.12.0 ; python_full_version >= '3.12' \\
    --hash=sha256:aaaa \\
    --hash=sha256:bbbb
# a remark
certifi==2026.1.1 \\
    --hash=sha256:cccc
"""


def test_those_of_a_lock_have_versions_and_hashes() -> None:
    found = from_lock(EXPORTED)
    assert found.lines == (
        "anyio==4.12.0 ; python_full_version >= '3.12' --hash=sha256:aaaa --hash=sha256:bbbb",
        "certifi==2026.1.1 --hash=sha256:cccc",
    )
    assert found.hashed
    assert not from_lock("anyio==1\n").hashed


@pytest.mark.parametrize("line", [
    "-e .", "./local", "../x", "pkg @ git+https://example.test/x.git@abc", "https://example.test/x.whl",
    "--index-url https://example.test", "pkg @ file:///etc", "git+https://example.test/x",
])  # fmt: skip
def test_addresses_paths_and_options_are_refused_and_named(line: str) -> None:
    with pytest.raises(PackageRefused, match="which is not a name with a version"):
        from_lock(f"{line}\n")
    with pytest.raises(PackageRefused, match="which is not a name with a version"):
        from_files({"requirements.txt": line.encode()}, None)


def test_without_a_lock_versions_of_the_day_of_making_are_tried_first_then_the_oldest_sdk_then_the_newest() -> None:
    requirements = {"requirements.txt": b"dify_plugin~=0.0.1b61  # sdk\n\n# x\nrequests>=2\n"}

    found = from_files(requirements, 1_755_000_000)

    assert [(one.lines, one.day) for one in found] == [
        (("dify_plugin~=0.0.1b61", "requests>=2"), 1_755_000_000),
        (("dify_plugin==0.0.1b61", "requests>=2"), None),
        (("dify_plugin~=0.0.1b61", "requests>=2"), None),
    ]


def test_without_a_lock_and_a_day_the_oldest_sdk_is_tried_first() -> None:
    oldest, newest = from_files(
        {"pyproject.toml": b'[project]\ndependencies = ["dify-plugin>=0.2.1,<1", "requests>=2"]\n'}, None
    )

    assert oldest.lines == ("dify-plugin==0.2.1", "requests>=2")
    assert newest.lines == ("dify-plugin>=0.2.1,<1", "requests>=2")


def test_what_is_the_same_is_tried_once() -> None:
    assert len(from_files({"requirements.txt": b"requests>=2\n"}, None)) == 1


@pytest.mark.parametrize("files", [{}, {"pyproject.toml": b"["}, {"requirements.txt": b"\xff\xfe"}])
def test_what_tells_nothing_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(PackageRefused):
        from_files(files, None)
