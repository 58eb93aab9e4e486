"""Files of the Basel Face Model to the tracker's model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from arguments.errors import EGSTalkerError
from data_utils.face_tracking import bfm_files, morphable_model
from data_utils.face_tracking.convert_BFM import convert
from tests.data_utils.face_tracking.made_up_bfm import (
    MadeUpFace,
    make_face,
    write_ad_nerf_files,
    write_expression_pca,
    write_front_files,
    write_morphable_model,
)


@pytest.fixture(scope="module")
def face() -> MadeUpFace:
    return make_face(side=25)


@pytest.fixture
def files(face, tmp_path) -> Path:
    write_morphable_model(face, tmp_path)
    write_front_files(face, tmp_path)
    return tmp_path


def in_head_frame(face: MadeUpFace, points: np.ndarray) -> np.ndarray:
    return points - (face.mean[face.landmarks[1]] + face.mean[face.landmarks[15]]) / 2


def test_what_download_bfm_fetches_becomes_decimetres_in_the_head_frame(face, files):
    model, source = convert(files)
    assert source == "BFM09_model_info.mat"
    np.testing.assert_allclose(model.mean, in_head_frame(face, face.mean), atol=1e-5)
    np.testing.assert_allclose(model.identity, face.identity, atol=1e-5)
    np.testing.assert_allclose(model.expression, face.expression, atol=1e-6)
    np.testing.assert_allclose(model.texture_mean, face.colors, atol=1e-5)
    np.testing.assert_allclose(model.texture, face.texture, atol=1e-5)
    assert model.landmarks.tolist() == face.landmarks.tolist() and model.skin.all()


def test_triangles_are_turned_outward(face, files):
    model, _ = convert(files)  # the files list them the other way round
    a, b, c = np.moveaxis(model.mean[model.faces], 1, 0)
    facing = np.cross(b - a, c - a)[:, 2] > 0
    assert facing.mean() > 0.95


def test_the_selection_may_come_in_two_steps(face, files):
    (files / "select_vertex_id.mat").unlink()
    model, _ = convert(files)
    np.testing.assert_allclose(model.identity, face.identity, atol=1e-5)


def test_more_expressions_are_preferred_where_they_are(face, files):
    mean = write_expression_pca(face, files)
    model, source = convert(files)
    assert source == "Exp_Pca.bin"
    np.testing.assert_allclose(model.expression, face.expression, atol=1e-5)
    np.testing.assert_allclose(model.mean, in_head_frame(face, face.mean + mean) - mean[0], atol=1e-5)


def test_ad_nerfs_files_do_too(face, tmp_path):
    write_morphable_model(face, tmp_path)
    write_ad_nerf_files(face, tmp_path)
    model, source = convert(tmp_path)
    assert source == "exp_info.npy"
    np.testing.assert_allclose(model.mean, in_head_frame(face, face.mean), atol=1e-5)
    np.testing.assert_allclose(model.expression, face.expression, atol=1e-5)
    assert model.landmarks.tolist() == face.landmarks.tolist()


def test_only_a_hundred_identities_are_kept(tmp_path):
    wide = make_face(side=12, identities=110)
    write_morphable_model(wide, tmp_path)
    write_front_files(wide, tmp_path)
    assert len(convert(tmp_path)[0].identity) == 100


def test_missing_files_are_named(face, tmp_path):
    with pytest.raises(EGSTalkerError, match=r"lacks 01_MorphableModel\.mat.*run \./download_bfm\.sh"):
        convert(tmp_path)
    write_morphable_model(face, tmp_path)
    with pytest.raises(
        EGSTalkerError, match=r"lacks facemodel_info\.mat, BFM09_model_info\.mat, select_vertex_id\.mat"
    ):
        convert(tmp_path)


@pytest.mark.parametrize("name", ["01_MorphableModel.mat", "facemodel_info.mat", "BFM09_model_info.mat"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.97])
def test_cut_off_files_are_one_line(files, name, kept):
    whole = (files / name).read_bytes()
    (files / name).write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(EGSTalkerError, match=name):
        convert(files)


def test_corrupted_files_never_end_in_another_error(files):
    rng = np.random.default_rng(0)
    whole = (files / "BFM09_model_info.mat").read_bytes()
    refused = 0
    for _ in range(60):
        broken = bytearray(whole)
        for place in rng.integers(128, len(broken), 6):
            broken[place] = rng.integers(256)
        for place in rng.integers(0, 400, 2):
            broken[place] = rng.integers(256)
        (files / "BFM09_model_info.mat").write_bytes(broken)
        try:
            bfm_files.read_mat(files / "BFM09_model_info.mat", "exBase", "tri", "keypoints")
        except EGSTalkerError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 5


def test_values_that_are_not_finite_are_refused(face, files):
    base = face.expression.reshape(len(face.expression), -1).T.copy()
    base[5, 1] = np.nan
    savemat(files / "BFM09_model_info.mat", {"exBase": base, "meanshape": np.zeros((1, base.shape[0]))})
    with pytest.raises(EGSTalkerError, match="exBase does not hold finite numbers"):
        convert(files)


def test_expressions_of_other_vertices_are_refused(face, files):
    base = face.expression.reshape(len(face.expression), -1).T
    savemat(files / "BFM09_model_info.mat", {"exBase": base, "meanshape": face.mean[::-1].reshape(1, -1)})
    with pytest.raises(EGSTalkerError, match="other vertices"):
        convert(files)


def test_indices_beyond_the_model_are_refused(face, files):
    savemat(files / "select_vertex_id.mat", {"select_id": face.within[:, None] + 9999.0})
    with pytest.raises(EGSTalkerError, match="not among"):
        convert(files)


def test_a_saved_model_is_read_back(files, tmp_path):
    model, source = convert(files)
    morphable_model.save(model, tmp_path / "model.safetensors", source)
    again = morphable_model.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.expression, model.expression)
    np.testing.assert_array_equal(again.skin, model.skin)


def test_a_damaged_model_is_one_line(files, tmp_path):
    target = tmp_path / "model.safetensors"
    morphable_model.save(convert(files)[0], target, "")
    target.write_bytes(target.read_bytes()[:-100])
    with pytest.raises(EGSTalkerError, match=r"no whole face model.*convert_BFM\.py"):
        morphable_model.load(target)
    target.write_text("nothing of the kind")
    with pytest.raises(EGSTalkerError, match="no whole face model"):
        morphable_model.load(target)


def run_door(repository: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    door = repository / "data_utils" / "face_tracking" / "convert_BFM.py"
    command = [sys.executable, str(door), "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env={**os.environ, "PYTHONPATH": ""})


def test_the_door_writes_the_model_and_keeps_it_when_it_fails(repository, files):
    ran = run_door(repository, files)
    assert ran.returncode == 0, ran.stderr
    target = files / "3DMM_info.safetensors"
    before = target.read_bytes()
    (files / "facemodel_info.mat").write_bytes(b"broken")
    ran = run_door(repository, files)
    assert ran.returncode == 1 and ran.stderr.startswith("error: ") and ran.stderr.count("\n") == 1
    assert target.read_bytes() == before and not list(files.glob(".*.part*"))
