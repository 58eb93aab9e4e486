#!/usr/bin/env bash
# A fresh machine: make the environment, run the tests (with a GPU: its own), measure everything, print one table with
# the commit, and say what has moved since the figures in benchmarks/reference.json. A test that failed is told in the
# table and ends it with 1 or more.
# Usage: benchmarks/machine.sh [options of python -m benchmarks.machine]
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"

case "${1:-}" in
  -h | --help)
    sed -n '2,5s/^# //p' "${BASH_SOURCE[0]}"
    exit
    ;;
esac
set_up native dev
junit=$(mktemp)
trap 'rm -f "$junit"' EXIT
printf -v quoted '%q' "$junit" # pytest splits it as a shell does
tests=()
! has_gpu || tests+=(-m gpu)
failed=0
PYTEST_ADDOPTS="${PYTEST_ADDOPTS:-} --junitxml=$quoted" "$ROOT/test.sh" ${tests[@]+"${tests[@]}"} >&2 || failed=$?
PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" "$VENV/bin/python" -m benchmarks.machine --tests "$junit" "$@"
exit "$failed"
