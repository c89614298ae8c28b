"""Pytest plugin by which a process of xdist imports a test file when its turn comes, not all files at the start.

Each process collects one item per file, so ``--dist loadfile`` hands out files; the item collects the file's tests and
runs them. Arguments name folders or files; a marker expression must be true without marks, which files do not have.
"""

import gc
from pathlib import Path
from typing import Never

import pytest


class LateFile(pytest.Item):
    """Test file that is not imported yet."""

    def add_marker(self, marker: object, append: bool = True) -> None:
        """Ignore the marks of a folder: each test receives them, and some tests others."""

    def collected(self) -> list[pytest.Item]:
        """Import the file. Returns the selected tests; errors are reported."""
        assert self.parent is not None
        gc.disable()
        try:
            items = [*self.session.genitems(pytest.Module.from_parent(self.parent, path=self.path))]
        finally:
            gc.enable()
            gc.collect()
            gc.freeze()
        self.config.hook.pytest_collection_modifyitems(session=self.session, config=self.config, items=items)
        return items

    def runtest(self) -> Never:
        """Not called: ``pytest_runtest_protocol`` runs the file's tests in its place."""
        raise NotImplementedError


@pytest.hookimpl
def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> LateFile | None:
    if not hasattr(parent.config, "workerinput"):
        return None
    nodeid = module_path.relative_to(parent.config.rootpath).as_posix()
    return LateFile.from_parent(parent, name=module_path.name, path=module_path, nodeid=nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if not isinstance(item, LateFile):
        return None
    session = item.session
    index = session.items.index(item)
    tests = item.collected()
    for test, following in zip(tests, [*tests[1:], nextitem], strict=False):
        # xdist compares each report with the item that it requested.
        session.items[index] = test
        item.config.hook.pytest_runtest_protocol(item=test, nextitem=following)
        if session.shouldfail or session.shouldstop:
            break
    session.items[index] = item
    if not tests:
        # The test before kept fixtures of folders for this file, of which the next one may not be part.
        session._setupstate.teardown_exact(nextitem)
    return True
