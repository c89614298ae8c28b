"""What hatchling does for a wheel or an sdist: builds the page of the console, if it is not there yet."""

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConsoleHook(BuildHookInterface[Any]):
    """``JIKKO_BUILD_CONSOLE=0`` leaves the page out."""

    def dependencies(self) -> list[str]:
        """Node, where the page has to be built and the machine has none."""
        build_console = self._build_console()
        return [build_console.NODE_OF_PYPI] if self._is_wanted() and not build_console.machine_node() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build it. An editable installation does without: there `make console` does it."""
        if version != "editable" and self._is_wanted():
            self._build_console().build(Path(self.root))

    def _is_wanted(self) -> bool:
        if os.environ.get("JIKKO_BUILD_CONSOLE") == "0":
            return False
        build_console = self._build_console()
        root = Path(self.root)
        return build_console.sources(root).is_dir() and not build_console.is_current(root)

    def _build_console(self) -> Any:
        # The folder of the project is not where a build backend looks for modules.
        if self.root not in sys.path:
            sys.path.insert(0, self.root)
        from scripts import build_console

        return build_console
