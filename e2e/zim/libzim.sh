#!/usr/bin/env bash
# Installs python libzim, the reference reader and writer, in exactly this version into a folder of
# PORTCULLIS_CACHE (default ~/.cache/portcullis), and prints the path of the Python that has it.
set -euo pipefail
folder=${PORTCULLIS_CACHE:-$HOME/.cache/portcullis}/libzim
package=libzim==3.13.1
if [ "$(cat "$folder/.judges" 2>/dev/null)" != "$package" ]; then
  echo "installing $package" >&2
  python3 -c 'import ensurepip, venv' || { echo "libzim.sh: needs python3 with venv" >&2; exit 1; }
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$package" >&2
  "$folder/bin/python" -c 'import libzim.reader, libzim.writer'
  printf '%s\n' "$package" > "$folder/.judges"
fi
echo "$folder/bin/python"
