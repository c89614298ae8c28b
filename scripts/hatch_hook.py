"""Build hook of hatchling: records the commit, packs the page for coding agents, and builds the console's page."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConsoleHook(BuildHookInterface[Any]):
    """``JIKKO_BUILD_CONSOLE=0`` leaves the page out; ``JIKKO_BUILD_COMMIT`` names the commit if git is missing."""

    def dependencies(self) -> list[str]:
        """Require Node if the page must be built and the machine has none."""
        build_console = self._build_console()
        return [build_console.NODE_OF_PYPI] if self._is_wanted() and not build_console.machine_node() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Do all three steps, except for editable installations, where `make console` does it."""
        if version == "editable":
            return
        included = build_data.setdefault("force_include", {})
        if self.target_name == "wheel":
            included[str(Path(self.root) / "docs" / "for-coding-agents.md")] = "jikko/for-coding-agents.md"
        if commit := os.environ.get("JIKKO_BUILD_COMMIT") or self._commit():
            noted = Path(self.root) / "build" / "commit.txt"
            noted.parent.mkdir(exist_ok=True)
            noted.write_text(commit[:10], encoding="ascii")
            place = "jikko" if self.target_name == "wheel" else "src/jikko"
            included[str(noted)] = f"{place}/commit.txt"
        if self._is_wanted():
            self._build_console().build(Path(self.root))

    def _commit(self) -> str:
        """Return the commit of a checkout; empty elsewhere, as in an unpacked sdist."""
        if not (Path(self.root) / ".git").exists():
            return ""
        asked = ["git", "-C", self.root, "rev-parse", "HEAD"]
        try:
            return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        except OSError:
            return ""

    def _is_wanted(self) -> bool:
        if os.environ.get("JIKKO_BUILD_CONSOLE") == "0":
            return False
        build_console = self._build_console()
        root = Path(self.root)
        return build_console.sources(root).is_dir() and not build_console.is_current(root)

    def _build_console(self) -> Any:
        # Build backends do not search the project folder for modules.
        if self.root not in sys.path:
            sys.path.insert(0, self.root)
        from scripts import build_console

        return build_console
