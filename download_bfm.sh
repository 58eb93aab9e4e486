#!/usr/bin/env bash
# The Basel Face Model comes where the BFM tracker looks for it.
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"
# shellcheck source=scripts/runtime.sh
. "$ROOT/scripts/runtime.sh"

usage() {
  cat <<'TEXT'
Usage: ./download_bfm.sh [model] [indices] [expressions] [--list] [--verify]

Fetches the Basel Face Model of 2009 and its expressions, 420 MB, to data_utils/face_tracking/3DMM/, for --tracker bfm.
It is for research only: the script shows the terms and asks; ACCEPT_BFM_LICENSE=yes answers where nobody can.
Then ./scripts/run.sh data_utils/face_tracking/convert_BFM.py makes the tracker's model of it.

  --list      only say what there is and what is missing
  --verify    check the files that are there against their checksums

MODEL_MIRROR=URL or folder (file:///... too) is where the files come from instead, a copy of yours among them.

Exit codes: 0 all is there, 2 wrong arguments, 3 the licence was not accepted, 4 a source does not answer or lacks a
file, 5 a size or checksum is wrong, 6 no room or not writable, 130 interrupted.
TEXT
}

if asks_for_help "$@"; then
  usage
  exit
fi

# shellcheck disable=SC2034 # read by run_command
NEEDS_PACKAGES=no
run_command scripts/download.py bfm "$@"
