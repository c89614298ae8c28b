"""Images and containers, built and run by Debian's buildah and podman where Docker is missing: as root, with mounts in
a private namespace, so that they disappear at the end.

No image registry is contacted: the base image is made of Debian packages.
"""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.effort import PATIENCE

ROOT = Path(__file__).parents[2]
_AUTHORITIES = Path("/usr/local/share/ca-certificates")
"""Additional authorities trusted by this machine: package registries may use one."""
_LIMITS = ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"]
"""By default the programs request more than a machine may grant."""
_BUILDING = 900.0
"""Timeout of steps that download packages, in seconds."""
BASE = "localhost/debian:trixie"
IMAGE = "localhost/jikko"
SLIM = "localhost/jikko-slim"
REVISION = "0123456789abcdef0123456789abcdef01234567"
LOCKED_UP = [
    "--read-only",
    "--tmpfs=/tmp:mode=1777",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
]
"""Recommended restrictions of a container (deploy/Dockerfile, deploy/compose.yml, deploy/helm)."""


class Engine:
    """Container engine that keeps everything in one folder."""

    def __init__(self, folder: Path) -> None:
        if os.geteuid() != 0:
            raise AssertionError("images are built and run as root: run these tests as root")
        self._folder = folder
        # In memory: tens of thousands of files are written and discarded. crun requires version 2 of control groups
        # alone.
        script = (
            f"mount -t tmpfs -o size=4g none {folder} && mkdir -m 1777 {folder}/tmp && "
            "mount -t cgroup2 none /sys/fs/cgroup && echo ready && exec sleep infinity"
        )
        self._space = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", script], stdout=subprocess.PIPE
        )
        assert self._space.stdout is not None
        assert self._space.stdout.readline() == b"ready\n", "no mounts are allowed here: allow unshare and mount"
        self._kept = [f"--root={folder / 'store'}", f"--runroot={folder / 'run'}"]

    def make_base(self) -> None:
        """Create the base image."""
        made = self._folder / "base.tar"
        # Package files are not excluded: filtering takes as long as everything else together.
        command = ["mmdebstrap", "--quiet", "--variant=minbase", "--dpkgopt=force-unsafe-io"]
        hook = f"--customize-hook=copy-in {_AUTHORITIES} {_AUTHORITIES.parent}"
        self._run([*command, hook, "trixie", str(made)], _BUILDING)
        self.podman("import", "--quiet", str(made), BASE)
        self._run(["rm", str(made)], PATIENCE)

    def build(self) -> None:
        """Build the images of this checkout; shared layers are built once."""
        options = ["--isolation=chroot", "--network=host", "--format=docker", f"--build-arg=BASE={BASE}", *_LIMITS]
        options += [
            "--build-arg=VERSION=1.2.3",
            f"--build-arg=REVISION={REVISION}",
            f"--ignorefile={ROOT / 'deploy' / 'Dockerfile.dockerignore'}",
        ]
        for target, image in (("slim", SLIM), ("jikko", IMAGE)):
            named = [f"--target={target}", f"--tag={image}", f"--file={ROOT / 'deploy' / 'Dockerfile'}"]
            self.buildah("bud", "--layers", *options, *named, str(ROOT))

    def buildah(self, *arguments: str) -> str:
        return self._run(["buildah", *self._kept, *arguments], _BUILDING)

    def podman(self, *arguments: str) -> str:
        """Return podman's output. A failing command fails the test with it."""
        options = ["--cgroup-manager=cgroupfs", "--runtime=crun", "--log-level=error"]
        return self._run(["podman", *self._kept, *options, *arguments], PATIENCE)

    def run(self, *arguments: str, **settings: str) -> str:
        """Run a container, on the network of this machine."""
        variables = [f"--env={name}={value}" for name, value in settings.items()]
        options = ["--cgroups=disabled", "--network=host", *LOCKED_UP, *_LIMITS]
        return self.podman("run", *options, *variables, *arguments)

    def boot(self, units: Path, packages: Sequence[str]) -> "Machine":
        """Boot a machine with the image's content and these units, by systemd, on its own network.

        Args:
            packages: Additional Debian packages.
        """
        name = self.buildah("from", "--isolation=chroot", "--network=host", *_LIMITS, IMAGE).strip()
        install = "apt-get update -qq && apt-get install -qq --yes --no-install-recommends systemd systemd-sysv"
        shell = ["run", "--user=0", name, "sh", "-c"]
        self.buildah(*shell, f"{install} {' '.join(packages)} && rm -rf /data && userdel jikko")
        files = [str(units / f"jikko.{kind}") for kind in ("service", "socket")]
        self.buildah("copy", "--quiet", name, *files, "/etc/systemd/system/")
        self.buildah(*shell, "systemctl enable jikko.socket jikko.service")
        root = self.buildah("mount", name).strip()
        return Machine(["nsenter", "--mount", f"--target={self._space.pid}"], root)

    def close(self) -> None:
        """Stop all containers, and delete everything."""
        self.podman("rm", "--all", "--force", "--time=0")
        self._space.kill()
        self._space.communicate()

    def _run(self, command: list[str], seconds: float) -> str:
        done = subprocess.run(
            ["nsenter", "--mount", f"--target={self._space.pid}", *command],
            env={**os.environ, "TMPDIR": f"{self._folder}/tmp"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-4000:]}"
        return done.stdout


class Machine:
    """System booted by systemd in a folder."""

    def __init__(self, within: list[str], root: str) -> None:
        nspawn = ["systemd-nspawn", "--keep-unit", "--register=no", "--private-network", "--boot", "--console=pipe"]
        self._process = subprocess.Popen(
            [*within, *nspawn, f"--directory={root}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE
        while self._try("systemctl", "is-system-running", "--wait").stdout not in ("running\n", "degraded\n"):
            assert time.monotonic() < deadline, "systemd does not start"

    def shell(self, script: str, *arguments: str) -> str:
        """Return the output of a script that must succeed."""
        done = self._try("bash", "-euc", script, "bash", *arguments)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}\n{self.journal()}"
        return done.stdout

    def journal(self) -> str:
        return self._try("journalctl", "--no-pager", "--unit=jikko", "--unit=doctor").stdout[-4000:]

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE / 4)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _try(self, *command: str) -> "subprocess.CompletedProcess[str]":
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        enter = ["nsenter", f"--target={children[0]}", "--all"] if children else ["false"]
        return subprocess.run(
            [*enter, *command],
            env={"PATH": "/opt/jikko/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE * 2,
            check=False,
        )
