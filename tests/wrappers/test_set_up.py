"""scripts/environment.sh: .venv is made once, follows its locks and survives being killed."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
import zipfile
from pathlib import Path

import pytest

UNSUITABLE = "#!/usr/bin/env bash\n[ \"$1\" = - ] && echo 'is Python 3.13'\n"


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.01)


def _one_line_error(result) -> str:
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.returncode == 1 and len(lines) == 1 and "Traceback" not in result.stderr, result.stderr
    return lines[0]


def test_the_first_run_installs_wheels_without_dependencies_and_the_second_nothing(checkout):
    assert checkout.run("test.sh").returncode == 0
    calls = checkout.lines("pip.log")
    assert [call.split()[0] for call in calls] == ["venv", "install", "install"]
    assert all("--only-binary :all:" in call and "--no-deps" in call for call in calls[1:])
    assert "torch==2.13.0+cpu" in calls[1] and "--require-hashes" not in calls[1]
    assert "--require-hashes" in calls[2]
    assert "native.txt" in calls[2] and "dev.txt" in calls[2]
    assert checkout.run("test.sh").returncode == 0
    assert checkout.lines("pip.log") == calls


def test_the_pipeline_does_without_the_test_tools(checkout):
    assert checkout.run("train.sh", "-s", "data").returncode == 0
    assert not any("dev.txt" in call for call in checkout.lines("pip.log"))
    assert checkout.run("test.sh").returncode == 0
    assert any("dev.txt" in call for call in checkout.lines("pip.log"))


def test_a_changed_lock_is_installed_into_the_same_environment(checkout):
    checkout.run("test.sh")
    kept = checkout.root / ".venv/kept"
    kept.touch()
    (checkout.root / "requirements/native.txt").write_text("numpy==1.26.5 \\\n    --hash=sha256:0e\n")
    assert checkout.run("test.sh").returncode == 0
    calls = checkout.lines("pip.log")[3:]
    assert [call.split()[0] for call in calls] == ["uninstall", "install", "install"]
    assert calls[0].split()[-1] == "pandas"
    assert kept.exists()
    assert checkout.run("test.sh").returncode == 0
    assert len(checkout.lines("pip.log")) == 6


def test_a_killed_set_up_is_made_afresh(checkout):
    (checkout.bin / "hold").touch()
    with checkout.start("test.sh") as process:
        _wait_for(checkout.bin / "held")
        os.killpg(process.pid, signal.SIGKILL)
    (checkout.bin / "hold").unlink()
    half_made = checkout.root / ".venv/half-made"
    half_made.touch()
    assert checkout.run("test.sh").returncode == 0
    assert not half_made.exists()
    assert checkout.lines("pip.log").count("venv") == 2
    assert [line.split(" --")[0] for line in checkout.lines("python.log")] == ["-m pytest"]


def test_two_set_ups_at_once_install_once(checkout):
    (checkout.bin / "hold").touch()
    with checkout.start("test.sh") as first:
        _wait_for(checkout.bin / "held")
        with checkout.start("test.sh") as second:
            time.sleep(0.3)
            assert second.poll() is None
            (checkout.bin / "hold").unlink()
            assert first.wait(20) == 0
            assert second.wait(20) == 0
    assert [call.split()[0] for call in checkout.lines("pip.log")] == ["venv", "install", "install"]


def test_a_failed_installation_is_one_line_and_leaves_a_whole_environment(checkout):
    checkout.run("test.sh")
    kept = checkout.root / ".venv/kept"
    kept.touch()
    (checkout.root / "requirements/dev.txt").write_text("pytest==10\n")
    (checkout.bin / "refused").write_text("native.txt")
    assert "No matching distribution" in _one_line_error(checkout.run("test.sh"))
    (checkout.bin / "refused").unlink()
    assert checkout.run("test.sh").returncode == 0
    assert kept.exists()


def test_a_package_that_moves_to_another_lock_stays_installed(checkout):
    checkout.run("test.sh")
    lock = checkout.root / "requirements/native.txt"
    lock.write_text(lock.read_text() + "pytest==9.2.0\n")
    (checkout.root / "requirements/dev.txt").write_text("mypy==2.4.1\n")
    assert checkout.run("test.sh").returncode == 0
    assert [call.split()[0] for call in checkout.lines("pip.log")[3:]] == ["install", "install"]


def test_a_changed_torch_is_installed(checkout):
    checkout.run("train.sh", "-s", "x")
    (checkout.root / "requirements/torch.txt").write_text("torch==2.14.0\n")
    assert checkout.run("train.sh", "-s", "x").returncode == 0
    assert "torch==2.14.0+cpu" in checkout.lines("pip.log")[3]


def _wheel(folder: Path, name: str, version: str) -> str:
    """Make a package of nothing; returns the SHA-256 of its wheel."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    described = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{described}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{described}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{described}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_package_of_another_hash_is_one_line_and_is_not_installed(checkout, tmp_path):
    checkout.program("python3", f'#!/usr/bin/env bash\nexec "{sys.executable}" "$@"\n')
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    digests = [_wheel(wheels, name, "1.0") for name in ("first", "second")]
    _wheel(wheels, "torch", "2.13.0+cpu")
    lock = checkout.root / "requirements/native.txt"
    rows = [
        f"{name}==1.0 \\\n    --hash=sha256:{digest}\n"
        for name, digest in zip(("first", "second"), digests, strict=True)
    ]
    lock.write_text("".join(rows).replace(digests[1], "0" * 64))
    pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "EGSTALKER_TORCH": "cpu"}
    error = _one_line_error(checkout.run("train.sh", "-s", "x", **pip))
    assert "second==1.0 is not the file that was locked" in error and "first" not in error
    installed = {path.name.split("-")[0] for path in checkout.root.glob(".venv/lib/*/site-packages/*.dist-info")}
    assert "torch" in installed and not installed & {"first", "second"}
    lock.write_text("".join(rows))
    assert "the packages are installed but do not work" in _one_line_error(checkout.run("train.sh", "-s", "x", **pip))


def test_without_a_gpu_torch_is_its_cpu_build_wherever_that_is_found(checkout):
    (checkout.bin / "refused").write_text("--no-deps torch==2.13.0+cpu")
    assert checkout.run("train.sh", "-s", "x", EGSTALKER_TORCH_INDEX="https://mirror.invalid/cpu").returncode == 0
    calls = checkout.lines("pip.log")
    assert "--index-url" not in calls[1]
    assert "--index-url https://mirror.invalid/cpu" in calls[2] and "torch==2.13.0+cpu" in calls[2]
    assert len(calls) == 4


def test_where_no_cpu_build_is_found_pypi_serves(checkout):
    (checkout.bin / "refused").write_text("+cpu")
    result = checkout.run("train.sh", "-s", "x")
    assert result.returncode == 0
    assert "several gigabytes" in result.stderr
    assert checkout.lines("pip.log")[3].endswith(
        "--no-deps --require-hashes -r " + str(checkout.root / "requirements/torch.txt")
    )


@pytest.mark.parametrize("chosen", ["by the machine", "by the user"])
def test_with_a_gpu_torch_comes_from_pypi(checkout, chosen):
    if chosen == "by the machine":
        checkout.gpu()
    else:
        checkout.environment["EGSTALKER_TORCH"] = "cuda"
    assert checkout.run("train.sh", "-s", "x").returncode == 0
    assert checkout.lines("pip.log")[1].endswith("requirements/torch.txt")
    assert checkout.lines("pip.log")[2].endswith("requirements/cuda.txt")


def test_no_python_is_one_line(checkout):
    (checkout.bin / "python3").unlink()
    error = _one_line_error(checkout.run("demo.sh"))
    assert "no suitable Python; install Python 3.10, 3.11 or 3.12" in error
    assert not (checkout.root / ".venv").exists()


def test_an_unsuitable_python_is_named_and_the_next_one_taken(checkout):
    checkout.program("python3.10", (checkout.bin / "python3").read_text())
    checkout.program("python3", UNSUITABLE)
    assert checkout.run("test.sh").returncode == 0
    (checkout.root / ".venv/bin/python").unlink()
    (checkout.bin / "python3.10").unlink()
    assert "python3 is Python 3.13" in _one_line_error(checkout.run("test.sh"))


def test_the_python_that_the_user_names_is_the_one(checkout):
    checkout.program("chosen", (checkout.bin / "python3").read_text())
    checkout.program("python3", UNSUITABLE)
    assert checkout.run("test.sh", PYTHON="chosen").returncode == 0
    (checkout.root / ".venv/bin/python").unlink()
    assert "PYTHON=python3 is Python 3.13" in _one_line_error(checkout.run("test.sh", PYTHON="python3"))
    assert "PYTHON=nowhere does not run" in _one_line_error(checkout.run("test.sh", PYTHON="nowhere"))


def test_this_python_is_judged_by_its_version_and_modules(checkout, tmp_path):
    checkout.program("python3", f'#!/usr/bin/env bash\nexec "{sys.executable}" "$@"\n')
    probe = '. "$ROOT/scripts/environment.sh"; check_python python3 && echo yes || echo "$UNSUITABLE"'
    (checkout.root / "probe").write_text(f'#!/usr/bin/env bash\nROOT=$(dirname "$0")\n{probe}\n')
    (checkout.root / "probe").chmod(0o755)
    assert checkout.run("probe").stdout == "yes\n"
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/ensurepip.py").write_text("raise ImportError\n")
    answer = checkout.run("probe", PYTHONPATH=str(tmp_path / "modules")).stdout
    assert "without the venv module" in answer


def test_a_system_that_is_too_old_for_the_packages_is_named(checkout, tmp_path):
    checkout.program("python3", f'#!/usr/bin/env bash\nexec "{sys.executable}" "$@"\n')
    (tmp_path / "platform.py").write_text(
        "machine = lambda: 'arm64' if __import__('sys').platform == 'darwin' else 'x86_64'\n"
        "libc_ver = lambda: ('glibc', '2.27')\nmac_ver = lambda: ('13.6', (), 'arm64')\n"
    )
    error = _one_line_error(checkout.run("train.sh", "-s", "x", PYTHONPATH=str(tmp_path)))
    assert "runs on glibc 2.27" in error or "runs on macOS 13.6" in error
