#!/usr/bin/env bash
# Search beside libzim, as a table: e2e/zim/bench.sh ARCHIVE...
# Without an archive, those of ../shared/data/zim and of PORTCULLIS_CACHE/zim are taken.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${PORTCULLIS_CACHE:-$HOME/.cache/portcullis}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
. e2e/zim/libzim.sh
archives=("$@")
if [ ${#archives[@]} = 0 ]; then
  for archive in "${PORTCULLIS_SHARED:-../shared}/data/zim/docs.zim" "$cache/zim/big.zim"; do
    [ ! -e "$archive" ] || archives+=("$archive")
  done
fi
[ ${#archives[@]} -gt 0 ] || { sed -n '2,3p' "$0"; exit 2; }
cargo build --quiet --release -p glass --example answer
"$libzim_python" e2e/zim/bench.py "$CARGO_TARGET_DIR/release/examples/answer" "${archives[@]}"
