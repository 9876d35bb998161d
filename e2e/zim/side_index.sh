#!/usr/bin/env bash
# Full-text indexes that we make, beside those of libzim's writer, and what is kept over a restart.
#   cargo build -p portcullis && e2e/zim/side_index.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
"$(e2e/zim/libzim.sh)" e2e/zim/side_index.py
