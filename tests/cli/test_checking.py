"""``jikko check``, in this process."""

from pathlib import Path

from click.testing import CliRunner

from jikko.cli.main import cli


def test_a_file_that_cannot_be_read_is_told_and_no_mock_is_missed_in_it(tmp_path: Path) -> None:
    missing = tmp_path / "無い.yml"

    checked = CliRunner().invoke(cli, ["check", str(missing), "--mock", '翻訳={"text": "訳文"}'])

    assert checked.exit_code == 1
    assert f"{missing}: cannot be read: No such file or directory" in " ".join(checked.output.split())
    assert "warning" not in checked.output
