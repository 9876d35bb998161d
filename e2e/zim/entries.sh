#!/usr/bin/env bash
# Every entry of many archives, byte for byte as python libzim reads it: see entries.py.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${PORTCULLIS_CACHE:-$HOME/.cache/portcullis}/target}
python=$(e2e/zim/libzim.sh)
cargo build --quiet -p zim --example zimcat
exec "$python" e2e/zim/entries.py "$CARGO_TARGET_DIR/debug/examples/zimcat"
