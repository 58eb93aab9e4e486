"""scripts/runtime.sh: when a command runs in the container, and the docker command line that it becomes."""

from __future__ import annotations

import csv
import os
import pty
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class DockerRun:
    """A parsed ``docker run``."""

    flags: list[str]
    values: dict[str, list[str]]
    command: list[str]

    @property
    def mounts(self) -> dict[str, str]:
        """Source of every target."""
        rows = [dict(field.split("=", 1) for field in row) for row in csv.reader(self.values["--mount"])]
        assert all(row["type"] == "bind" for row in rows)
        return {row["target"]: row["source"] for row in rows}


def _docker_run(checkout, image: str = "egstalker") -> DockerRun:
    argv = checkout.argv("docker")
    assert argv[0] == "run"
    end = argv.index(image)
    flags: list[str] = []
    values: dict[str, list[str]] = {}
    i = 1
    while i < end:
        if argv[i] in ("--rm", "--init", "--interactive", "--tty"):
            flags.append(argv[i])
            i += 1
        else:
            values.setdefault(argv[i], []).append(argv[i + 1])
            i += 2
    return DockerRun(flags, values, argv[end + 1 :])


def _train(checkout, *arguments: str, cwd: Path | None = None, **environment: str):
    if not (checkout.bin / "docker").exists():
        checkout.docker()
    result = checkout.run("train.sh", *(arguments or ("-s", "data")), cwd=cwd, **environment)
    assert result.returncode == 0, result.stderr
    return _docker_run(checkout)


@pytest.mark.parametrize(
    ("docker", "image", "forced", "runs"),
    [
        (True, True, "", "docker"),
        (True, False, "", "native"),
        (False, False, "", "native"),
        (True, True, "native", "native"),
        (True, True, "docker", "docker"),
        (True, False, "native", "native"),
    ],
)
def test_the_container_is_taken_where_daemon_and_image_are_unless_forced(checkout, docker, image, forced, runs):
    if docker:
        checkout.docker(image="egstalker" if image else "")
    environment = {"EGSTALKER_RUNTIME": forced} if forced else {}
    assert checkout.run("train.sh", "-s", "data", **environment).returncode == 0
    assert (checkout.bin / "docker.argv").exists() == (runs == "docker")
    assert (checkout.bin / "python.argv").exists() == (runs == "native")
    assert (checkout.root / ".venv").exists() == (runs == "native")


def test_a_forced_container_that_cannot_be_had_is_one_line(checkout):
    def error() -> str:
        result = checkout.run("train.sh", "-s", "data", EGSTALKER_RUNTIME="docker")
        assert result.returncode == 1 and len(result.stderr.splitlines()) == 1
        return result.stderr

    assert "no docker command" in error()
    checkout.docker(image="")
    assert "no image 'egstalker'; make it with ./build.sh" in error()
    (checkout.bin / "daemon").unlink()
    assert "no Docker daemon answers" in error()
    result = checkout.run("train.sh", "-s", "data", EGSTALKER_RUNTIME="podman")
    assert result.returncode == 1 and "docker or native, not 'podman'" in result.stderr


def test_the_program_runs_as_the_caller_in_the_callers_folder_with_a_home(checkout):
    run = _train(checkout, "-s", "a b", "--model_path", "output/m")
    root = str(checkout.root)
    assert run.command == ["python", f"{root}/train.py", "-s", "a b", "--model_path", "output/m"]
    assert sorted(run.flags) == ["--init", "--rm"]
    assert run.values["--user"] == [f"{os.getuid()}:{os.getgid()}"]
    assert run.values["--workdir"] == [root]
    assert run.mounts == {root: root}
    assert _home(run).startswith(root) and os.access(_home(run), os.W_OK)


def _home(run: DockerRun) -> str:
    return next(value for value in run.values["--env"] if value.startswith("HOME=")).removeprefix("HOME=")


def test_compiled_kernels_and_fetched_models_last_in_a_folder_of_the_checkout(checkout):
    run = _train(checkout)
    assert _home(run) == f"{checkout.root}/.cache/container"
    assert f"NUMBA_CACHE_DIR={_home(run)}/.cache/numba" in run.values["--env"]


def test_another_cache_is_taken_where_that_one_cannot_be_written_or_the_user_says_so(checkout, tmp_path):
    (checkout.root / ".cache").touch()
    run = _train(checkout, XDG_CACHE_HOME=str(tmp_path / "mine"))
    assert _home(run) == f"{tmp_path}/mine/egstalker" and _home(run) in run.mounts
    run = _train(checkout, EGSTALKER_CACHE=str(tmp_path / "other"))
    assert _home(run) == f"{tmp_path}/other" and _home(run) in run.mounts
    (tmp_path / "file").touch()
    result = checkout.run("train.sh", "-s", "x", XDG_CACHE_HOME=str(tmp_path / "file"))
    assert result.returncode == 1 and result.stderr.count("\n") == 1 and "EGSTALKER_CACHE" in result.stderr


def test_under_a_rootless_daemon_the_caller_is_the_containers_root(checkout):
    checkout.docker()
    (checkout.bin / "daemon").write_text("[name=seccomp name=rootless] map[runc:{}]\n")
    assert _train(checkout).values["--user"] == ["0:0"]


def test_under_selinux_mounted_folders_can_be_reached_and_keep_their_labels(checkout):
    assert "--security-opt" not in _train(checkout).values
    (checkout.bin / "daemon").write_text("[name=seccomp name=selinux] map[runc:{}]\n")
    assert _train(checkout).values["--security-opt"] == ["label=disable"]


def test_the_gpu_is_handed_on_only_where_there_is_one_that_docker_can_use(checkout):
    assert "--gpus" not in _train(checkout).values
    checkout.docker("map[nvidia:{} runc:{}]")
    assert "--gpus" not in _train(checkout).values
    checkout.gpu()
    assert _train(checkout).values["--gpus"] == ["all"]
    checkout.docker("map[runc:{}]")
    assert "--gpus" not in _train(checkout).values
    assert "NVIDIA Container Toolkit" in checkout.run("train.sh", "-s", "data").stderr
    checkout.program("nvidia-ctk", "#!/usr/bin/env bash\n")
    assert _train(checkout).values["--gpus"] == ["all"]


def test_paths_outside_the_checkout_are_mounted_where_they_are(checkout, tmp_path):
    data, audio = tmp_path / "my data", tmp_path / "sound/a, b.wav"
    data.mkdir()
    audio.parent.mkdir()
    audio.touch()
    run = _train(
        checkout, "-s", str(data), f"--custom_wav={audio}", "--model_path", str(tmp_path / "my data/new/model")
    )
    assert run.mounts == {str(path): str(path) for path in (checkout.root, data, audio)}


def test_an_output_to_be_made_mounts_the_nearest_folder_there_is(checkout, tmp_path):
    (tmp_path / "out").mkdir()
    run = _train(checkout, "--model_path", str(tmp_path / "out/a/b"), "--name", "facebook/model", "--at", "http://a/b")
    assert set(run.mounts) == {str(checkout.root), str(tmp_path / "out")}


def test_a_video_outside_is_mounted_with_its_folder_where_the_dataset_goes(checkout, tmp_path):
    checkout.docker()
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/me.mp4").touch()
    assert checkout.run("preprocess.sh", "../clips/me.mp4").returncode == 0
    run = _docker_run(checkout)
    assert str(tmp_path / "clips") in run.mounts
    assert run.command[1:] == [f"{checkout.root}/data_utils/process.py", "../clips/me.mp4"]


def test_where_links_lead_is_mounted_too(checkout, tmp_path):
    disk = tmp_path / "disk"
    (disk / "input").mkdir(parents=True)
    (checkout.root / "data").symlink_to(disk)
    (tmp_path / "alias").symlink_to(disk)
    assert str(disk / "input") in _train(checkout, "-s", "data/input").mounts
    run = _train(checkout, "-s", str(tmp_path / "alias/input"))
    assert run.mounts[str(tmp_path / "alias/input")] == str(disk / "input")


def test_where_a_link_with_a_leading_dash_leads_is_mounted_too(checkout, tmp_path):
    (tmp_path / "disk/input").mkdir(parents=True)
    (checkout.root / "-d").symlink_to(tmp_path / "disk/input")
    assert str(tmp_path / "disk/input") in _train(checkout, "-s", "-d").mounts


def test_another_working_folder_is_mounted_and_kept(checkout, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    run = _train(checkout, "-s", "new", cwd=work)
    assert run.values["--workdir"] == [str(work)]
    assert set(run.mounts) == {str(checkout.root), str(work)}


def test_a_folder_that_would_hide_the_images_own_is_refused(checkout):
    checkout.docker()
    result = checkout.run("train.sh", "-s", "data", "--model_path", "/usr/model")
    assert result.returncode == 1
    assert result.stderr.startswith("error: /usr/model: /usr cannot be shared")
    assert not (checkout.bin / "docker.argv").exists()


def test_settings_in_the_environment_are_passed_on_but_no_secret_is_shown(checkout, tmp_path):
    (tmp_path / "models").mkdir()
    checkout.environment |= {"WANDB_MODE": "offline", "WANDB_API_KEY": "secret", "OMP_NUM_THREADS": "2", "OTHER": "x"}
    run = _train(checkout, CUDA_VISIBLE_DEVICES="1", HF_HOME=str(tmp_path / "models"))
    named = {value for value in run.values["--env"] if "=" not in value}
    assert named == {"WANDB_MODE", "WANDB_API_KEY", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "HF_HOME"}
    assert str(tmp_path / "models") in run.mounts
    assert "secret" not in " ".join(checkout.argv("docker"))


def test_another_image_can_be_named(checkout):
    checkout.docker(image="mine:cpu")
    assert checkout.run("train.sh", "-s", "data", EGSTALKER_IMAGE="mine:cpu").returncode == 0
    assert _docker_run(checkout, "mine:cpu").command[0] == "python"


@pytest.mark.parametrize("code", [3, 125, 137])
def test_exit_codes_pass(checkout, code):
    checkout.docker()
    (checkout.bin / "exit").write_text(str(code))
    assert checkout.run("train.sh", "-s", "data").returncode == code


def test_ctrl_c_reaches_docker(checkout):
    checkout.docker()
    (checkout.bin / "wait").touch()
    with checkout.start("train.sh", "-s", "data") as process:
        deadline = time.monotonic() + 10
        while not (checkout.bin / "waiting").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def test_a_terminal_is_handed_on(checkout):
    checkout.docker()
    ours, theirs = pty.openpty()
    command = [str(checkout.root / "train.sh"), "-s", "data"]
    environment = {"PATH": str(checkout.bin)}
    try:
        subprocess.run(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, check=True, timeout=10)
    finally:
        os.close(ours)
        os.close(theirs)
    assert {"--interactive", "--tty"} <= set(_docker_run(checkout).flags)


def _live(checkout, *arguments: str, **environment: str) -> DockerRun:
    if not (checkout.bin / "docker").exists():
        checkout.docker()
    result = checkout.run("live.sh", *arguments, **environment)
    assert result.returncode == 0, result.stderr
    return _docker_run(checkout)


def test_servers_run_in_this_machines_network_so_that_its_loopback_is_theirs(checkout, tmp_path):
    (tmp_path / "my model").mkdir()
    run = _live(checkout, "--model_path", str(tmp_path / "my model"), "--port", "7")
    assert run.values["--network"] == ["host"] and "--publish" not in run.values
    root = str(checkout.root)
    assert run.command == ["python", f"{root}/serve.py", "--model_path", f"{tmp_path}/my model", "--port", "7"]
    assert set(run.mounts) == {root, str(tmp_path / "my model")}
    assert checkout.run("app.sh", "--port", "7").returncode == 0
    run = _docker_run(checkout)
    assert run.values["--network"] == ["host"]
    home = ["--home", f"{root}/output/page"]
    assert run.command == ["python", "-m", "live.page", "--end_jobs", *home, "--port", "7"]
    assert "--network" not in _train(checkout).values


def test_a_server_has_time_to_end(checkout):
    assert int(_live(checkout).values["--stop-timeout"][0]) > 20


@pytest.mark.parametrize("given", [["--token", "/etc/word"], ["--token=/etc/word"]])
@pytest.mark.parametrize("script", ["live.sh", "app.sh"])
def test_a_token_is_no_path(checkout, script, given):
    checkout.docker()
    assert checkout.run(script, *given).returncode == 0
    run = _docker_run(checkout)
    assert run.command[-len(given) :] == given
    assert set(run.mounts) == {str(checkout.root)}


def test_what_a_live_head_is_sent_to_is_shared_and_no_key_is_shown(checkout, tmp_path):
    for name in ("films", "others"):
        (tmp_path / name).mkdir()
    checkout.environment |= {"WHIP_TOKEN": "sk-1", "LIVEKIT_TOKEN": "sk-2", "LIVEKIT_URL": "wss://x", "OTHER": "sk-3"}
    checkout.environment |= {"STREAM": "rtmp://a/sk-4", "FILM": str(tmp_path / "others/new.mkv")}
    outputs = [str(tmp_path / "films/new.mp4"), "env:STREAM", "env:FILM", "env:NO-NAME", "https://host/etc"]
    run = _live(checkout, *(word for one in outputs for word in ("--output", one)), "--livekit")
    assert set(run.mounts) == {str(path) for path in (checkout.root, tmp_path / "films", tmp_path / "others")}
    named = {value for value in run.values["--env"] if "=" not in value}
    assert named - {"TRAINING_LOG"} == {"WHIP_TOKEN", "LIVEKIT_TOKEN", "LIVEKIT_URL", "STREAM", "FILM"}
    assert "sk-" not in " ".join(checkout.argv("docker"))


def test_a_voice_of_the_users_own_is_shared_with_a_live_head(checkout, tmp_path):
    (tmp_path / "voice.sh").touch()
    run = _live(checkout, f"--voice=bash {tmp_path}/voice.sh /usr/bin/env {{text}}")
    assert set(run.mounts) == {str(checkout.root), f"{tmp_path}/voice.sh"}


@pytest.mark.parametrize(
    ("daemon", "live", "arguments", "why"),
    [
        ("Docker Desktop [name=seccomp]", "yes", [], "Docker Desktop's containers are not in this machine's network"),
        ("Debian [name=seccomp name=rootless]", "yes", [], "a rootless Docker's containers are not"),
        ("Debian [name=seccomp]", "<no value>", [], "no packages for live use; ./build.sh adds them"),
        ("Debian [name=seccomp]", "yes", ["--output", "/dev/video9"], "cameras and sound cards are not shared"),
        ("Debian [name=seccomp]", "yes", ["--output=env:CAMERA"], "cameras and sound cards are not shared"),
    ],
)
def test_a_server_runs_natively_and_says_why_where_a_container_would_not_do(checkout, daemon, live, arguments, why):
    checkout.docker()
    checkout.environment["CAMERA"] = "alsa:default"
    (checkout.bin / "daemon").write_text(daemon + " map[runc:{}]\n")
    (checkout.bin / "live").write_text(live + "\n")
    result = checkout.run("live.sh", *arguments)
    assert result.returncode == 0 and why in result.stderr.splitlines()[0]
    assert (checkout.bin / "python.argv").exists()
    result = checkout.run("live.sh", *arguments, EGSTALKER_RUNTIME="docker")
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ") and why in result.stderr
    assert checkout.run("live.sh", *arguments, EGSTALKER_RUNTIME="native").stderr == ""
    assert not (checkout.bin / "docker.argv").exists()
