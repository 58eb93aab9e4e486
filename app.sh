#!/usr/bin/env bash
# A page in the browser: a video becomes a head, and a head says what it is given.
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"
# shellcheck source=scripts/runtime.sh
. "$ROOT/scripts/runtime.sh"

usage() {
  cat <<'TEXT'
Usage: ./app.sh [--port N] [--host H] [--token WORDS] [--home FOLDER] [--max_upload MB]

Serves a page for people without a shell and prints its address. Ctrl-C ends the page; work in progress goes on, and
the page finds it again. In the container work ends with the page, and can be gone on with.

  --port N          of the server (7860; 0: any that is free)
  --host H          address to listen at (127.0.0.1: this machine alone); with another, a browser must bring a token
  --token WORDS     that token (EGSTALKER_TOKEN); where none is given, one is made and printed in the address
  --home FOLDER     where heads, films and jobs are (output/page)
  --max_upload MB   size of a video that is taken (4096)

Runs in the container where Docker and its image egstalker are, in this machine's network; otherwise natively in .venv,
which the first run makes. EGSTALKER_RUNTIME=docker or native chooses.
TEXT
}

if asks_for_help "$@"; then
  usage
  exit
fi
is_given --home "$@" || set -- --home "$STATE/output/page" "$@"

PROSE=(--token)
LOCKS=(native live)
if serves_in_container; then run_in_container live.page --end_jobs "$@"; else run_natively live.page "$@"; fi
