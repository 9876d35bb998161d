#!/usr/bin/env bash
# Installs a Docker engine, a registry and what images are made of, and what else is named: Debian's packages. None of
# it is started.
set -euo pipefail
packages=(docker.io docker-registry busybox-static docker-compose "$@")
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} = 0 ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "docker/setup.sh: needs ${missing[*]}; please install them" >&2
  exit 1
fi
echo "installing ${missing[*]}"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
