#!/usr/bin/env bash
# Archives, full-text searches and suggestions in six languages: ours beside libzim.
#   e2e/zim/differential.sh [LANGUAGE...]
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${PORTCULLIS_CACHE:-$HOME/.cache/portcullis}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
python=$(e2e/zim/libzim.sh)
cargo build --quiet -p glass --example answer
"$python" e2e/zim/differential.py "$CARGO_TARGET_DIR/debug/examples/answer" "$@"
