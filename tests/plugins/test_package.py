"""Reading of packages, and refused contents."""

import io
import os
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from jikko.plugins.package.declaration import read_package
from jikko.plugins.package.package_archive import (
    MAX_PACKED,
    BadKey,
    PackageRefused,
    pack,
    read_archive,
    read_keys,
)
from jikko.plugins.package.package_names import identifier, is_plugin_name, provider_name
from jikko.ports.models import Abilities
from tests.plugins.packages import SIGNER, files, folder, manifest, model_files, packed


def test_a_package_is_what_its_files_declare() -> None:
    plugin, archive = read_package(packed(files()))
    assert plugin.id == "tester/stand_in"
    assert plugin.identifier == f"tester/stand_in:0.0.1@{archive.checksum}"
    assert plugin.permissions == ("tool", "model.llm", "storage")
    assert plugin.trust == "unsigned"
    provider = plugin.provider("tools", "stand_in")
    assert provider is not None
    echo = provider.action("echo")
    assert echo is not None
    assert [(p.name, p.type, p.form, p.required, p.default) for p in echo.parameters] == [
        ("words", "string", "llm", True, None),
        ("times", "number", "form", False, 1),
        ("mood", "select", "llm", False, None),
    ]
    assert echo.parameters[2].options == ("calm", "loud")
    strategies = plugin.provider("agent_strategies", "agent")
    assert strategies is not None
    assert strategies.actions[0].features == ("history-messages",)


def test_the_checksum_is_of_names_and_contents_however_the_archive_was_made() -> None:
    content = files()
    one = read_archive(packed(content)).checksum
    assert one == read_archive(packed(dict(reversed(content.items())))).checksum
    assert one != read_archive(packed({**content, "main.py": b"#"})).checksum
    assert one != read_archive(packed({**content, "more.py": b""})).checksum


def test_a_folder_is_packed_the_same_each_time_without_what_is_no_part_of_it(tmp_path: Path) -> None:
    made = folder(tmp_path, {**files(), ".env": b"KEY=1", "__pycache__/main.pyc": b"x", ".venv/a": b"x"})
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert pack(made) == pack(made)
    assert read_archive(pack(made)).checksum == read_archive(packed(files())).checksum


def test_a_folder_without_a_manifest_is_none(tmp_path: Path) -> None:
    with pytest.raises(PackageRefused, match=r"no manifest\.yaml"):
        pack(tmp_path)


# Signatures.


def test_a_file_whose_name_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    made = folder(tmp_path / "plugin", files())
    (made / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"x")

    with pytest.raises(PackageRefused, match=r"whose name is not UTF-8: 'caf\\udce9\.txt'"):
        pack(made)


def test_a_package_is_signed_only_as_it_is_and_only_for_who_has_the_key() -> None:
    content, keys = files(), read_keys(SIGNER.pem)
    signed = SIGNER.signed(content)
    assert read_package(signed, keys)[0].trust == "signed"
    assert read_package(signed, keys)[0].signed_at == 1_755_000_000
    assert read_package(signed)[0].trust == "unknown signer"
    with zipfile.ZipFile(io.BytesIO(signed)) as archive:
        comment = archive.comment
    changed = packed({**content, "main.py": content["main.py"] + b"\n"}, comment)
    assert read_package(changed, keys)[0].trust == "unknown signer"
    later = packed(content, comment.replace(b"1755000000", b"1755000001"))
    assert read_package(later, keys)[0].trust == "unknown signer"


@pytest.mark.parametrize("comment", [
    b"", b"{}", b"[1]", b'{"signature": 1, "time": 2}', b'{"signature": "%%", "time": 2}',
    b'{"signature": "AAAA", "time": "now"}', b'{"signature": "AAAA", "time": -1}', b"\xff\xfe"])  # fmt: skip
def test_a_comment_that_is_no_signature_is_none(comment: bytes) -> None:
    assert read_package(packed(files(), comment), read_keys(SIGNER.pem))[0].trust == "unsigned"


def test_a_signature_of_another_length_does_not_count() -> None:
    comment = b'{"signature": "AAAA", "time": 1}'
    assert read_package(packed(files(), comment), read_keys(SIGNER.pem))[0].trust == "unknown signer"


@pytest.mark.parametrize("text", ["", "nothing", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
    "-----BEGIN PUBLIC KEY-----\n%%%\n-----END PUBLIC KEY-----"])  # fmt: skip
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        read_keys(text)


def test_a_key_is_read_with_all_its_bits() -> None:
    [key] = read_keys(SIGNER.pem)
    numbers = key.public_numbers()
    assert (numbers.n, numbers.e) == (SIGNER.modulus, 65537)
    assert read_keys(f"two:\n{SIGNER.pem}\n{SIGNER.pem}") == (key, key)


# Refusals.


@pytest.mark.parametrize("name", [
    "../evil.py", "a/../../evil.py", "/etc/evil.py", "C:evil.py", "a\\evil.py", "a\nb.py", "x" * 600, ".", "a/..",
])  # fmt: skip
def test_a_file_outside_of_the_folder_is_refused_and_named(name: str) -> None:
    with pytest.raises(PackageRefused, match="file of the package"):
        read_archive(packed({**files(), name: b""}))


def test_a_link_is_refused() -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(PackageRefused, match="has a link: 'link'"):
        read_archive(data.getvalue())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused() -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("main.py", "1")
        archive.writestr("./main.py", "2")
    with pytest.raises(PackageRefused, match="two files with the same name"):
        read_archive(data.getvalue())


def test_a_file_that_is_a_folder_too_is_refused() -> None:
    with pytest.raises(PackageRefused, match="is a folder, too"):
        read_archive(packed({"a": b"", "a/b": b""}))


def test_what_unpacks_to_more_than_it_may_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jikko.plugins.package.package_archive.MAX_UNPACKED", 100_000)
    with pytest.raises(PackageRefused, match="holds more than 100000 bytes"):
        read_archive(packed({"bomb": b"\0" * 1_000_000}))


def test_a_package_of_too_many_bytes_or_files_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PackageRefused, match="at most"):
        read_archive(b"\0" * (MAX_PACKED + 1))
    monkeypatch.setattr("jikko.plugins.package.package_archive.MAX_FILES", 3)
    with pytest.raises(PackageRefused, match="has 4 files"):
        read_archive(packed({str(number): b"" for number in range(4)}))


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all"])
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    with pytest.raises(PackageRefused):
        read_package(data)


@pytest.mark.parametrize("part", [slice(-40), slice(40, None)])
def test_a_part_of_an_archive_is_refused(part: slice) -> None:
    with pytest.raises(PackageRefused):
        read_package(packed(files())[part])


def test_bytes_that_are_turned_are_noticed() -> None:
    data = bytearray(packed({"main.py": b"x" * 100_000}))
    data[60] ^= 0xFF
    with pytest.raises(PackageRefused, match="not a readable"):
        read_archive(bytes(data))


@pytest.mark.parametrize(("changes", "message"), [
    ({"author": None}, r"manifest\.yaml: author is missing|manifest\.yaml\.author"),
    ({"version": "1 2"}, "version"),
    ({"name": "Bad Name"}, "is not a plugin name"),
    ({"type": "bundle"}, "only packages of type plugin"),
    ({"meta": {"runner": {"language": "go"}}}, "only plugins written in Python"),
    ({"meta": {"runner": {"entrypoint": "other"}}}, "is not in the package"),
    ({"plugins": {"tools": ["provider/none.yaml"]}}, r"provider/none\.yaml: is listed but not in the package"),
    ({"plugins": {"tools": [3]}}, "something that is not a path"),
    ({"plugins": {}}, "lists nothing"),
    ({"plugins": "tools"}, "not a mapping"),
])  # fmt: skip
def test_a_manifest_that_is_wrong_is_refused_with_the_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PackageRefused, match=message):
        read_package(packed(files(**changes)))


@pytest.mark.parametrize("content", [b"", b"- 1\n", b"a: [\n", b"\xff", b"a: !!python/object:os.system x", b"[" * 200])
def test_a_manifest_that_is_no_mapping_is_refused(content: bytes) -> None:
    with pytest.raises(PackageRefused, match=r"manifest\.yaml"):
        read_package(packed({**files(), "manifest.yaml": content}))


def test_a_manifest_has_40_levels_at_most() -> None:
    levels = {depth: f"more: {'[' * depth}{']' * depth}\n".encode() for depth in (39, 40)}
    content = files()
    assert read_package(packed({**content, "manifest.yaml": content["manifest.yaml"] + levels[39]}))

    with pytest.raises(PackageRefused, match="nested deeper than 40 levels"):
        read_package(packed({**content, "manifest.yaml": content["manifest.yaml"] + levels[40]}))


def test_a_tool_without_a_name_is_refused_with_its_file() -> None:
    nameless = yaml.safe_dump({"identity": {"label": {"en_US": "名"}}}).encode()
    with pytest.raises(PackageRefused, match=r"tools/echo\.yaml.*name"):
        read_package(packed({**files(), "tools/echo.yaml": nameless}))


def test_a_manifest_whose_aliases_multiply_is_refused() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdef", "bcdefg", strict=True)
    )
    with pytest.raises(PackageRefused, match="values"):
        read_package(packed({**files(), "manifest.yaml": bomb.encode()}))


def test_a_package_of_endpoints_alone_is_read_and_says_what_is_not_run() -> None:
    content = {"manifest.yaml": yaml.safe_dump(manifest(plugins={"endpoints": ["m.yaml"]})).encode(), "main.py": b""}
    plugin, _ = read_package(packed(content))
    assert plugin.unused == ("endpoints",)
    assert plugin.providers == ()


def test_a_package_says_its_models_and_what_they_need_and_can() -> None:
    plugin, _ = read_package(packed(model_files()))
    [provider] = plugin.providers
    assert (provider.kind, provider.name) == ("models", "models")
    assert [(each.name, each.required, each.models) for each in provider.credentials] == [
        ("key", True, ()),
        ("region", False, ()),
        ("size", True, ("rerank",)),
    ]
    able, plain, voice = provider.models
    assert (able.name, able.kind, able.mode, able.context_size) == ("able", "llm", "chat", 32000)
    assert able.abilities == Abilities(media=frozenset({"image", "document"}))
    assert able.price == (Decimal("0.5"), Decimal("1.5"), "EUR")
    assert (plain.name, plain.price, plain.context_size) == ("plain", None, 0)
    assert not plain.abilities.tools
    assert (voice.name, voice.kind, voice.voice) == ("voice", "tts", "桜")


@pytest.mark.parametrize("prices", [{"input": "dear"}, {"input": "nan"}, "free", None, {"input": "1", "unit": "x"}])
def test_prices_that_are_none_are_left_out(prices: Any) -> None:
    content = model_files()
    content["models/llm/plain.yaml"] = yaml.safe_dump({"model": "plain", "pricing": prices}).encode()
    plugin, _ = read_package(packed(content))
    assert [model.price for model in plugin.providers[0].models if model.name == "plain"] == [None]


def test_a_model_without_a_name_refuses_the_package() -> None:
    content = {**model_files(), "models/llm/plain.yaml": b"model_type: llm"}
    with pytest.raises(PackageRefused, match=r"models/llm/plain.yaml.model: is missing"):
        read_package(packed(content))


# Names.


@pytest.mark.parametrize(("written", "plugin", "provider"), [
    ("langgenius/tavily/tavily", "langgenius/tavily", "tavily"),
    ("duckduckgo", "langgenius/duckduckgo", "duckduckgo"),
    ("jina", "langgenius/jina_tool", "jina"),
    ("stepfun", "langgenius/stepfun_tool", "stepfun"),
    ("aws", "langgenius/aws_tools", "aws_tools"),
    ("svcvit/agent", "svcvit/agent", "agent"),
    ("afeaad50-3ca8/agent/agent", "svcvit/agent", "agent"),
    ("old", "new/name", "name"),
])  # fmt: skip
def test_providers_are_found_by_old_names_long_names_and_aliases(written: str, plugin: str, provider: str) -> None:
    aliases = {"afeaad50-3ca8/agent": "svcvit/agent", "old": "new/name/name"}
    assert provider_name(written, aliases) == (plugin, provider)


def test_identifiers_are_read_with_what_they_have() -> None:
    checksum = "5eb03c08764cc37249f9ef18b89903a99493f6d02c4d5b8ffb40b9f7ef4e865c"
    assert identifier(f"langgenius/agent:0.0.4@{checksum}") == ("langgenius/agent", "0.0.4", checksum)
    assert identifier("langgenius/agent") == ("langgenius/agent", "", "")
    assert identifier("agent") is None
    assert identifier("a/b/c") is None
    assert not is_plugin_name("a/B")


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024-08-07T08:03:44.658609186Z", 1_723_017_824),
        ("2024-08-07T17:03:44+09:00", 1_723_017_824),
        ("2024-08-07", 1_722_988_800),
        ("someday", None),
        (None, None),
        ([], None),
    ],
)
def test_the_moment_of_making_is_read_from_the_manifest(written: Any, moment: int | None) -> None:
    assert read_package(packed(files(created_at=written)))[0].created_at == moment
