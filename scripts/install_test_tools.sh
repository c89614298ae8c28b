#!/usr/bin/env bash
# Installs what tests need of Debian and this machine lacks. One package a line; needs root.
set -euo pipefail
packages=(
    chromium
    fonts-dejavu-core
    fonts-noto-cjk
    fonts-noto-color-emoji
)
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if ((${#missing[@]} > 0)); then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${missing[@]}"
fi
