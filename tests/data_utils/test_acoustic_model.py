import struct

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from data_utils.audio_features import acoustic_model
from data_utils.audio_features.acoustic_model import installed_model, read_acoustic_model
from tests.data_utils.tiny_acoustic_model import LOG_UNIT, write_gaussians, write_tiny_model


@pytest.mark.parametrize("order", "<>")
def test_a_model_is_read_in_either_byte_order(tmp_path, order):
    means, variances, costs = write_tiny_model(tmp_path, order)
    model = read_acoustic_model(tmp_path)
    assert model.phones == ("AA", "SIL")
    np.testing.assert_array_equal(model.means, means)
    np.testing.assert_array_equal(model.variances, np.maximum(variances, np.float32(1e-4)))
    np.testing.assert_allclose(model.weights, np.exp(-LOG_UNIT * costs), rtol=1e-5)


@pytest.mark.parametrize("name", ["means", "variances", "mdef", "sendump", "feat.params"])
@pytest.mark.parametrize("damage", ["absent", "empty", "cut", "noise", "longer"])
def test_a_damaged_file_is_named_with_its_cure_in_one_line(tmp_path, name, damage):
    write_tiny_model(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    if damage == "absent":
        path.unlink()
    elif damage == "longer":
        path.write_bytes(content + b" -lifter 0")
    else:
        noise = np.random.default_rng(1).integers(0, 256, 400, np.uint8).tobytes()
        path.write_bytes({"empty": b"", "cut": content[: len(content) - 9], "noise": noise}[damage])
    with pytest.raises(EGSTalkerError) as caught:
        read_acoustic_model(tmp_path)
    assert str(path) in str(caught.value) and "pip install" in str(caught.value)
    assert "requirements/native.txt" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["means", "variances", "mdef", "sendump"])
def test_no_single_wrong_byte_of_a_header_ends_otherwise_than_in_one_line(tmp_path, name):
    write_tiny_model(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    for at in range(min(len(content), 120)):
        for value in (0, 127, 255):
            path.write_bytes(content[:at] + bytes([value]) + content[at + 1 :])
            try:
                model = read_acoustic_model(tmp_path)
            except EGSTalkerError:
                continue
            assert model.means.shape == (2, 3, 4, 13) and model.weights.shape == (2, 3, 3, 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_numbers_beyond_reason_are_refused(tmp_path, value):
    means, _, _ = write_tiny_model(tmp_path)
    means[0, 1, 2, 3] = value
    write_gaussians(tmp_path / "means", means)
    with pytest.raises(EGSTalkerError, match="means is damaged"):
        read_acoustic_model(tmp_path)


def test_a_changed_number_is_found_by_the_checksum(tmp_path):
    write_tiny_model(tmp_path)
    content = bytearray((tmp_path / "means").read_bytes())
    content[200] ^= 1
    (tmp_path / "means").write_bytes(content)
    with pytest.raises(EGSTalkerError, match="means is damaged"):
        read_acoustic_model(tmp_path)


def test_files_of_two_models_are_refused(tmp_path):
    means, variances, _ = write_tiny_model(tmp_path)
    write_gaussians(tmp_path / "means", means[:1])
    write_gaussians(tmp_path / "variances", variances[:1])
    with pytest.raises(EGSTalkerError, match="does not go with"):
        read_acoustic_model(tmp_path)


def test_a_state_that_there_is_not_is_refused(tmp_path):
    write_tiny_model(tmp_path)
    content = (tmp_path / "mdef").read_bytes()
    (tmp_path / "mdef").write_bytes(content[:-2] + struct.pack("<h", 7))
    with pytest.raises(EGSTalkerError, match="mdef is damaged"):
        read_acoustic_model(tmp_path)


def test_a_model_of_another_front_end_is_refused(tmp_path):
    write_tiny_model(tmp_path)
    text = (tmp_path / "feat.params").read_text()
    (tmp_path / "feat.params").write_text(text.replace("-nfilt 25", "-nfilt 40"))
    with pytest.raises(EGSTalkerError, match="has nfilt '40', not 25"):
        read_acoustic_model(tmp_path)


def test_without_the_package_one_line_says_which_it_is(monkeypatch):
    monkeypatch.setattr(acoustic_model.importlib.util, "find_spec", lambda name: None)
    installed_model.cache_clear()
    with pytest.raises(EGSTalkerError, match=r"pocketsphinx .*pip install .*requirements/native.txt"):
        installed_model()


def test_the_installed_model_is_english_with_mixtures_that_sum_to_about_one():
    model = installed_model()
    assert len(model.phones) == 42 and {"SIL", "AA", "M", "ZH"} <= set(model.phones)
    assert model.means.shape == (42, 3, 128, 13) and model.weights.shape == (42, 3, 3, 128)
    np.testing.assert_allclose(model.weights.sum(-1), 0.95, atol=0.02)
    assert model.variances.min() == np.float32(1e-4)
