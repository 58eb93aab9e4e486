# shellcheck shell=bash
# Where a pipeline command runs: in the container where a Docker daemon answers and the image exists, otherwise natively
# in .venv. Sourced after environment.sh.
#
#   run_command SCRIPT [ARGUMENT...]     replaces the shell by the Python program SCRIPT of the checkout, a file or a module;
#                                        natively with the packages of LOCKS or, if NEEDS_PACKAGES=no, by any suitable
#                                        Python, without making .venv
#   runs_in_container                    does it run in the container?
#   serves_in_container                  does a server? Then run_in_container gives it this machine's network; otherwise
#                                        run_natively is to follow
#   asks_for_help [ARGUMENT...]          is -h or --help among them?
#   is_given OPTION [ARGUMENT...]        is the option?
#   value_of OPTION [ARGUMENT...]        the option's last value among them; values_of: all, one a line
#
# In the container every path is what it is outside: the checkout, the working folder and every path among the arguments
# are mounted where they are, and so are those in the array WRITTEN, where the command writes unasked or which are part of
# an argument. The values of the options in the array PROSE are no paths, whatever they look like. The variables in the
# array PASSED are handed on besides those that always are. NATIVE_ONLY says why a server cannot do without the machine.
# EGSTALKER_RUNTIME=docker|native forces one; EGSTALKER_IMAGE names another image; EGSTALKER_CACHE, another folder for
# what lasts from run to run (.cache/container in STATE): models that libraries fetch, and compiled kernels.

WRITTEN=()
PROSE=()
PASSED=()
RUN_OPTIONS=()
NATIVE_ONLY=""
LOCKS=(native)
NEEDS_PACKAGES=yes
IMAGE=${EGSTALKER_IMAGE:-egstalker}

asks_for_help() {
  local argument
  for argument in "$@"; do
    case $argument in -h | --help) return 0 ;; esac
  done
  return 1
}

is_given() {
  local option=$1 argument
  shift
  for argument in "$@"; do
    case $argument in "$option" | "$option"=*) return 0 ;; esac
  done
  return 1
}

# Given as two words or with "=".
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

values_of() {
  local option=$1 previous="" argument
  shift
  for argument in "$@"; do
    case $argument in "$option"=*) printf '%s\n' "${argument#*=}" ;; esac
    [ "$previous" != "$option" ] || printf '%s\n' "$argument"
    previous=$argument
  done
}

run_command() {
  if runs_in_container; then run_in_container "$@"; else run_natively "$@"; fi
}

runs_in_container() {
  case "${EGSTALKER_RUNTIME:-}" in
    docker) require_container ;;
    native) return 1 ;;
    "") has_image ;;
    *) fail "EGSTALKER_RUNTIME is docker or native, not '$EGSTALKER_RUNTIME'" ;;
  esac
}

# With a bridge of its own a container would have to listen for all that reach it, and WebRTC would name addresses that
# nobody outside can: in this machine's network "127.0.0.1" is this machine alone, as it is natively.
serves_in_container() {
  local reason
  runs_in_container || return
  reason=$(why_it_cannot_serve)
  if [ -z "$reason" ]; then
    RUN_OPTIONS=(--network host --stop-timeout 30)
    return
  fi
  [ "${EGSTALKER_RUNTIME:-}" != docker ] || fail "EGSTALKER_RUNTIME=docker, but $reason; EGSTALKER_RUNTIME=native does it"
  note "Running natively: $reason."
  return 1
}

why_it_cannot_serve() {
  if [ -n "$NATIVE_ONLY" ]; then
    echo "$NATIVE_ONLY"
  elif [ "$(ask_docker image inspect --format '{{index .Config.Labels "egstalker.live"}}' "$IMAGE")" != yes ]; then
    echo "the image '$IMAGE' has no packages for live use; ./build.sh adds them"
  else
    case $(ask_docker info --format '{{.OperatingSystem}} {{.SecurityOptions}}' 2>/dev/null) in
      *"Docker Desktop"*) echo "Docker Desktop's containers are not in this machine's network" ;;
      *name=rootless*) echo "a rootless Docker's containers are not in this machine's network" ;;
    esac
  fi
}

run_natively() {
  local script=$1 python
  shift
  name_program "$script"
  if [ "$NEEDS_PACKAGES" = yes ]; then
    set_up "${LOCKS[@]}"
    python="$VENV/bin/python"
  else
    python=$(find_python) || exit
  fi
  PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" exec "$python" "${PROGRAM[@]}" "$@"
}

# Sets PROGRAM to the words that follow "python".
name_program() {
  case $1 in
    */* | *.py) PROGRAM=("$ROOT/$1") ;;
    *) PROGRAM=(-m "$1") ;;
  esac
}

run_in_container() {
  local script=$1 argument name previous=""
  shift
  name_program "$script"
  OPTIONS=(--rm --init --shm-size 1g ${RUN_OPTIONS[@]+"${RUN_OPTIONS[@]}"})
  MOUNTED=()
  mount_path "$ROOT"
  is_system_folder "$(pwd -P)" || mount_path "$(pwd -P)"
  for argument in ${WRITTEN[@]+"${WRITTEN[@]}"}; do mount_path "$argument"; done
  for argument in "$@"; do
    if is_prose "$previous" || { is_prose "${argument%%=*}" && [ "$argument" != "${argument%%=*}" ]; }; then
      previous=""
      continue
    fi
    previous=$argument
    case $argument in
      -*=*) mount_argument "${argument#*=}" ;;
      -*) [ ! -e "$argument" ] || mount_path "$argument" ;;
      *) mount_argument "$argument" ;;
    esac
  done
  add_user_and_gpu
  for name in $(compgen -e); do
    case $name in
      WANDB_* | HF_* | OMP_* | NUMBA_* | EGSTALKER_* | CUDA_VISIBLE_DEVICES | TRAINING_LOG | NO_COLOR | TERM) ;;
      MODEL_MIRROR | ACCEPT_BFM_LICENSE | HTTP_PROXY | HTTPS_PROXY | NO_PROXY | http_proxy | https_proxy | no_proxy) ;;
      *) is_passed "$name" || continue ;;
    esac
    OPTIONS+=(--env "$name")
    argument=$(local_path "${!name}")
    [ -z "$argument" ] || [ ! -e "$argument" ] || mount_path "$argument"
  done
  # With a terminal, Ctrl-C reaches the program through it; without one, docker passes signals on.
  [ ! -t 0 ] || [ ! -t 1 ] || OPTIONS+=(--interactive --tty)
  exec docker run "${OPTIONS[@]}" --workdir "$(pwd -P)" --env PYTHONPATH="$ROOT" "$IMAGE" \
    python "${PROGRAM[@]}" "$@"
}

is_passed() {
  local name
  for name in ${PASSED[@]+"${PASSED[@]}"}; do
    [ "$1" != "$name" ] || return 0
  done
  return 1
}

is_prose() {
  local option
  for option in ${PROSE[@]+"${PROSE[@]}"}; do
    [ "$1" != "$option" ] || return 0
  done
  return 1
}

# The path that a setting names, itself or as a file:// URL; nothing where it names none.
local_path() {
  case $1 in
    /*) printf '%s\n' "$1" ;;
    file:///*)
      local path=${1#file://}
      printf '%b\n' "${path//%/\\x}"
      ;;
    */*) printf '%s\n' "$1" ;;
  esac
}

# Files belong to the caller, who under a rootless daemon is the container's root. HOME keeps caches from run to run.
add_user_and_gpu() {
  local user home=${EGSTALKER_CACHE:-$STATE/.cache/container} engine
  engine=$(ask_docker info --format '{{.SecurityOptions}} {{.Runtimes}}' 2>/dev/null) || engine=""
  user="$(id -u):$(id -g)"
  case $engine in *name=rootless*) user=0:0 ;; esac
  # SELinux would keep the container off the mounted folders; their labels stay as they are.
  case $engine in *name=selinux*) OPTIONS+=(--security-opt label=disable) ;; esac
  is_writable_folder "$home" || {
    home=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/egstalker
    is_writable_folder "$home" || fail "cannot write to $home; set EGSTALKER_CACHE to a folder of yours"
  }
  home=$(cd -P -- "$home" && pwd)
  mount_path "$home"
  OPTIONS+=(--user "$user" --env "HOME=$home" --env USER=egstalker --env "NUMBA_CACHE_DIR=$home/.cache/numba")
  has_gpu || return 0
  case $engine in
    *nvidia*) OPTIONS+=(--gpus all) ;;
    *)
      if command -v nvidia-container-cli >/dev/null 2>&1 || command -v nvidia-ctk >/dev/null 2>&1; then
        OPTIONS+=(--gpus all)
      else
        note "warning: Docker cannot use this machine's GPU; install the NVIDIA Container Toolkit. Going on without it."
      fi
      ;;
  esac
}

# Makes it if need be.
is_writable_folder() {
  mkdir -p "$1" 2>/dev/null && [ -w "$1" ]
}

has_image() {
  command -v docker >/dev/null 2>&1 && ask_docker image inspect "$IMAGE" >/dev/null 2>&1
}

require_container() {
  has_image && return
  command -v docker >/dev/null 2>&1 || fail "EGSTALKER_RUNTIME=docker, but there is no docker command; install Docker"
  ask_docker info >/dev/null 2>&1 ||
    fail "EGSTALKER_RUNTIME=docker, but no Docker daemon answers; start it, or join its group"
  fail "EGSTALKER_RUNTIME=docker, but there is no image '$IMAGE'; make it with ./build.sh"
}

# A daemon that does not answer must not hold up a native run.
ask_docker() {
  if command -v timeout >/dev/null 2>&1; then
    timeout 10 docker "$@"
  else
    docker "$@"
  fi
}

# An argument is a path if it exists or has a slash; what is yet to be made goes into the nearest folder that exists.
mount_argument() {
  case $1 in
    *://*) ;;
    */*) mount_path "$1" ;;
    *) [ ! -e "$1" ] || mount_path "$1" ;;
  esac
}

# mount_words_of_command TEXT: the files that a command of the user's names. Only the user's own: in the container the
# system's are other ones.
mount_words_of_command() {
  local word
  local -a words
  read -r -d '' -a words <<<"$1" || :
  for word in ${words[@]+"${words[@]}"}; do
    case $word in
      /usr/* | /bin/* | /sbin/* | /lib/* | /lib64/* | /opt/* | /etc/* | /dev/* | /proc/* | /sys/*) ;;
      */*) [ ! -f "$word" ] || WRITTEN+=("$word") ;;
    esac
  done
}

# Mounts the path, or the nearest existing folder above it, under its name and, where links lead there, its real one.
mount_path() {
  local path=$1 named real
  case $path in /*) ;; *) path="$(pwd -P)/$path" ;; esac
  while [ ! -e "$path" ]; do
    path=${path%/*}
    [ -n "$path" ] || path=/
  done
  if [ -d "$path" ]; then
    named=$(cd -L -- "$path" && pwd -L)
    real=$(cd -P -- "$path" && pwd -P)
  else
    named="$(cd -L -- "${path%/*}/" && pwd -L)/${path##*/}"
    real=$(real_file "$path")
  fi
  add_mount "$real" "$real" "$1"
  add_mount "$real" "$named" "$1"
}

real_file() {
  readlink -f -- "$1" 2>/dev/null || printf '%s/%s\n' "$(cd -P -- "${1%/*}/" && pwd -P)" "${1##*/}"
}

add_mount() {
  local source=$1 target=$2 given=$3 mounted
  for mounted in ${MOUNTED[@]+"${MOUNTED[@]}"}; do
    case $target in "$mounted" | "$mounted"/*) return ;; esac
  done
  ! is_system_folder "$target" ||
    fail "$given: $target cannot be shared with the container; use or make a folder below it"
  MOUNTED+=("$target")
  OPTIONS+=(--mount "type=bind,$(csv_field "source=$source"),$(csv_field "target=$target")")
}

# Folders that, mounted, would hide what the image has there.
is_system_folder() {
  case $1 in
    / | /bin | /boot | /dev | /etc | /lib | /lib32 | /lib64 | /opt | /proc | /run | /sbin | /sys | /var | \
      /usr | /usr/bin | /usr/lib | /usr/local | /usr/local/bin | /usr/local/lib | /usr/sbin | /usr/share)
      [ -d "$1" ]
      ;;
    *) return 1 ;;
  esac
}

# --mount reads its value as a line of CSV.
csv_field() {
  case $1 in
    *[,\"]*) printf '"%s"\n' "${1//\"/\"\"}" ;;
    *) printf '%s\n' "$1" ;;
  esac
}
