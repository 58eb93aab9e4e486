#!/usr/bin/env bash
# Run the tests: ./test.sh [pytest arguments]. Paths are relative to the checkout.
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"

set_up native dev
cd "$ROOT"
[ "$STATE" = "$ROOT" ] || set -- -o "cache_dir=$STATE/.pytest_cache" "$@"
# A file of tests to a process, one for each core, the longest files first; one process where some tests are named.
if [ $# -eq 0 ]; then
  set -- --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
  export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" # said before numpy loads, and so alike in all that the tests start
fi
[ -t 1 ] || set -- --color=no "$@"
exec "$VENV/bin/python" -m pytest "$@"
