"""scripts/downloads/: what the catalogues state."""

from __future__ import annotations

import re
import subprocess

import pytest

from imaging.lpips import TRUNK_FILES
from scripts.downloads.catalogue import read_catalogue, read_recorded, record

FILES = [file for name in ("models", "bfm") for files in read_catalogue(name) for file in files.files]


def test_every_file_is_pinned_to_a_commit_a_release_or_its_checksum():
    for file in FILES:
        assert re.fullmatch(r"https://[^ ]+", file.url)
        pinned = re.search(r"/[0-9a-f]{40}/|/releases/download/v", file.url)
        digest = re.search(r"-([0-9a-f]{8,10})\.(?:pth|zip)$", file.url)
        assert pinned or (digest and file.sha256), file.url
        if digest and file.sha256:
            assert file.sha256.startswith(digest[1]), file.path


def test_checksums_and_sizes_are_whole_or_left_out():
    for file in FILES:
        assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.size is None or file.size > 0


def test_every_set_states_what_it_is_its_licence_and_its_page():
    for name in ("models", "bfm"):
        for files in read_catalogue(name):
            assert files.files and files.what and files.licence and files.page.startswith("https://")


def test_files_go_where_the_code_looks_and_git_does_not(repository):
    paths = {file.path for file in FILES}
    assert len(paths) == len(FILES)
    assert {f"imaging/models/{stem}.pth" for stem in TRUNK_FILES.values()} <= paths
    assert {"data_utils/face_parsing/79999_iter.pth", "data_utils/face_tracking/3DMM/01_MorphableModel.mat"} <= paths
    for model in ("wav2vec2-base-960h", "hubert-large-ls960-ft"):
        folder = f"data_utils/audio_features/models/{model}"
        assert {f"{folder}/config.json", f"{folder}/preprocessor_config.json"} <= paths
    if not (repository / ".git").exists():
        pytest.skip("not a git checkout")
    answer = subprocess.run(
        ["git", "check-ignore", *sorted(paths)], cwd=repository, capture_output=True, text=True, check=False
    )
    assert set(answer.stdout.split()) == paths


def test_recorded_checksums_are_kept_in_order_and_read_by_sha256sum(tmp_path):
    assert read_recorded(tmp_path) == {}
    record(tmp_path, "b/two words", "b" * 64)
    record(tmp_path, "a", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    record(tmp_path, "b/two words", "c" * 64)
    assert list(read_recorded(tmp_path).items()) == [
        ("a", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("b/two words", "c" * 64),
    ]
    (tmp_path / "a").touch()
    checked = subprocess.run(
        ["sha256sum", "-c", "--ignore-missing", "requirements/models.sha256"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stdout.startswith("a: OK")
