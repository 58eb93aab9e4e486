#!/usr/bin/env bash
# A dataset folder becomes a model folder.
set -eu

ROOT=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/environment.sh
. "$ROOT/scripts/environment.sh"
# shellcheck source=scripts/runtime.sh
. "$ROOT/scripts/runtime.sh"

usage() {
  cat <<'TEXT'
Usage: ./train.sh -s data/input --model_path output/m --configs arguments/args.py [--iterations N] [--use_wandb]
                  [--test_iterations N ...] [--save_iterations N ...]

Learns the head in a dataset. A stopped run goes on from its last checkpoint.

  -s FOLDER                  the dataset, as ./preprocess.sh makes it
  --model_path FOLDER        where the model goes
  --configs FILE             arguments/args.py (EGSTalker), arguments/64_dim_1_transformer.py (baseline),
                             arguments/cpu.py (without a GPU)
  --iterations N             length of the fine stage; 1000 for a test run
  --test_iterations N ...    validate at these iterations
  --save_iterations N ...    save at these iterations
  --gpus N                   share each batch among the first N GPUs of this machine; worth it for batches of 32 frames
                             and more, or large pictures
  --speech_prior FOLDER ...  other people's datasets, or models: a short clip's lips are learnt from their speech too
  --torso KIND               learnt: neck and shoulders are learnt after the head (default); frames: films show the
                             dataset's pictures of them
  --only KIND                speech or torso: learn that of a model that is there again
  --use_wandb                log to Weights & Biases (WANDB_MODE=offline keeps it here)

What the training says is in the model folder's training.log as well; /tmp/training_log.log leads to the latest one
(TRAINING_LOG=FILE: that does; TRAINING_LOG= : none). In the container that is a file with the same lines.

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

TRAINING_LOG=${TRAINING_LOG-/tmp/training_log.log}
case $TRAINING_LOG in
  "") unset TRAINING_LOG ;;
  *)
    case $TRAINING_LOG in /*) ;; *) TRAINING_LOG=$(pwd -P)/$TRAINING_LOG ;; esac
    export TRAINING_LOG
    # A link made natively would lead the container to nowhere, and emptying it would empty an older training's log.
    if runs_in_container && ! (rm -f -- "$TRAINING_LOG" && : >"$TRAINING_LOG") 2>/dev/null; then
      note "warning: the log $TRAINING_LOG cannot be written; name another with TRAINING_LOG=FILE. Going on without it."
      unset TRAINING_LOG
    fi
    ;;
esac

run_command train.py "$@"
