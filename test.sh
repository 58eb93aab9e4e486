#!/usr/bin/env bash
# Run the tests: ./test.sh [pytest arguments]. Paths are relative to the checkout.
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"

set_up native dev
cd "$ROOT"
[ "$STATE" = "$ROOT" ] || set -- -o "cache_dir=$STATE/.pytest_cache" "$@"
[ -t 1 ] || set -- --color=no "$@"
exec "$VENV/bin/python" -m pytest "$@"
