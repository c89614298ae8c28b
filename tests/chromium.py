"""The browser of the tests."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from tests.effort import PATIENCE
from tests.page_blocks import ROOT


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium without what is around its pages, which takes more than half of a tab's time. While it is there, no test
    can run an event loop.
    """
    if shutil.which("chromium-headless-shell") is None:
        subprocess.run([ROOT / "scripts" / "install_test_tools.sh"], check=True, timeout=600)
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium-headless-shell"),
            # Tests may be root, for whom its sandbox does not start, and have little shared memory. The process of a
            # tab before has compiled the page already.
            args=["--no-sandbox", "--disable-dev-shm-usage", "--process-per-site"],
        )
        yield browser
        browser.close()
