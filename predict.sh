#!/usr/bin/env bash
# Audio and a model become a video of the head speaking.
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"
# shellcheck source=scripts/runtime.sh
. "$ROOT/scripts/runtime.sh"

usage() {
  cat <<'TEXT'
Usage: ./predict.sh --audio_path a.wav [--reference_path data/input] [--model_path output/m] [--output_dir results]

Makes results/a.mp4, in which the head speaks a.wav.

  --audio_path FILE          any audio file, or a video with sound, of any length
  --reference_path FOLDER    the dataset that the model was trained on (data/input)
  --model_path FOLDER        the model (output/m)
  --output_dir FOLDER        where the video goes (results)
  --blinks KIND              own: made anew, as the person blinks (default); reference: those of the frames whose
                             poses are lent; none
  --seed N                   other blinks and idle motion of brows and cheeks (0)
  --force                    borrow poses and torso from another dataset than the model's own

Runs in the container where Docker and its image egstalker are, otherwise natively in .venv, which the first run makes;
EGSTALKER_RUNTIME=docker or native chooses.
TEXT
}

# value_of OPTION ARGUMENT...: the option's last value among the arguments, given as two words or with "=".
value_of() {
  local option=$1 value="" previous="" argument
  shift
  for argument in "$@"; do
    case $argument in "$option"=*) value=${argument#*=} ;; esac
    [ "$previous" != "$option" ] || value=$argument
    previous=$argument
  done
  printf '%s\n' "$value"
}

if asks_for_help "$@"; then
  usage
  exit
fi
audio=$(value_of --audio_path "$@")
[ -n "$audio" ] || {
  usage >&2
  exit 2
}
[ -e "$audio" ] || fail "$audio does not exist; give the path of an audio file"
[ ! -d "$audio" ] || fail "$audio is a folder; give the path of an audio file"

[ -n "$(value_of --reference_path "$@")" ] || set -- "$@" --reference_path data/input
[ -n "$(value_of --model_path "$@")" ] || set -- "$@" --model_path output/m
[ -n "$(value_of --output_dir "$@")" ] || set -- "$@" --output_dir results

run_command predict.py "$@"
