"""What the image installs, ``deploy/requirements.txt``, is what ``pyproject.toml`` wants."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [extras] = re.findall(r"^IMAGE := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    texts = [*project["dependencies"]]
    for extra in extras.split():
        texts += project["optional-dependencies"][extra]
    return [Requirement(text) for text in texts]


def test_each_library_is_locked_to_a_version_that_is_wanted_and_by_its_digests() -> None:
    locked: dict[str, tuple[str, str]] = {}
    text = (ROOT / "deploy" / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if not line.startswith("#"):
            requirement, _, digests = line.partition("--hash=")
            name, _, version = requirement.partition(";")[0].strip().partition("==")
            locked[name] = (version, digests)

    assert all(digests.startswith("sha256:") for _, digests in locked.values())
    missing = [
        f"{requirement}; `make lock` locks it"
        for requirement in wanted()
        if requirement.name not in locked or locked[requirement.name][0] not in requirement.specifier
    ]
    assert missing == []
