"""download_models.sh and download_bfm.sh, run for real against a folder as mirror."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.http_server import QuietHandler, serving


@pytest.fixture
def mirror(checkout, repository, tmp_path) -> Path:
    """A mirror of all files, a few bytes each, whose sizes and checksums the checkout's catalogues state instead."""
    shutil.copytree(repository / "arguments", checkout.root / "arguments", ignore=shutil.ignore_patterns("__pycache__"))
    mirror = tmp_path / "a mirror"
    for path in (checkout.root / "scripts/downloads").glob("*.json"):
        catalogue = json.loads(path.read_text())
        for file in (file for files in catalogue.values() for file in files["files"]):
            content = f"content of {file['path']}".encode()
            (mirror / file["path"]).parent.mkdir(parents=True, exist_ok=True)
            (mirror / file["path"]).write_bytes(content)
            if "size" in file:
                file["size"] = len(content)
            if "sha256" in file:
                file["sha256"] = hashlib.sha256(content).hexdigest()
        path.write_text(json.dumps(catalogue))
    checkout.program("python3", f'#!/usr/bin/env bash\nexec "{sys.executable}" "$@"\n')
    checkout.environment |= {"MODEL_MIRROR": mirror.as_uri(), "EGSTALKER_RUNTIME": "native"}
    return mirror


def _files(folder: Path) -> dict[str, bytes]:
    places = ("data_utils", "imaging")
    return {str(p.relative_to(folder)): p.read_bytes() for d in places for p in (folder / d).rglob("*") if p.is_file()}


def test_all_models_come_in_place_and_are_skipped_when_there(checkout, mirror):
    first = checkout.run("download_models.sh")
    assert first.returncode == 0, first.stderr
    assert _files(checkout.root) == {k: v for k, v in _files(mirror).items() if "3DMM" not in k}
    (mirror / "data_utils").rename(mirror / "gone")
    second = checkout.run("download_models.sh")
    assert second.returncode == 0 and "To fetch: 0 files" in second.stdout
    assert not (checkout.root / ".venv").exists()


def test_everything_is_stated_before_anything_is_fetched(checkout, mirror):
    result = checkout.run("download_models.sh", "--list")
    assert result.returncode == 0
    for said in (
        "79999_iter.pth",
        "Apache-2.0",
        "SHA-256 ",
        "bytes)",
        "https://huggingface.co/facebook/",
        "To fetch: ",
    ):
        assert said in result.stdout
    assert _files(checkout.root) == {}


def test_sets_are_chosen_by_name(checkout, mirror):
    assert checkout.run("download_models.sh", "wav2vec2").returncode == 0
    assert {Path(name).parent.name for name in _files(checkout.root)} == {"wav2vec2-base-960h"}
    wrong = checkout.run("download_models.sh", "wav2vec3")
    assert wrong.returncode == 2 and "choose from parsing, wav2vec2" in wrong.stderr


def test_a_checksum_that_nobody_publishes_is_recorded_and_holds_from_then_on(checkout, mirror):
    graph = "data_utils/audio_features/models/deepspeech/output_graph.pb"
    assert "models.sha256 now; commit it" in checkout.run("download_models.sh", "deepspeech").stdout
    recorded = (checkout.root / "requirements/models.sha256").read_text()
    assert recorded == f"{hashlib.sha256((mirror / graph).read_bytes()).hexdigest()}  {graph}\n"
    (checkout.root / graph).unlink()
    (mirror / graph).write_bytes(b"another graph")
    result = checkout.run("download_models.sh", "deepspeech")
    assert result.returncode == 5 and "has the checksum" in result.stderr
    assert _files(checkout.root) == {}


def test_a_corrupted_file_is_refused_and_the_others_come_all_the_same(checkout, mirror):
    path = "imaging/models/vgg16-397923af.pth"
    (mirror / path).write_bytes((mirror / path).read_bytes().replace(b"content", b"CONTENT"))
    result = checkout.run("download_models.sh", "lpips")
    assert result.returncode == 5
    assert [
        line for line in result.stderr.splitlines() if line.startswith("error: vgg16-397923af.pth has the checksum")
    ]
    assert path not in _files(checkout.root) and len(_files(checkout.root)) == 3


def test_a_file_damaged_since_is_found_by_size_or_when_asked(checkout, mirror):
    path = checkout.root / "data_utils/face_parsing/79999_iter.pth"
    checkout.run("download_models.sh", "parsing")
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    assert checkout.run("download_models.sh", "parsing").returncode == 0
    assert path.read_bytes() == good
    path.write_bytes(good[:-1] + b"X")
    assert "To fetch: 0" in checkout.run("download_models.sh", "parsing").stdout
    assert checkout.run("download_models.sh", "parsing", "--verify").returncode == 0
    assert path.read_bytes() == good


def test_a_missing_source_is_one_line_with_its_own_code(checkout, mirror):
    (mirror / "data_utils/face_parsing/79999_iter.pth").unlink()
    result = checkout.run("download_models.sh", "parsing")
    assert result.returncode == 4
    assert len(result.stderr.splitlines()) == 1 and "No such file" in result.stderr


def test_a_folder_that_cannot_be_written_has_its_own_code(checkout, mirror):
    (checkout.root / "imaging").touch()
    result = checkout.run("download_models.sh", "lpips")
    assert result.returncode == 6 and "cannot be written" in result.stderr and "Traceback" not in result.stderr


def test_a_mirror_may_have_its_files_side_by_side_where_their_names_tell_them_apart(checkout, mirror, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for name, content in _files(mirror).items():
        (flat / Path(name).name).write_bytes(content)
    checkout.environment["MODEL_MIRROR"] = str(flat)
    assert checkout.run("download_models.sh", "lpips", "parsing").returncode == 0
    assert checkout.run("download_models.sh", "hubert").returncode == 4
    assert not any("config.json" in name for name in _files(checkout.root))


def test_the_licence_of_the_face_model_is_shown_and_must_be_accepted(checkout, mirror):
    refused = checkout.run("download_bfm.sh")
    assert refused.returncode == 3
    assert "research and evaluation only" in refused.stdout and "https://faces.dmi.unibas.ch" in refused.stdout
    assert "ACCEPT_BFM_LICENSE=yes" in refused.stderr and _files(checkout.root) == {}
    assert checkout.run("download_bfm.sh", ACCEPT_BFM_LICENSE="no").returncode == 3
    accepted = checkout.run("download_bfm.sh", ACCEPT_BFM_LICENSE="yes")
    assert accepted.returncode == 0, accepted.stderr
    assert _files(checkout.root) == {k: v for k, v in _files(mirror).items() if "3DMM" in k}
    expected = ["01_MorphableModel.mat", "BFM09_model_info.mat", "BFM_exp_idx.mat", "BFM_front_idx.mat"]
    expected += ["facemodel_info.mat", "select_vertex_id.mat", "similarity_Lm3D_all.mat"]
    assert {Path(name).name for name in _files(checkout.root)} >= set(expected)


def test_what_is_there_is_asked_nothing_about(checkout, mirror):
    checkout.run("download_bfm.sh", ACCEPT_BFM_LICENSE="yes")
    assert checkout.run("download_bfm.sh").returncode == 0


def test_interrupted_it_keeps_what_has_come_and_goes_on(checkout, mirror, slow_server):
    path = "imaging/models/alexnet-owt-7be5be79.pth"
    slow_server.content = (mirror / path).read_bytes()
    part = checkout.root / path.replace("alexnet", ".alexnet").replace(".pth", ".pth.part")
    with checkout.start("download_models.sh", "lpips", MODEL_MIRROR=slow_server.url) as process:
        try:
            _wait_until(lambda: part.is_file() and part.stat().st_size == 5)
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(10) == 130
        finally:
            slow_server.go_on.set()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        assert "run the same command again" in process.stderr.read()
    assert part.read_bytes() == slow_server.content[:5]
    assert checkout.run("download_models.sh", "lpips").returncode == 0
    assert (checkout.root / path).read_bytes() == slow_server.content


@dataclass
class SlowServer:
    """Answers with the first five bytes, then waits."""

    url: str = ""
    content: bytes = b""
    go_on: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def slow_server() -> Iterator[SlowServer]:
    slow = SlowServer()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(slow.content)))
            self.end_headers()
            self.wfile.write(slow.content[:5])
            slow.go_on.wait(20)

    with serving(Handler) as slow.url:
        yield slow
        slow.go_on.set()


def _wait_until(condition) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("script", ["download_models.sh", "download_bfm.sh"])
def test_help_says_the_exit_codes(checkout, script):
    (checkout.bin / "python3").unlink()
    result = checkout.run(script, "--help")
    assert result.returncode == 0 and result.stdout.startswith(f"Usage: ./{script}")
    assert "Exit codes" in result.stdout and "MODEL_MIRROR" in result.stdout


def test_in_the_container_the_mirror_is_mounted_and_the_answer_passed_on(checkout, tmp_path):
    checkout.docker()
    (tmp_path / "a mirror").mkdir()
    mirror = (tmp_path / "a mirror").as_uri()
    assert checkout.run("download_bfm.sh", "model", MODEL_MIRROR=mirror, ACCEPT_BFM_LICENSE="yes").returncode == 0
    argv = checkout.argv("docker")
    assert {"MODEL_MIRROR", "ACCEPT_BFM_LICENSE"} <= set(argv)
    assert f"type=bind,source={tmp_path}/a mirror,target={tmp_path}/a mirror" in argv
    assert argv[-4:] == ["python", f"{checkout.root}/scripts/download.py", "bfm", "model"]
    assert checkout.run("download_bfm.sh", MODEL_MIRROR="../a mirror").returncode == 0
    assert f"type=bind,source={tmp_path}/a mirror,target={tmp_path}/a mirror" in checkout.argv("docker")
