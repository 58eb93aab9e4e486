#!/usr/bin/env bash
# Run the tests: ./test.sh [pytest arguments]. Paths are relative to the checkout.
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"

set_up native dev
cd "$ROOT"
[ "$STATE" = "$ROOT" ] || set -- -o "cache_dir=$STATE/.pytest_cache" "$@"
# A file of tests to a process, one for each core; one process where some tests are named.
[ $# -gt 0 ] || set -- --numprocesses=auto --maxprocesses=4 --dist=loadfile
[ -t 1 ] || set -- --color=no "$@"
exec "$VENV/bin/python" -m pytest "$@"
