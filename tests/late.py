"""Pytest plugin by which a process of xdist imports a test file when its turn comes, not all files at the start.

Each process collects one item per file, so ``--dist loadfile`` hands out files; the item collects the file's tests and
runs them. Arguments name folders or files; a marker expression must be true without marks, which files do not have.

A process that dies fails the file that it ran; another one takes its place.
"""

import gc
from pathlib import Path
from typing import Never

import pytest
from _pytest.runner import runtestprotocol
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController


class Files(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Hands out files. xdist's own order of them hangs or breaks off after the death of a process: it hands out
    finished files again, the deadly one until no process may be replaced, and files to a process still collecting."""

    def remove_node(self, node: WorkerController) -> str | None:
        """Hand the files of a process that is gone to others. Returns the one that it ran; ``None`` if it had none."""
        work: dict[str, dict[str, bool]] = self.assigned_work.pop(node)
        left = {file: items for file, items in work.items() if not all(items.values())}
        if not left:
            return None
        dead = next(iter(left))
        del left[dead]
        self.workqueue.update(left)
        for other in self.nodes:
            self._reschedule(other)
        return dead

    def schedule(self) -> None:
        replaced = self.collection is not None
        super().schedule()
        if replaced:
            # A process runs a file once it has another one, or knows that there is none.
            for node in self.nodes:
                self._reschedule(node)

    def _reschedule(self, node: WorkerController) -> None:
        if node in self.registered_collections:
            super()._reschedule(node)


@pytest.hookimpl
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    return Files(config, log)


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
    if not hasattr(item.config, "workerinput"):
        return None
    if not isinstance(item, LateFile):
        run(item, nextitem)
        return True
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


def run(test: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Run a test and send one report, with the time of set-up and teardown: reports of three phases, a start and an end
    take 0.7 ms of a processor more. What fails or is skipped in another phase is reported, too."""
    reports = runtestprotocol(test, log=False, nextitem=nextitem)
    sent = [report for report in reports if report.when == "call" or not report.passed]
    sent[0].duration += sum(report.duration for report in reports if report not in sent)
    for report in sent:
        test.ihook.pytest_runtest_logreport(report=report)
