#!/usr/bin/env bash
# The Docker server on a real engine, which the tests start themselves and require, and the drop-in over stdio, HTTP
# and SSE. A podman service can take the engine's place: PORTCULLIS_ENGINE_SOCKET=/run/podman/podman.sock
set -euo pipefail
cd "$(dirname "$0")/../.."
export PORTCULLIS_ENGINE=required
cargo test --quiet -p server-docker
cargo build --quiet -p portcullis
python3 e2e/docker/wire.py
python3 e2e/docker/calls.py
python3 e2e/docker/engines.py
