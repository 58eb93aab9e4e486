#!/usr/bin/env bash
# Optional models come where the code looks for them.
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"
# shellcheck source=scripts/runtime.sh
. "$ROOT/scripts/runtime.sh"

usage() {
  cat <<'TEXT'
Usage: ./download_models.sh [parsing] [wav2vec2] [hubert] [deepspeech] [lpips] [face-alignment] [--list] [--verify]

Fetches optional models, 3 GB if all: nothing of EGSTalker's defaults needs one. Size, checksum, licence and source of
every file are said first. A stopped download goes on where it was; what is there is kept.

  parsing           data_utils/face_parsing/79999_iter.pth, for --parser bisenet
  wav2vec2, hubert, deepspeech
                    data_utils/audio_features/models/, for --asr of these names
  lpips             imaging/models/, for the perceptual loss and metric
  face-alignment    data_utils/face_tracking/models/, for --tracker bfm
  --list            only say what there is and what is missing
  --verify          check the files that are there against their checksums

MODEL_MIRROR=URL or folder (file:///... too) is where the files come from instead: they lie there as in a checkout, or
side by side. Checksums that nobody publishes are recorded in requirements/models.sha256 at the first download.

Exit codes: 0 all is there, 2 wrong arguments, 4 a source does not answer or lacks a file, 5 a size or checksum is wrong,
6 no room or not writable, 130 interrupted. The first failure counts; the other files are fetched all the same.
TEXT
}

if asks_for_help "$@"; then
  usage
  exit
fi

# shellcheck disable=SC2034 # read by run_command
NEEDS_PACKAGES=no
run_command scripts/download.py models "$@"
