#!/usr/bin/env bash
# Audio, or a motion, and a model become a video of the head.
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
  --audio_track N            of several audio tracks the one that is heard, from 1 on (the default one, or the one with
                             most speech)
  --motion FILE              in its place, what the face does: expression codes (.csv, .npy) or ARKit's blendshapes (the
                             .csv of Live Link Face, .json); with --audio_path, that is what is heard
  --driving_video FILE       or a video whose face the head follows; its own sound is heard unless --audio_path is given
  --with_pose                turn the head, too, as the driving video's
  --save_motion FILE         also write the codes that drove the face, a .csv for --motion
  --reference_path FOLDER    the dataset that the model was trained on (data/input)
  --model_path FOLDER        the model (output/m)
  --output_dir FOLDER        where the video goes (results)
  --background KIND          what is behind the person: clip (default); a colour such as '#00ff00'; a picture or a video,
                             which fill the frame; transparent
  --format KIND              mp4 (default); for a transparent background mov (ProRes 4444, default then) or webm (VP9);
                             png: a folder of pictures and the sound beside them
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
given=no
for option in --audio_path --motion --driving_video; do
  file=$(value_of "$option" "$@")
  [ -n "$file" ] || continue
  given=yes
  [ -e "$file" ] || fail "$file does not exist; give the path of a file after $option"
  [ ! -d "$file" ] || fail "$file is a folder; give the path of a file after $option"
done
[ "$given" = yes ] || {
  usage >&2
  exit 2
}

[ -n "$(value_of --reference_path "$@")" ] || set -- "$@" --reference_path data/input
[ -n "$(value_of --model_path "$@")" ] || set -- "$@" --model_path output/m
[ -n "$(value_of --output_dir "$@")" ] || set -- "$@" --output_dir results

run_command predict.py "$@"
