"""The unit in a machine that systemd has booted: an overlay of this one, with namespaces of its own."""

import json
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from uuid import uuid4

import pytest

import jikko
from tests.acceptance.faults import until

ROOT = Path(__file__).parents[2]
JIKKO = "#!/opt/python/bin/{python}\nfrom jikko.cli.main import main\nmain()\n"
BOOT = """
set -e
mount --make-rprivate /
cd {place}
mount -t tmpfs machine .
mkdir upper work root
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work machine root
cd root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir -p opt/python opt/packages opt/src opt/jikko/bin said
mount --bind {python} opt/python
mount --bind {packages} opt/packages
mount --bind {source} opt/src
mount --bind {said} said
mount -t tmpfs tmpfs tmp
rm -rf etc/systemd/system var/lib/jikko var/lib/private/jikko etc/jikko
mkdir -p etc/systemd/system/multi-user.target.wants etc/jikko
echo PYTHONPATH=/opt/src:/opt/packages > etc/jikko/environment
echo LD_LIBRARY_PATH=/opt/python/lib >> etc/jikko/environment
cp {source}/../deploy/systemd/jikko.* etc/systemd/system
cp said/jikko opt/jikko/bin/jikko
chmod +x opt/jikko/bin/jikko
cp said/trial.service etc/systemd/system
for unit in jikko.service jikko.socket trial.service; do
    ln -s ../$unit etc/systemd/system/multi-user.target.wants/$unit
done
: > etc/machine-id
ip link set lo up
pivot_root . .
umount -l .
exec env -i container=trial SYSTEMD_PROC_CMDLINE=systemd.unit=multi-user.target /lib/systemd/systemd --system
"""
TRIAL = """
said() {
    systemctl show jikko.service -p "$1" --value > "/said/$2"
}
asked() {
    timeout 30 curl -s -o "/said/$1" --retry 30 --retry-delay 1 --max-time 30 http://127.0.0.1:8000/readyz?verbose
}
exec 2> /said/errors
asked first
said ActiveState state
said MainPID main
grep ^0:: "/proc/$(cat /said/main)/cgroup" > /said/cgroup
grep ^Uid: "/proc/$(cat /said/main)/status" > /said/user
systemctl reload jikko.service; echo $? > /said/reload
kill -9 "$(cat /said/main)"
asked killed
said MainPID second
systemctl restart jikko.service & asked restarted; wait $!
said MainPID third
systemctl stop jikko.service jikko.socket
said Result result
journalctl -u jikko.service > /said/journal
systemctl poweroff --force --force
"""
SERVICE = """
[Service]
Type=simple
ExecStart=/bin/bash /said/trial
"""


@pytest.mark.services
@pytest.mark.once
def test_the_service_starts_reloads_comes_back_and_stops(tmp_path: Path) -> None:
    """Whether plugins have groups of their own depends on the machine: on whether all its groups are of version 2."""
    said, place = tmp_path / "言", tmp_path / "machine"
    said.mkdir()
    place.mkdir()
    # The service's user may not enter the home in which the interpreter of this test may be.
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for name, text in {"jikko": JIKKO.format(python=python), "trial": TRIAL, "trial.service": SERVICE}.items():
        (said / name).write_text(text)
    paths = {"place": place, "said": said, "source": Path(jikko.__file__).parents[1]}
    paths |= {"python": Path(sys.base_prefix), "packages": Path(sysconfig.get_path("purelib"))}
    script = BOOT.format(**{name: shlex.quote(str(path)) for name, path in paths.items()})
    mounted = subprocess.run(["findmnt", "-nro", "TARGET", "-t", "cgroup2"], capture_output=True, text=True, check=True)
    group = Path(mounted.stdout.split()[0]) / f"jikko-trial-{uuid4().hex}"
    group.mkdir()
    own = "--mount --pid --fork --cgroup --uts --ipc --net --kill-child"
    command = f"echo $$ > {group}/cgroup.procs; exec unshare {own} bash -c {shlex.quote(script)}"
    try:
        subprocess.run(["bash", "-c", command], timeout=120, check=False, capture_output=True)
    finally:
        (group / "cgroup.kill").write_text("1")
        until(lambda: "populated 0" in (group / "cgroup.events").read_text(), "all its processes have ended")
        for folder in sorted(group.rglob("*/"), reverse=True):
            folder.rmdir()
        group.rmdir()

    def told(name: str) -> str:
        return (said / name).read_text().strip()

    for name in ("first", "killed", "restarted"):
        assert json.loads(told(name))["status"] == "ok", told("journal")
    assert told("state") == "active"
    assert told("cgroup") == "0::/system.slice/jikko.service/jikko-server"
    assert told("user").split()[1] != "0"
    assert told("reload") == "0"
    assert len({told("main"), told("second"), told("third"), "0"}) == 4
    assert told("result") == "success"
