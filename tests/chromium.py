"""Browser of the tests."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from tests.effort import PATIENCE
from tests.page_blocks import ROOT


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium without a user interface, which takes more than half of a tab's time. Meanwhile no test can run an event
    loop."""
    if shutil.which("chromium-headless-shell") is None:
        subprocess.run([ROOT / "scripts" / "install_test_tools.sh"], check=True, timeout=600)
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium-headless-shell"),
            # Tests may run as root, for whom the sandbox does not start, and with little shared memory. A renderer that
            # is reused has already compiled the page. No page lives as long as its code would take to be optimized.
            args=[
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--process-per-site",
                "--js-flags=--no-maglev --no-opt",
            ],
        )
        yield browser
        browser.close()
