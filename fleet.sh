#!/usr/bin/env bash
# Many videos become many heads, and these many films, on this machine or on a cluster.
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"
# shellcheck source=scripts/runtime.sh
. "$ROOT/scripts/runtime.sh"

usage() {
  cat <<'TEXT'
Usage: ./fleet.sh heads videos/ --out farm/ [--configs arguments/args.py] [--export head]
       ./fleet.sh status farm/ [--json]
       ./fleet.sh retry farm/ [HEAD ...]
       ./fleet.sh report farm/
       ./fleet.sh films heads/ sounds/ --out films/ [--pairs table.csv]

Makes a head of each video of a folder: preprocess, train, metrics and, if asked for, export. Stopped or killed at any
time, the same command goes on: what is whole is not done again. A video that will not do is reported in one line.

  heads [VIDEOS...]          videos, or folders of them; without any it goes on with those of the farm
    --out FARM               folder of the farm, or s3://..., gs://... (with the packages s3fs, gcsfs)
    --configs FILE           configuration, as for train.sh
    --preprocess_options "...", --train_options "...", --metrics_options "..."
                             further options of these programs, such as --train_options "--iterations 1000"
    --export KIND ...        also make files: head, ply, splat, glb
    --copy                   copy the videos into the farm, instead of links to them
  status FARM                a line for each head; --json for programs
  retry FARM [HEAD ...]      try again what has failed, also where the video was at fault
  report FARM                report.html and report.csv: figures, times, failures and pictures of all heads; of a folder
                             of films: a line for each head, and films.csv
  films HEADS SOUNDS...      every head says every sound: films/HEAD/SOUND.mp4, as predict.sh makes it, but a head is
                             loaded once; HEADS is a folder of .head files or model folders, or a farm
    --out FILMS              folder of the films; what is whole there is not made again
    --pairs TABLE            these alone: a .csv with the columns head, sound and, if wanted, name
    --seed N                 other blinks and idle motion (0)

  --cores N                  of a stage (as many as there are for each head, up to 8)
  --gpu_share F              of a card for a stage that uses one (as measured, else a whole card); 0: no GPU
  --at_once N                stages at a time (as many as the machines bear)
  --attempts N               at a stage, where the machine and not the video is at fault (8)
  --cpu_nodes KEY=VALUE      label of Ray for the nodes on which stages without a GPU run
  --scratch FOLDER           of each machine, where the farm is a URL

RAY_ADDRESS names a cluster of Ray; without, one is started that only this machine can reach. docs/fleet.md says more.
Runs natively in .venv, which the first run makes, with the packages of requirements/fleet.txt.
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

set_up native fleet
PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" exec "$VENV/bin/python" "$ROOT/fleet.py" "$@"
