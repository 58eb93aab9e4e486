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
  --token WORDS              what whoever comes has to know (made up where others can reach the host)
  --sessions N               at once (1; 4 with a GPU)
  --background KIND          what is behind the person: clip (default); a colour such as '#00ff00'; a picture or a video
  --voice VOICE              reads texts out: joe, the built-in voice (default); "command {text} {wav}";
                             https://HOST/v1/audio/speech#MODEL/VOICE; none
  --output ADDRESS           send a session to rtmp://, https:// (WHIP), udp://, srt:// or tcp://, to /dev/videoN, alsa:NAME
                             or a file (.ts, .mkv, .mp4); agents make it speak as ws://.../ws?session=output.
                             env:NAME takes the address from the environment; WHIP's token is WHIP_TOKEN there
  --livekit                  be an agent's avatar in the LiveKit room of LIVEKIT_URL and LIVEKIT_TOKEN
  --device KIND              cpu, cuda, or cuda:1 of several (what is here and can render)

Runs natively in .venv, which the first run makes, with the packages of requirements/live.txt.
TEXT
}

if asks_for_help "$@"; then
  usage
  exit
fi
case " $* " in *" --model_path"*) ;; *) set -- --model_path output/m "$@" ;; esac

set_up native live
exec "$VENV/bin/python" "$ROOT/serve.py" "$@"
