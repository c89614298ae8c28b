"""Proxies between clients and a server: the real programs, with the files of ``deploy/`` where they exist."""

import os
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import trustme

from tests.acceptance.conftest import apps_of
from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Command, Server
from tests.effort import PATIENCE
from tests.free_ports import free_port

DEPLOY = Path(__file__).parents[2] / "deploy"


def nginx(folder: Path, names: dict[str, str], port: int) -> list[str]:
    text = renamed(DEPLOY / "nginx.conf", {**names, "listen 443 ssl": f"listen 127.0.0.1:{port} ssl"})
    (folder / "jikko.conf").write_text(text)
    paths = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/nginx.pid;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}include {folder}/jikko.conf;\n}}\n"
    )
    return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, names: dict[str, str], port: int) -> list[str]:
    text = renamed(DEPLOY / "Caddyfile", {**names, "flows.example {": f"https://localhost:{port} {{"})
    (folder / "Caddyfile").write_text(f"{{\nadmin off\nauto_https disable_redirects\n}}\n\n{text}")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def nginx_for_web_sockets(folder: Path, names: dict[str, str], port: int) -> list[str]:
    """Forward every protocol upgrade to the server, as for other programs behind nginx."""
    upgrades = 'proxy_set_header Upgrade $http_upgrade;\n        proxy_set_header Connection "upgrade";'
    return nginx(folder, {**names, 'proxy_set_header Connection "";': upgrades}, port)


def haproxy(folder: Path, names: dict[str, str], port: int) -> list[str]:
    (folder / "both.pem").write_bytes((folder / "cert.pem").read_bytes() + (folder / "key.pem").read_bytes())
    (folder / "haproxy.cfg").write_text(
        f"""global
    nbthread 1
defaults
    mode http
    timeout connect {PATIENCE:.0f}s
    timeout client {PATIENCE:.0f}s
    timeout server {PATIENCE:.0f}s
    http-reuse always
frontend clients
    bind 127.0.0.1:{port} ssl crt {folder}/both.pem
    http-request set-header X-Forwarded-Proto https
    http-request replace-path /jikko/(.*) /\\1
    default_backend servers
backend servers
    server jikko {names["127.0.0.1:8000"]}
"""
    )
    return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]


def renamed(file: Path, names: dict[str, str]) -> str:
    """Replace an operator's own names in a file; each must occur."""
    text = file.read_text(encoding="utf-8")
    for name, own in names.items():
        assert name in text, name
        text = text.replace(name, own)
    return text


class Proxied:
    """Server behind a proxy, and a client of the proxy."""

    def __init__(self, make: Callable[[Path, dict[str, str], int], list[str]], folder: Path, server: Server) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost")
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
        port = free_port()
        names = {
            "/etc/ssl/certs/flows.example.pem": str(folder / "cert.pem"),
            "/etc/ssl/private/flows.example.key": str(folder / "key.pem"),
            "127.0.0.1:8000": server.url.removeprefix("http://"),
        }
        self.port = port
        self.base = f"https://localhost:{port}/jikko"
        self.log = folder / "proxy.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                make(folder, names, port),
                env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.tls = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        self.http = httpx.Client(base_url=self.base, verify=self.tls, timeout=PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline, self.log.read_text()
            assert self._process.poll() is None, self.log.read_text()

    def _answers(self) -> bool:
        try:
            return self.http.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def close(self) -> None:
        self.http.close()
        self._process.terminate()
        self._process.wait(PATIENCE)


class Place:
    """Apps, their keys, and their servers."""

    def __init__(self, folder: Path, echo: EchoServer) -> None:
        self.folder = folder
        self.echo = echo
        self.command = Command(folder / "home")
        files = []
        for name in ("echo", "held"):
            files.append(folder / f"{name}.yml")
            files[-1].write_text(apps_of(echo)[name], encoding="utf-8")
        entries = self.command.json("apps", "import", *files)
        self.keys = {Path(entry["file"]).stem: entry["api_key"] for entry in entries}
        self._open: list[Server | Proxied] = []

    def behind(self, make: Callable[[Path, dict[str, str], int], list[str]], trusted: str = "127.0.0.1") -> Proxied:
        server = Server(self.command.home, settings={"JIKKO_TRUSTED_PROXIES": trusted})
        self._open.append(server)
        proxied = Proxied(make, self.folder, server)
        self._open.append(proxied)
        return proxied

    def authorized(self, app: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[app]}"}

    def close(self) -> None:
        for each in reversed(self._open):
            each.close()
