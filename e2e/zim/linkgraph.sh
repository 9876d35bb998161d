#!/usr/bin/env bash
# Link graphs between openzim-mcp 3.4.0 and us: each reads what the other made, over an archive of our own.
#   cargo build -p portcullis && e2e/zim/linkgraph.sh
# Installs openzim-mcp into peers/openzim of PORTCULLIS_CACHE (default ~/.cache/portcullis). Where that cannot be done,
# it says so in one line and checks nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${PORTCULLIS_CACHE:-$HOME/.cache/portcullis}
folder=$cache/peers/openzim
package=openzim-mcp==3.4.0
if ! "$folder/bin/python" -c "import importlib.metadata as m; assert 'openzim-mcp==' + m.version('openzim-mcp') == '$package'" 2>/dev/null; then
  echo "installing $package" >&2
  rm -rf "$folder"
  mkdir -p "$(dirname "$folder")"
  # Its oldest Python is 3.12 by its own word; 3.11 runs it.
  if ! { python3 -m venv "$folder" && "$folder/bin/python" -m pip install --quiet --disable-pip-version-check \
    --ignore-requires-python "$package"; } >&2; then
    echo "linkgraph.sh: SKIPPED, $package cannot be installed here"
    exit 0
  fi
fi
"$folder/bin/python" e2e/zim/linkgraph.py "$folder/bin/openzim-mcp"
