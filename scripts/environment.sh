# shellcheck shell=bash
# The Python environment: .venv, made on first use from the locks in requirements/. Sourced; needs $ROOT, the checkout.
#
#   set_up native        what the pipeline imports
#   set_up native dev    and the tools that test.sh adds
#
# .venv/.native.txt and .venv/.dev.txt are copies of the locks that were installed to the end: a lock that is the same
# as its copy installs nothing. .venv/.installing is there while something is installed: if a new set-up finds it, the
# last one was killed, and .venv is made afresh. EGSTALKER_TORCH=cpu|cuda chooses PyTorch's build (otherwise: cuda where
# nvidia-smi lists a GPU), EGSTALKER_TORCH_INDEX where its CPU build comes from, PYTHON the interpreter.
#
# STATE is where all that the checkout's commands make goes: .venv, .setup, .cache, demo. It is the checkout itself;
# where the caller cannot write there, a folder of the checkout's name in the caller's cache; or EGSTALKER_HOME.

STATE=${EGSTALKER_HOME:-$ROOT}
if [ -z "${EGSTALKER_HOME:-}" ] && [ ! -w "$ROOT" ]; then
  STATE=${XDG_CACHE_HOME:-~/.cache} # bash knows ~ even where HOME is not set
  STATE="$STATE/egstalker/${ROOT##*/}-$(cksum <<<"$ROOT" | sed 's/ .*//')"
fi
case $STATE in /*) ;; *) STATE="$PWD/$STATE" ;; esac
VENV="$STATE/.venv"

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

note() {
  printf '%s\n' "$*" >&2
}

set_up() {
  [ "$STATE" = "$ROOT" ] || take_place "$@"
  up_to_date "$@" && return
  mkdir -p "$STATE/.setup" 2>/dev/null || fail "cannot write to $STATE; set EGSTALKER_HOME to a folder of yours"
  # A subshell, so that the lock goes when it ends; what it starts holds the lock too, so none is left half at work.
  (
    if command -v flock >/dev/null 2>&1; then
      flock -n 9 || {
        note "Waiting for another set-up of $VENV to end ..."
        flock 9
      }
    else
      while installer=$(cat "$VENV/.installing" 2>/dev/null) && kill -0 "$installer" 2>/dev/null; do sleep 1; done
    fi
    up_to_date "$@" || install_locks "$@"
  ) 9>"$STATE/.setup/lock" || exit
}

# Sends compiled kernels and byte code to STATE. The environment of the checkout's owner serves all where it is whole.
take_place() {
  export NUMBA_CACHE_DIR="${NUMBA_CACHE_DIR:-$STATE/.cache/numba}"
  if [ -z "${EGSTALKER_HOME:-}" ]; then
    VENV="$ROOT/.venv"
    up_to_date "$@" && return
  fi
  VENV="$STATE/.venv"
  export PYTHONPYCACHEPREFIX="${PYTHONPYCACHEPREFIX:-$STATE/.cache/python}"
}

up_to_date() {
  local name
  for name in torch "$@"; do
    [ -e "$VENV/.$name.txt" ] && [ "$(<"$VENV/.$name.txt")" = "$(<"$ROOT/requirements/$name.txt")" ] || return
  done
  [ ! -e "$VENV/.installing" ] && "$VENV/bin/python" -c '' 2>/dev/null
}

install_locks() {
  local python name log="$STATE/.setup/install.log" removed
  if [ -e "$VENV/.installing" ] || ! "$VENV/bin/python" -c '' 2>/dev/null; then
    python=$(find_python) || exit
    note "Making ${VENV#"$ROOT/"} with $("$python" --version 2>&1) (a minute or two, once) ..."
    rm -rf "$VENV"
    "$python" -m venv "$VENV" >"$log" 2>&1 || fail "could not make $VENV: $(last_line "$log")"
  else
    note "Bringing ${VENV#"$ROOT/"} up to date ..."
    check_python "$VENV/bin/python" || fail "$VENV/bin/python $UNSUITABLE; delete $VENV and run again"
  fi
  echo $$ >"$VENV/.installing" || fail "cannot write to $VENV"
  removed=$(dropped_packages torch "$@")
  # shellcheck disable=SC2086 # a list of names
  [ -z "$removed" ] || pip uninstall --yes $removed >"$log" 2>&1 || fail_install
  install_torch
  install_locked "$@"
  import_once >"$log" 2>&1 || fail "the packages are installed but do not work: $(last_line "$log")"
  for name in torch "$@"; do
    # -f: the copy of a lock that cannot be written cannot be written either.
    cp -f "$ROOT/requirements/$name.txt" "$VENV/.$name.txt" || fail "cannot write to $VENV"
  done
  rm -f "$VENV/.installing"
}

# The locks carry hashes: a package that is not byte for byte the one that was locked is refused.
install_locked() {
  local name log="$STATE/.setup/install.log"
  local -a locks=()
  for name in "$@"; do locks+=(-r "$ROOT/requirements/$name.txt"); done
  pip install --no-deps --require-hashes "${locks[@]}" >"$log" 2>&1 || fail_install
}

# Wheels only: no compiler is ever needed. Byte code is left to import_once, which makes a fifth of it.
pip() {
  local command=$1
  shift
  [ "$command" != install ] || set -- --only-binary :all: --no-compile "$@"
  "$VENV/bin/python" -m pip "$command" --disable-pip-version-check --no-input "$@"
}

# Shows that the packages load on this machine, and compiles what is used of them to byte code, so that the commands
# start fast even where PYTHONDONTWRITEBYTECODE is set.
import_once() {
  env -u PYTHONDONTWRITEBYTECODE "$VENV/bin/python" - <<'PYTHON'
import av, cv2, jaxtyping, librosa.feature, mediapipe, numba, pandas, plyfile, rich.progress, safetensors.torch
import scipy.interpolate, scipy.ndimage, scipy.optimize, scipy.signal, scipy.sparse.linalg, scipy.spatial.transform
import skimage.metrics, soundfile, torch.optim, tqdm, transformers.models.wav2vec2.modeling_wav2vec2, wandb
PYTHON
}

# PyPI's PyTorch for Linux brings several gigabytes of CUDA. Without a GPU its CPU build is taken instead: from wherever
# pip is configured to look, if it is there, else from PyTorch's own index. No hash of it is locked: PyPI does not have it.
install_torch() {
  local pin build log="$STATE/.setup/install.log" index=${EGSTALKER_TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
  if [ "$(uname -s)" != Linux ]; then
    install_locked torch
    return
  fi
  build=$(torch_build) || exit
  if [ "$build" = cpu ]; then
    pin=$(sed -n 's/^\(torch==[^ ;#]*\).*/\1/p' "$ROOT/requirements/torch.txt")
    pip install --no-deps "$pin+cpu" >"$log" 2>&1 && return
    pip install --no-deps --index-url "$index" --retries 1 --timeout 15 "$pin+cpu" >"$log" 2>&1 && return
    note "$index does not give $pin for the CPU; taking PyPI's build, which needs several gigabytes ..."
  fi
  install_locked torch
  [ "$build" = cpu ] || install_locked cuda
}

torch_build() {
  case "${EGSTALKER_TORCH:-}" in
    cpu | cuda) echo "$EGSTALKER_TORCH" ;;
    "") if has_gpu; then echo cuda; else echo cpu; fi ;;
    *) fail "EGSTALKER_TORCH is cpu or cuda, not '$EGSTALKER_TORCH'" ;;
  esac
}

has_gpu() {
  command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q '^GPU '
}

# The packages that were installed from these locks and are in none of them any more.
dropped_packages() {
  local name
  local -a before=() now=()
  for name in "$@"; do
    [ ! -e "$VENV/.$name.txt" ] || before+=("$VENV/.$name.txt")
    now+=("$ROOT/requirements/$name.txt")
  done
  [ "${#before[@]}" -gt 0 ] || return 0
  comm -23 <(package_names "${before[@]}") <(package_names "${now[@]}") | tr '\n' ' '
}

# Of the lines that begin a package; its hashes follow on lines of their own.
package_names() {
  sed -n 's/^\([a-z0-9][a-z0-9.-]*\)==.*/\1/p' "$@" | sort -u
}

# Prints the first suitable Python. PYTHON, where it is set, is the only one asked.
find_python() {
  local name found=""
  if [ -n "${PYTHON:-}" ]; then
    check_python "$PYTHON" || fail "PYTHON=$PYTHON $UNSUITABLE; give Python 3.10, 3.11 or 3.12 (64 bit)"
    printf '%s\n' "$PYTHON"
    return
  fi
  for name in python3 python3.12 python3.11 python3.10 python; do
    command -v "$name" >/dev/null 2>&1 || continue
    if check_python "$name"; then
      printf '%s\n' "$name"
      return
    fi
    found="$found, $name $UNSUITABLE"
  done
  fail "no suitable Python${found:+ (${found#, })}; install Python 3.10, 3.11 or 3.12 (64 bit, with its venv module)," \
    "or name one with PYTHON=/path/to/python"
}

# Sets UNSUITABLE to the reason, in a few words, and fails where the interpreter will not do.
check_python() {
  UNSUITABLE=$("$1" - 2>/dev/null <<'PYTHON'
import platform, struct, sys
version = "Python %d.%d" % sys.version_info[:2]
if not (3, 10) <= sys.version_info[:2] <= (3, 12):
    print("is %s" % version)
elif struct.calcsize("P") != 8:
    print("is a 32-bit %s" % version)
elif sys.implementation.name != "cpython":
    print("is %s, not CPython" % sys.implementation.name)
elif (sys.platform, platform.machine()) not in (("linux", "x86_64"), ("darwin", "arm64")):
    print("runs on %s %s, for which MediaPipe or PyTorch has no package" % (sys.platform, platform.machine()))
elif sys.platform == "linux" and platform.libc_ver()[0] != "glibc":
    print("is not built on glibc, for which PyTorch has packages")
elif sys.platform == "linux" and tuple(map(int, platform.libc_ver()[1].split(".")[:2])) < (2, 28):
    print("runs on glibc %s, and PyTorch and PyAV have packages for 2.28 and later" % platform.libc_ver()[1])
elif sys.platform == "darwin" and int(platform.mac_ver()[0].split(".")[0]) < 14:
    print("runs on macOS %s, and PyAV has packages for 14 and later" % platform.mac_ver()[0])
else:
    try:
        import ensurepip, venv
        print("fits")
    except ImportError:
        package = "python%d.%d-venv" % sys.version_info[:2]
        print("is %s without the venv module (on Debian and Ubuntu: apt install %s)" % (version, package))
PYTHON
  )
  [ -n "$UNSUITABLE" ] || UNSUITABLE="does not run"
  [ "$UNSUITABLE" = fits ]
}

last_line() {
  grep -v '^ *$' "$1" | tail -n 1
}

# A pip that found nothing to install, or another file than the one locked, changed nothing: then .venv stays as it was.
fail_install() {
  local log="$STATE/.setup/install.log" reason altered
  altered=$(sed -n '/DO NOT MATCH THE HASHES/{n;s/^ *\([^ ]*\).*/\1/p;}' "$log")
  if [ -n "$altered" ] || grep -q 'No matching distribution' "$log"; then rm -f "$VENV/.installing"; fi
  [ -z "$altered" ] || fail "packages could not be installed: $altered is not the file that was locked, its SHA-256 is" \
    "another (all of it: $log); let pip take it from PyPI or from a true copy ('pip config list' says where pip looks)"
  if grep -q -e 'NewConnectionError' -e 'ConnectTimeoutError' -e 'ReadTimeoutError' -e 'name resolution' "$log"; then
    fail "packages could not be installed: the package index cannot be reached (all of it: $log);" \
      "see to the network and run again"
  fi
  reason=$(grep -i '^error' "$log" | tail -n 1)
  fail "packages could not be installed: ${reason:-$(last_line "$log")} (all of it: $log); see to it and run again"
}
