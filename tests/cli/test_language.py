"""Findings in the reader's language: `--lang`, or else the environment's."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from jikko.cli.main import cli
from tests.acceptance.workflows import app, end, fetch, start
from tests.forecast.cases import code, tool

PROGRAM = "import pandas\n\ndef main():\n    return {'r': ''}"
BROKEN = app("名前", [start("q"), code(PROGRAM), end(q="x.y")], "start>code code>end")
JAPANESE = {"LC_ALL": "", "LC_MESSAGES": "", "LANG": "ja_JP.UTF-8"}
ENGLISH = {"LC_ALL": "C.UTF-8", "LC_MESSAGES": "", "LANG": "ja_JP.UTF-8"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "壊.yml"
    path.write_text(BROKEN, encoding="utf-8")
    return path


def checked(file: Path, *options: str, **environment: str) -> str:
    asked = ["check", str(file), "--home", str(file.parent), *options]
    return CliRunner().invoke(cli, asked, env=environment).stdout


def test_a_file_is_told_about_in_the_language_of_the_environment(file: Path) -> None:
    told = checked(file, **JAPANESE)
    assert "必ず失敗: ノード「code」: モジュール 'pandas' はありません（コードの 1 行目）" in told
    assert "`jikko packages install pandas` で入れられます" in told
    assert "value_selector: ノード 'x' を参照していますが、ありません" in told
    assert 'will fail: node "code": there is no module' in checked(file, **ENGLISH)


def test_the_option_wins_over_the_environment(file: Path) -> None:
    assert "必ず失敗" in checked(file, "--lang", "ja", **ENGLISH)
    assert "will fail" in checked(file, "--lang", "en", **JAPANESE)


def test_json_is_in_english_unless_it_is_asked_for_and_has_the_same_codes(file: Path) -> None:
    english, japanese = (json.loads(checked(file, "--json", *more, **JAPANESE)) for more in ((), ("--lang", "ja")))
    assert english["problems"][0]["problem"] == "there is no module 'pandas' (line 1 of the code)"
    assert japanese["problems"][0]["problem"] == "モジュール 'pandas' はありません（コードの 1 行目）"
    assert english["problems"][0]["code"] == japanese["problems"][0]["code"] == "import.missing"
    assert english["problems"][0]["params"] == {"module": "'pandas'", "line": 1}


def test_doctor_says_what_it_finds_in_japanese(tmp_path: Path) -> None:
    told = CliRunner().invoke(cli, ["doctor", "--home", str(tmp_path / "家"), "--lang", "ja"], env={"JIKKO_PORT": "0"})
    assert "保存期間: 無効: 削除されるまで実行は残ります" in told.stdout
    assert "サンドボックス, ソケットは使えない: EPERM" in told.stdout


def test_addresses_that_may_not_be_reached_and_tools_that_are_missing_are_told_in_japanese(tmp_path: Path) -> None:
    file = tmp_path / "道具.yml"
    nodes = [start("q"), fetch("fetch", "http://10.1.2.3/"), tool(), end(q="start.q")]
    file.write_text(app("道具", nodes, "start>fetch fetch>tool tool>end"), encoding="utf-8")

    told = checked(file, "--lang", "ja")

    assert "アドレス 10.1.2.3 には接続できません: プライベートです" in told
    assert "JIKKO_HTTP_ALLOW でアドレスへの接続を許可できます。このアドレスは 10.1.2.3/32 です" in told
    assert "ツール google_translate/translate はプラグイン langgenius/google_translate に含まれますが" in told
    assert "`jikko plugins install langgenius/google_translate`" in told
