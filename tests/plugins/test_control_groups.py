"""Plugins in control groups, by a kernel that has them: User Mode Linux, a program that boots on the files of this
machine."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.effort import PATIENCE
from tests.plugins.in_control_groups import ATTEMPTS, MEMORY, UID

pytestmark = [
    pytest.mark.services,
    pytest.mark.once,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="User Mode Linux"),
]
ROOT = Path(__file__).parents[2]
INIT = f"""#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH={ROOT / "src"}:{ROOT} PYTHONDONTWRITEBYTECODE=1 TMPDIR=/run
mount -t proc none /proc
mount -t sysfs none /sys
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs none /run
dmesg --console-level 1
cd {ROOT}
{sys.executable} -m tests.plugins.in_control_groups 2>&1
echo o > /proc/sysrq-trigger
sleep 60
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """As root, and as a plain user with a delegated group. None if what a killed server left was not ended."""
    subprocess.run([ROOT / "scripts" / "install_test_tools.sh"], check=True)
    folder = tmp_path_factory.mktemp("kernel")
    init = folder / "init"
    init.write_text(INIT)
    init.chmod(0o755)
    done = subprocess.run(
        ["linux.uml", "mem=1G", "rootfstype=hostfs", "ro", f"init={init}", "con=null", "con0=fd:0,fd:1", "quiet"],
        env={**os.environ, "HOME": str(folder), "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE * 5,
        check=False,
    )
    found = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert len(found) == 2, done.stdout[-4000:]
    return found


def test_the_kernel_bounds_the_memory_of_a_plugin_with_all_that_it_starts(results: list[dict[str, Any]]) -> None:
    root, _ = results
    for name in ATTEMPTS:
        assert f"it used more than the {MEMORY} bytes of memory that JIKKO_PLUGIN_MEMORY allows" in root[name], name
    assert root["limits"] == [str(MEMORY), "0", "512"]


def test_a_plugin_is_the_only_member_of_its_group_and_a_user_of_its_own(results: list[dict[str, Any]]) -> None:
    root, _ = results
    assert root["is a member"]
    assert root["user"] == UID


def test_a_group_ends_with_all_that_is_in_it_in_whatever_session(results: list[dict[str, Any]]) -> None:
    root, _ = results
    assert root["own session"]
    assert not root["child is left"]
    assert not root["left"]


def test_a_plain_user_divides_the_group_that_systemd_delegated_to_it(results: list[dict[str, Any]]) -> None:
    _, plain = results
    assert plain == {
        "base": "/sys/fs/cgroup/jikko.service",
        "again": True,
        "status": 9,
        "why": f"it used more than the {MEMORY} bytes of memory that JIKKO_PLUGIN_MEMORY allows",
        "left": False,
        "server": "jikko-server",
    }
