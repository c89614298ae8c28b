"""Japanese translations of server errors on the page, by error code."""

import re
from pathlib import Path

from jikko.errors import JikkoError

ROOT = Path(__file__).parents[3]
_CODE = re.compile(r"\bcode(?:: str)? ?= ?\"([a-z_]+)\"|Error\(\"([a-z_]+)\",")
_LISTED = re.compile(r"^  ([a-z_]+): '", re.MULTILINE)


def test_every_code_of_the_server_has_its_words_on_the_page() -> None:
    source = ROOT / "src" / "jikko"
    texts = [
        file.read_text("utf-8")
        for file in source.rglob("*.py")
        if file.relative_to(source).parts[0] not in ("cli", "client")
    ]
    codes = {first or second for text in texts for first, second in _CODE.findall(text)}
    assert JikkoError.code in codes
    listed = set(_LISTED.findall((ROOT / "console" / "src" / "words" / "codes.ts").read_text("utf-8")))
    assert listed == codes
