"""build.sh: the docker command line that it becomes, and what it refuses. The image itself: test_engine.py."""

from __future__ import annotations

import re
import shutil

import pytest


def _arguments(checkout) -> dict[str, str]:
    argv = checkout.argv("docker")
    pairs = [argv[i + 1] for i, word in enumerate(argv) if word == "--build-arg"]
    return dict(pair.split("=", 1) for pair in pairs)


def _build(checkout, *arguments: str, **environment: str) -> list[str]:
    if not (checkout.bin / "docker").exists():
        checkout.docker()
    result = checkout.run("build.sh", *arguments, **environment)
    assert result.returncode == 0, result.stderr
    assert "egstalker has 1500 MB" in result.stderr
    return checkout.argv("docker")


def test_help_needs_no_docker(checkout):
    result = checkout.run("build.sh", "--help")
    assert result.returncode == 0 and result.stdout.startswith("Usage: ./build.sh") and not result.stderr


def test_the_checkout_is_built_and_named(checkout, tmp_path):
    argv = _build(checkout)
    assert argv[0] == "build" and argv[-1] == str(checkout.root)
    assert argv[argv.index("--tag") + 1] == "egstalker"
    assert _arguments(checkout) == {"DEVICE": "cuda"}
    assert "--progress" not in argv


def test_settings_of_the_environment_become_build_arguments(checkout):
    settings = {"MAX_JOBS": "8", "TORCH_CUDA_ARCH_LIST": "8.6;9.0", "BASE_IMAGE": "mine", "HTTPS_PROXY": "http://p:1"}
    argv = _build(checkout, "--no-cache", VERBOSE="1", NETWORK="host", **settings)
    assert _arguments(checkout) == {"DEVICE": "cuda", **settings}
    assert argv[argv.index("--progress") + 1] == "plain" and argv[argv.index("--network") + 1] == "host"
    assert "--no-cache" in argv


def test_the_cpu_image_starts_from_the_base_that_is_named(checkout):
    _build(checkout, "--cpu", BASE_IMAGE="debian:bookworm-slim")
    assert _arguments(checkout) == {"DEVICE": "cpu", "CPU_IMAGE": "debian:bookworm-slim"}


def test_where_packages_come_from_is_a_secret_that_is_removed(checkout, tmp_path):
    (tmp_path / "ca.pem").write_text("a certificate")
    argv = _build(
        checkout,
        PIP_INDEX_URL="https://me:word@mirror.invalid/simple",
        PIP_FIND_LINKS="/opt/wheels",
        PIP_EXTRA_INDEX_URL="file:///opt/index",
        PIP_CERT=str(tmp_path / "ca.pem"),
    )
    assert "word" not in " ".join(argv)
    assert (checkout.bin / "secret.idca").read_text() == "a certificate"
    assert (checkout.bin / "secret.idpip").read_text().splitlines() == [
        "[global]",
        "index-url = https://me:word@mirror.invalid/simple",
        "cert = /run/secrets/ca",
    ]
    source = next(word.split("src=")[1] for word in argv if word.startswith("id=pip"))
    assert not (checkout.root / source).exists()


def test_what_is_missing_is_one_line(checkout):
    def error() -> str:
        result = checkout.run("build.sh")
        assert result.returncode == 1 and len(result.stderr.splitlines()) == 1, result.stderr
        return result.stderr

    assert "no docker command" in error()
    checkout.docker()
    (checkout.bin / "no-buildx").touch()
    assert "docker-buildx-plugin" in error()
    (checkout.bin / "daemon").unlink()
    assert "no Docker daemon answers" in error()


def test_an_older_docker_has_buildkit_without_the_plug_in(checkout):
    checkout.docker()
    (checkout.bin / "no-buildx").touch()
    (checkout.bin / "version").write_text("Docker version 20.10.24+dfsg1, build 297e128\n")
    _build(checkout)


def test_of_two_dockers_the_one_that_can_build_is_taken(checkout, tmp_path):
    checkout.docker()
    (checkout.bin / "no-buildx").touch()
    older = tmp_path / "older"
    older.mkdir()
    (older / "version").write_text("Docker version 20.10.24, build 0\n")
    shutil.copy2(checkout.bin / "docker", older)
    result = checkout.run("build.sh", PATH=f"{checkout.bin}:{older}")
    assert result.returncode == 0, result.stderr
    assert (older / "docker.argv").read_text().startswith("build\0")
    assert not (checkout.bin / "docker.argv").exists()


def test_a_failing_build_passes_its_exit_code_and_says_how_to_see_more(checkout):
    checkout.docker()
    (checkout.bin / "exit").write_text("17")
    result = checkout.run("build.sh", "--cpu")
    assert result.returncode == 17
    assert (
        result.stderr.splitlines()[-1].startswith("error: the image could not be built")
        and "VERBOSE=1" in result.stderr
    )


def test_the_context_is_the_locks_alone(repository):
    lines = (repository / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    dockerfile = (repository / "Dockerfile").read_text()
    assert kept == set(re.findall(r"source=(requirements/[a-z-]+\.txt)", dockerfile))
    assert all((repository / path).is_file() for path in kept)
    assert not re.search(r"^(COPY|ADD) ", dockerfile, re.MULTILINE)


def test_what_is_installed_from_a_lock_is_checked_against_its_hashes(repository):
    steps = (repository / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    calls = [
        call for step in steps for call in re.findall(r"pip (?:install|wheel) [^&|;]*-r /requirements/[^&|;]*", step)
    ]
    assert len(calls) == 5
    assert all("--no-deps --require-hashes" in call for call in calls)
    assert not any(re.search(r"pip (install|wheel) .*[a-z]==", step) for step in steps)


def test_the_label_by_which_servers_know_the_image_is_there(repository):
    dockerfile = (repository / "Dockerfile").read_text()
    assert 'egstalker.live="yes"' in dockerfile
    assert dockerfile.count(" -r /requirements/live.txt ") == 2  # on a GPU and without
    assert '.Config.Labels "egstalker.live"' in (repository / "scripts/runtime.sh").read_text()


def test_the_extensions_are_pinned_to_commits(repository):
    dockerfile = (repository / "Dockerfile").read_text()
    assert len(re.findall(r"^ARG [A-Z0-9_]+=https://\S+\.git@[0-9a-f]{40}$", dockerfile, re.MULTILINE)) == 3
    assert "git+https" not in dockerfile


@pytest.mark.parametrize("argument", ["TORCH_CUDA_ARCH_LIST=8.6", "MAX_JOBS=4", "DEVICE=cuda"])
def test_defaults_are_the_documented_ones(repository, argument):
    assert f"\nARG {argument}\n" in (repository / "Dockerfile").read_text()
