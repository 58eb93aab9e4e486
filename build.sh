#!/usr/bin/env bash
# The Dockerfile becomes the image egstalker.
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"
# shellcheck source=scripts/runtime.sh
. "$ROOT/scripts/runtime.sh"

usage() {
  cat <<'TEXT'
Usage: ./build.sh [--cpu] [OPTION OF docker build ...]

Makes the container image egstalker, in which the other commands then run. The first time takes half an hour on two cores,
most of it for compiling (docs/container.md); --cpu makes the image for machines without an NVIDIA GPU, in a few minutes. Run
again, it makes only what has changed.

  VERBOSE=1                            show every line of the build
  MAX_JOBS=8                           compile with 8 processes (4); each takes up to 4 GB of memory
  TORCH_CUDA_ARCH_LIST="8.6;9.0"       compile for these GPUs (8.6: GeForce RTX 30; 8.9: RTX 40; 9.0: H100)
  INRIA=no                             without diff-gaussian-rasterization and simple-knn, which are for research only
  BASE_IMAGE=... RUNTIME_IMAGE=...     other images to start from; with --cpu, BASE_IMAGE is a Python or a Debian
  EGSTALKER_IMAGE=NAME                 another name for the image
  NETWORK=host                         the build's network, as in docker build --network

Packages come from where pip is configured to look by PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS, PIP_TRUSTED_HOST
and PIP_CERT, through HTTP_PROXY and HTTPS_PROXY; none of these stays in the image.
TEXT
}

# pip's settings in the environment, as a configuration file. A folder of this machine is none of the build's.
pip_settings() {
  local name value
  echo "[global]"
  for name in INDEX_URL EXTRA_INDEX_URL FIND_LINKS TRUSTED_HOST; do
    value=PIP_$name
    value=${!value:-}
    name=$(tr A-Z_ a-z- <<<"$name")
    case $value in "" | /* | file:*) ;; *) printf '%s = %s\n' "$name" "$value" ;; esac
  done
  [ -z "${PIP_CERT:-}" ] || echo "cert = /run/secrets/ca"
}

require_docker() {
  command -v docker >/dev/null 2>&1 || fail "there is no docker command; install Docker, or go on without: the other" \
    "commands then run natively"
  ask_docker info >/dev/null 2>&1 || fail "no Docker daemon answers; start it, or join its group"
  DOCKER=$(builder) || fail "docker has no buildx; install the package docker-buildx-plugin"
}

# The first docker command on the path that has BuildKit: its own up to version 22, the plug-in buildx since then.
builder() {
  local command
  while IFS= read -r command; do
    case $("$command" --version) in
      *"version 1"[89].* | *"version 20."* | *"version 22."*) echo "$command" && return ;;
    esac
    if "$command" buildx version >/dev/null 2>&1; then echo "$command" && return; fi
  done < <(type -ap docker)
  return 1
}

if asks_for_help "$@"; then
  usage
  exit
fi

device=cuda
OPTIONS=()
for argument in "$@"; do
  case $argument in
    --cpu) device=cpu ;;
    *) OPTIONS+=("$argument") ;;
  esac
done
require_docker

secrets=$(mktemp -d)
trap 'rm -rf "$secrets"' EXIT
pip_settings >"$secrets/pip"
OPTIONS+=(--secret "id=pip,src=$secrets/pip")
[ -z "${PIP_CERT:-}" ] || OPTIONS+=(--secret "id=ca,src=$PIP_CERT")
for name in HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy MAX_JOBS TORCH_CUDA_ARCH_LIST INRIA RUNTIME_IMAGE; do
  [ -z "${!name:-}" ] || OPTIONS+=(--build-arg "$name=${!name}")
done
if [ -n "${BASE_IMAGE:-}" ]; then
  if [ "$device" = cpu ]; then name=CPU_IMAGE; else name=BASE_IMAGE; fi
  OPTIONS+=(--build-arg "$name=$BASE_IMAGE")
fi
[ -z "${NETWORK:-}" ] || OPTIONS+=(--network "$NETWORK")
[ -z "${VERBOSE:-}" ] || OPTIONS+=(--progress plain)

note "Building the image $IMAGE ($device) ..."
DOCKER_BUILDKIT=1 "$DOCKER" build --tag "$IMAGE" --build-arg "DEVICE=$device" "${OPTIONS[@]}" "$ROOT" || {
  status=$?
  note "error: the image could not be built: see the lines above, or all of them with VERBOSE=1"
  exit "$status"
}
note "The image $IMAGE has $(($(docker image inspect --format '{{.Size}}' "$IMAGE") / 1000000)) MB. Next: ./preprocess.sh data/input.mp4"
