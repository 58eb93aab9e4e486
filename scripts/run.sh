#!/usr/bin/env bash
# Any program of the checkout, where the pipeline's commands run: in the container or natively.
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"
# shellcheck source=scripts/runtime.sh
. "$ROOT/scripts/runtime.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/run.sh PROGRAM [ARGUMENT...]

Runs a Python program of the checkout in the container where Docker and its image egstalker are, otherwise natively:

  scripts/run.sh render.py -s data/input --model_path output/m
  scripts/run.sh metrics.py -s data/input --model_path output/m
  scripts/run.sh data_utils/face_tracking/convert_BFM.py
TEXT
}

case ${1:-} in
  -h | --help)
    usage
    exit
    ;;
  "")
    usage >&2
    exit 2
    ;;
esac
[ -f "$ROOT/$1" ] || fail "there is no program $1 in $ROOT"
run_command "$@"
