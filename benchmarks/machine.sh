#!/usr/bin/env bash
# A fresh machine: make the environment, run the tests (with a GPU: its own), measure everything, print one table.
# Usage: benchmarks/machine.sh [options of python -m benchmarks.machine]
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"

case "${1:-}" in
  -h | --help)
    sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}"
    exit
    ;;
esac
set_up native dev
tests=(-q)
! has_gpu || tests+=(-m gpu)
"$ROOT/test.sh" "${tests[@]}"
PYTHONPATH="$ROOT" exec "$VENV/bin/python" -m benchmarks.machine "$@"
