"""Changes detected by `jikko test --watch`."""

from pathlib import Path

from jikko.cli.testing.plans import changed_at


def test_rows_that_an_evaluation_keeps_are_no_change_but_rows_that_it_reads_are(tmp_path: Path) -> None:
    path = tmp_path / "注文.test.yml"
    path.write_text("cases: []\n", encoding="utf-8")
    before = changed_at([path], [], [])

    for name in (".注文.evaluation.jsonl", ".注文.against-evaluation.jsonl", "注文.snapshots.json"):
        (tmp_path / name).write_text("{}\n", encoding="utf-8")
    kept = changed_at([path], [], [])
    (tmp_path / "evaluation.jsonl").write_text("{}\n", encoding="utf-8")

    assert kept == before != changed_at([path], [], [])
