#!/usr/bin/env bash
# Audio, a text or a motion, and a model become a video of the head.
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"
# shellcheck source=scripts/runtime.sh
. "$ROOT/scripts/runtime.sh"

usage() {
  cat <<'TEXT'
Usage: ./predict.sh --audio_path a.wav [--model_path output/m] [--reference_path data/input] [--output_dir results]
       ./predict.sh --text "Hello there" [--voice VOICE] [...]

Makes results/a.mp4, in which the head speaks a.wav; or results/hello_there.mp4, in which it says so, and the .wav of it.

  --audio_path FILE          any audio file, or a video with sound, of any length
  --audio_track N            of several audio tracks the one that is heard, from 1 on (the default one, or the one with
                             most speech)
  --text TEXT                in its place, what is said
  --text_file FILE           the same in a file, UTF-8
  --voice VOICE              who says it: joe, built in, which speaks English (default; the first time, its packages are
                             installed); a command with {text} and {wav}, which become the text and the WAV file that it
                             shall write (without them: standard input, standard output); or an OpenAI-compatible server,
                             https://HOST/v1/audio/speech#MODEL/VOICE, with the key in EGSTALKER_VOICE_KEY
  --motion FILE              in its place, what the face does: expression codes (.csv, .npy) or ARKit's blendshapes (the
                             .csv of Live Link Face, .json); with --audio_path, that is what is heard
  --driving_video FILE       or a video whose face the head follows; its own sound is heard unless --audio_path is given
  --with_pose                turn the head, too, as the driving video's
  --save_motion FILE         also write the codes that drove the face, a .csv for --motion
  --model_path PATH          the model (output/m), or a .head file of export.py
  --reference_path FOLDER    the dataset that the model was trained on; needed by models without a torso alone (then
                             data/input)
  --output_dir FOLDER        where the video goes (results)
  --background KIND          what is behind the person: clip (default); a colour such as '#00ff00'; a picture or a video,
                             which fill the frame; transparent
  --pose KIND                how the head is held: reference, as in the clip (default); own, with motion of its own;
                             still; or a .csv of yaw, pitch, roll (degrees), x, y, z (cm)
  --torso KIND               learnt: the model's own, where it has one (default); frames: the dataset's pictures
  --full_frame [VIDEO]       put the person back into the video that --reference_path was cropped from; the rest of it
                             stays as it is
  --format KIND              mp4 (default); for a transparent background mov (ProRes 4444, default then) or webm (VP9);
                             png: a folder of pictures and the sound beside them
  --blinks KIND              own: made anew, as the person blinks (default); reference: those of the frames whose
                             poses are lent; none
  --seed N                   other blinks, idle motion and motion of the head (0)
  --force                    borrow poses and torso from another dataset than the model's own

Runs in the container where Docker and its image egstalker are, otherwise natively in .venv, which the first run makes;
EGSTALKER_RUNTIME=docker or native chooses.
TEXT
}

if asks_for_help "$@"; then
  usage
  exit
fi
given=no
if is_given --text "$@"; then given=yes; fi
for option in --audio_path --motion --driving_video --text_file; do
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

[ -n "$(value_of --model_path "$@")" ] || set -- "$@" --model_path output/m
model=$(value_of --model_path "$@")
# A .head file, and a model that keeps what it needs of its clip, speak without the dataset.
case $model in
  *.head) ;;
  *)
    if is_given --full_frame "$@"; then needs_dataset=yes; else needs_dataset=no; fi
    if [ -z "$(value_of --reference_path "$@")" ] &&
      { [ $needs_dataset = yes ] || [ ! -e "$model/clip.safetensors" ] || [ "$(value_of --torso "$@")" = frames ]; }; then
      set -- "$@" --reference_path data/input
    fi
    ;;
esac
[ -n "$(value_of --output_dir "$@")" ] || set -- "$@" --output_dir results

PROSE=(--text --voice)
if is_given --text "$@" || is_given --text_file "$@"; then
  voice=$(value_of --voice "$@")
  case $voice in
    "" | joe) LOCKS+=(live) ;;
    *://*) ;;
    *) mount_words_of_command "$voice" ;;
  esac
fi

run_command predict.py "$@"
