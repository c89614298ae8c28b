#!/usr/bin/env bash
# Installs the programs that some tests of `make test-all` run: a list of Debian packages. Does nothing if they are there.
set -euo pipefail

packages=(
    buildah
    caddy
    chromium-headless-shell
    crun
    default-jdk-headless
    fonts-dejavu-core
    fonts-inter
    fonts-jetbrains-mono
    fonts-noto-cjk
    fonts-noto-color-emoji
    haproxy
    iproute2
    mmdebstrap
    nginx-light
    pgbouncer
    podman
    postgresql-17-pgvector
    prometheus
    radosgw
    systemd
    systemd-container
    user-mode-linux
)

# One at a time: tests run side by side.
exec 9>"${TMPDIR:-/tmp}/jikko-test-tools.lock"
flock 9
missing=()
for package in "${packages[@]}"; do
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
((${#missing[@]} > 0)) || exit 0
if ((EUID != 0)); then
    echo "Tests need: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi
for attempt in 1 2 3; do
    if apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null; then
        exit 0
    fi
    echo "apt-get failed (attempt $attempt)" >&2
    sleep $((attempt * 5))
done
exit 1
