#!/usr/bin/env bash
# The engine tests on Podman's socket, where Podman can be started: a service of its own, in a temporary folder.
# Where it cannot, one line says so and why.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! e2e/docker/setup.sh podman catatonit; then
  echo "Podman cannot be installed here, so nothing was tested on it"
  exit 0
fi
folder=$(mktemp -d /tmp/podman.XXXXXX)
service=
end() {
  # Containers are processes of their own and have mounts in the folder.
  [ -z "$service" ] || podman rm --all --force --time 0 >/dev/null 2>&1 || true
  [ -z "$service" ] || podman network prune --force >/dev/null 2>&1 || true
  [ -z "$service" ] || kill "$service" 2>/dev/null || true
  [ -z "$service" ] || wait "$service" 2>/dev/null || true
  # Those of commands that were run in containers stay for minutes.
  pgrep -f "^/usr/bin/conmon .* $folder/" | xargs -r kill -9 2>/dev/null || true
  rm -rf "$folder"
}
trap end EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
ports=("$(free_port)" "$(free_port)")
# What a sandbox allows: no systemd, copies instead of layers, few processes. Podman asks registries with TLS only,
# unless it is told which have none.
cat >"$folder/containers.conf" <<EOF
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "$folder/tmp"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[network]
network_config_dir = "$folder/networks"
EOF
mkdir "$folder/networks"
cat >"$folder/storage.conf" <<EOF
[storage]
driver = "vfs"
runroot = "$folder/run"
graphroot = "$folder/data"
EOF
printf '[[registry]]\nlocation = "127.0.0.1:%s"\ninsecure = true\n' "${ports[@]}" >"$folder/registries.conf"
export CONTAINERS_CONF=$folder/containers.conf CONTAINERS_STORAGE_CONF=$folder/storage.conf
export CONTAINERS_REGISTRIES_CONF=$folder/registries.conf

podman system service -t 0 "unix://$folder/podman.sock" >"$folder/log" 2>&1 &
service=$!
starts() {
  for _ in $(seq 100); do
    DOCKER_HOST=unix://$folder/podman.sock timeout 10 docker version >/dev/null 2>&1 && return
    kill -0 "$service" 2>/dev/null || return 1
    sleep 0.1
  done
  return 1
}
if ! starts; then
  echo "Podman cannot be started here, so nothing was tested on it: $(tail -n 1 "$folder/log")"
  exit 0
fi
export PORTCULLIS_ENGINE=required PORTCULLIS_ENGINE_SOCKET=$folder/podman.sock PORTCULLIS_REGISTRY_PORTS="${ports[*]}"
run() { cargo test --quiet -p server-docker --test engine -- --nocapture "$@" 2>&1 | tee "$folder/tests"; }
if ! run; then
  # Podman loses a layer while others are pruned, and an event now and then. What fails twice, the second time alone, is
  # ours.
  mapfile -t failed < <(sed -n 's/^\([a-z0-9_:]*\) --- FAILED$/\1/p' "$folder/tests" | sort -u)
  echo "tried once more: ${failed[*]}"
  if [ "${#failed[@]}" -eq 0 ] || ! run --exact --test-threads=1 "${failed[@]}"; then
    tail -n 20 "$folder/log" >&2
    exit 1
  fi
fi
