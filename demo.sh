#!/usr/bin/env bash
# Everything on a built-in sample, in demo/ of the checkout or, where that cannot be written, of STATE.
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"

DEMO=demo
[ "$STATE" = "$ROOT" ] || DEMO="$STATE/demo"

usage() {
  cat <<'TEXT'
Usage: ./demo.sh [--clean]

Makes a sample video, learns the head in it and lets it speak, all in demo/:

  demo/sample.mp4            the sample, one talking head
  demo/sample/               its dataset
  demo/model/                the learnt head
  demo/results/sample.mp4    the head speaking
  demo/report.json           seconds per stage, number of Gaussians, metrics on frames it has not learnt from
  demo/report.png            truth, render and error, side by side

Run again, it goes on where it stopped and keeps what is whole; --clean starts afresh. The first run makes .venv.
Where the checkout cannot be written, demo/ and .venv are in ~/.cache/egstalker, or in the folder EGSTALKER_HOME.
TEXT
}

case "${1:-}" in
  "") ;;
  --clean) rm -rf "$STATE/demo" ;;
  -h | --help)
    usage
    exit
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac

# stage NAME COMMAND...: run a stage, adding the seconds it takes to those of earlier runs of this demo.
stage() {
  local name=$1 start status=0
  shift
  note "== $name"
  start=$(milliseconds)
  "$@" || status=$?
  echo "$(($(spent_in "$name") + $(milliseconds) - start))" >"$TIMES/$name"
  [ "$status" = 0 ] || {
    note "The demo stopped in $name; ./demo.sh goes on from there."
    exit "$status"
  }
}

spent_in() {
  cat "$TIMES/$1" 2>/dev/null || echo 0
}

# Since some moment; whole seconds where date knows no nanoseconds.
milliseconds() {
  local time
  time=$(date +%s%N)
  case $time in
    *[!0-9]*) echo "$(($(date +%s) * 1000))" ;;
    *) echo "$((time / 1000000))" ;;
  esac
}

# {"name": seconds, ...} with one decimal.
write_stages() {
  local name tenths separator=""
  for name in "$@"; do
    tenths=$((($(spent_in "$name") + 50) / 100))
    printf '%s"%s": %d.%d' "$separator" "$name" $((tenths / 10)) $((tenths % 10))
    separator=", "
  done
}

make_sample() {
  if [ ! -e "$DEMO/sample.mp4" ] || [ ! -e "$DEMO/sample_truth.npz" ]; then
    python -m sample "$DEMO/sample.mp4"
  fi
}

TIMES="$STATE/demo/.stages"
cd "$ROOT"
mkdir -p "$TIMES" 2>/dev/null || fail "cannot write to $STATE; set EGSTALKER_HOME to a folder of yours"
stage set_up set_up native
PATH="$VENV/bin:$PATH"
stage sample make_sample
stage preprocess python data_utils/process.py "$DEMO/sample.mp4"
stage train python train.py -s "$DEMO/sample" --model_path "$DEMO/model" --configs arguments/demo.py
stage predict python predict.py --audio_path "$DEMO/sample.mp4" --reference_path "$DEMO/sample" \
  --model_path "$DEMO/model" --output_dir "$DEMO/results"
stage metrics python metrics.py -s "$DEMO/sample" --model_path "$DEMO/model"
printf '{%s}\n' "$(write_stages set_up sample preprocess train predict metrics)" >"$DEMO/stages.json"
python -m evaluation.report --dataset "$DEMO/sample" --model_path "$DEMO/model" --stages "$DEMO/stages.json" \
  --output "$DEMO"
note "The head speaks in $DEMO/results/sample.mp4; $DEMO/report.json and $DEMO/report.png say how well."
