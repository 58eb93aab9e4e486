#!/usr/bin/env bash
# A trained head answers live: in a browser, or for an agent.
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"
# shellcheck source=scripts/runtime.sh
. "$ROOT/scripts/runtime.sh"

usage() {
  cat <<'TEXT'
Usage: ./live.sh [--model_path output/m] [--port 8010] [--host 127.0.0.1]

Prints an address; a browser there sees and hears the head, and makes it say texts, sound files or the microphone.
Agents come by a WebSocket: docs/live.md. Ctrl-C ends it.

  --model_path PATH          the model (output/m), or a .head file of export.py
  --host ADDRESS             to listen at (127.0.0.1: this machine alone); others need a token then
  --port N                   to listen at (8010)
  --token WORDS              what whoever comes has to know (EGSTALKER_TOKEN; made up where others can reach the host)
  --sessions N               at once (1; 4 with a GPU)
  --background KIND          what is behind the person: clip (default); a colour such as '#00ff00'; a picture or a video
  --voice VOICE              reads texts out: joe, the built-in voice (default); "command {text} {wav}";
                             https://HOST/v1/audio/speech#MODEL/VOICE; none
  --output ADDRESS           send a session to rtmp://, https:// (WHIP), udp://, srt:// or tcp://, to /dev/videoN, alsa:NAME
                             or a file (.ts, .mkv, .mp4); agents make it speak as ws://.../ws?session=output.
                             env:NAME takes the address from the environment; WHIP's token is WHIP_TOKEN there
  --livekit                  be an agent's avatar in the LiveKit room of LIVEKIT_URL and LIVEKIT_TOKEN
  --device KIND              cpu, cuda, or cuda:1 of several (what is here and can render)

Runs in the container where Docker and its image egstalker are, in this machine's network; otherwise natively in .venv,
which the first run makes, with the packages of requirements/live.txt. EGSTALKER_RUNTIME=docker or native chooses.
TEXT
}

# share_output ADDRESS: what the container needs of this machine to send a session there.
share_output() {
  case $1 in
    *://*) ;;
    /dev/* | alsa:*) NATIVE_ONLY="cameras and sound cards are not shared with the container" ;;
    *) WRITTEN+=("$1") ;;
  esac
}

if asks_for_help "$@"; then
  usage
  exit
fi
is_given --model_path "$@" || set -- --model_path output/m "$@"

PROSE=(--token --voice --output)
PASSED=(WHIP_TOKEN LIVEKIT_URL LIVEKIT_TOKEN)
mount_words_of_command "$(value_of --voice "$@")"
while IFS= read -r output; do
  case $output in
    env:*)
      PASSED+=("${output#env:}")
      for name in $(compgen -e); do [ "$name" != "${output#env:}" ] || share_output "${!name}"; done
      ;;
    *) share_output "$output" ;;
  esac
done < <(values_of --output "$@")

LOCKS=(native live)
if serves_in_container; then run_in_container serve.py "$@"; else run_natively serve.py "$@"; fi
