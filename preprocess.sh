#!/usr/bin/env bash
# A video becomes a dataset folder beside it.
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"
# shellcheck source=scripts/runtime.sh
. "$ROOT/scripts/runtime.sh"

usage() {
  cat <<'TEXT'
Usage: ./preprocess.sh data/input.mp4 [--task N] [--tracker mediapipe|bfm] [--asr NAME] [--parser NAME]
                       [--audio_track N] [--size N]
       ./preprocess.sh data/input.mp4 --inspect [--json FILE]

Makes the dataset data/input/ from a video of one talking head with sound. What is whole is kept, so that a stopped run
goes on where it was. Given the dataset folder instead of the video, it goes on with that.

  --task N         only this task: 1 audio, 2 audio features, 3 frames, 4 face parsing, 5 background,
                   6 torso and ground truth, 7 landmarks, 8 tracking, 9 transforms
  --tracker NAME   mediapipe, or bfm where its converted model is
  --asr NAME       audio features: log_mel_phones (default), log_mel, phones; wav2vec2, hubert, deepspeech with a model
  --parser NAME    face parsing: mediapipe, or bisenet where its checkpoint is
  --audio_track N  of several audio tracks the one to take, from 1 on (the default one, or the one with most speech)
  --size N         pixels of the frames' side, an even number from 256 to 1024 (the one used before, or 512); a head
                   that has fewer in the video is not enlarged
  --inspect        only look at the clip for some seconds and say what of it will limit the head; a run from the start does
                   so, too, and keeps the figures in clip_report.json
  --json FILE      with --inspect: keep them in this file

Runs in the container where Docker and its image egstalker are, otherwise natively in .venv, which the first run makes;
EGSTALKER_RUNTIME=docker or native chooses.
TEXT
}

if asks_for_help "$@"; then
  usage
  exit
fi
[ $# -gt 0 ] || {
  usage >&2
  exit 2
}

case $1 in
  -*)
    [ -e "$1" ] || fail "the video comes first: ./preprocess.sh data/input.mp4 $*"
    # A name that begins with a dash, which must not pass for an option.
    set -- "./$1" "${@:2}"
    ;;
esac
[ -e "$1" ] || fail "$1 does not exist; give the path of a video, or of a dataset folder to go on with"
[ -r "$1" ] || fail "$1 cannot be read; see to its permissions"

# The dataset is made beside the video.
# shellcheck disable=SC2034 # read by run_command
[ -d "$1" ] || WRITTEN=("$(dirname -- "$1")")
run_command data_utils/process.py "$@"
