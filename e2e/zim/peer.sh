#!/usr/bin/env bash
# Installs openzim-mcp, the server that `portcullis zim` takes the place of, in exactly this version into a folder of
# PORTCULLIS_CACHE (default ~/.cache/portcullis), and prints the path of its program.
set -euo pipefail
folder=${PORTCULLIS_CACHE:-$HOME/.cache/portcullis}/peers/openzim
package=openzim-mcp==3.4.0
if ! compgen -G "$folder/lib/python3*/site-packages/openzim_mcp-${package##*=}.dist-info" > /dev/null; then
  echo "installing $package" >&2
  python3 -c 'import ensurepip, venv' || { echo "peer.sh: needs python3 with venv" >&2; exit 1; }
  rm -rf "$folder"
  python3 -m venv "$folder"
  # It asks for a newer Python than it needs.
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --ignore-requires-python "$package" >&2
  "$folder/bin/openzim-mcp" --version >&2
fi
echo "$folder/bin/openzim-mcp"
