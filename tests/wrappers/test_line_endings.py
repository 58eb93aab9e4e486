""".gitattributes: a clone on a machine that turns line endings still starts its scripts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def _git(folder: Path, *arguments: str) -> None:
    settings = ["-c", "user.name=me", "-c", "user.email=me@here", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_clone_with_autocrlf_starts_its_scripts(repository, tmp_path):
    made, clone = tmp_path / "made", tmp_path / "clone"
    made.mkdir()
    shutil.copy(repository / ".gitattributes", made)
    for script in repository.glob("*.sh"):
        shutil.copy(script, made)
    shutil.copytree(repository / "scripts", made / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(repository / ".ci", made / ".ci")
    (made / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (made / "text.txt").write_bytes(b"a\r\nb\r\n")
    _git(made, "init")
    _git(made, "add", "--all")
    _git(made, "commit", "--message", "all")
    _git(tmp_path, "clone", "--config", "core.autocrlf=true", str(made), str(clone))
    for name in (".ci/run", "text.txt", *(str(path.relative_to(made)) for path in made.rglob("*.sh"))):
        assert b"\r" not in (clone / name).read_bytes(), name
    assert (clone / "picture.png").read_bytes() == b"\x89PNG\r\n\x1a\n"
    for script in ("demo.sh", "preprocess.sh", "train.sh", "predict.sh"):
        answer = subprocess.run([str(clone / script), "--help"], capture_output=True, text=True, check=True)
        assert answer.stdout.startswith(f"Usage: ./{script}")
