"""Settings and the configuration files that set them."""

from __future__ import annotations

from pathlib import Path

import pytest

from arguments.errors import EGSTalkerError
from arguments.settings import ModelSettings, TrainingSettings, load_config, settings_from


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.py"
    path.write_text(text)
    return path


def test_a_configuration_overrides_defaults_and_leaves_the_rest(tmp_path):
    model, training = load_config(
        write(tmp_path, 'ModelSettings = dict(decoder="mlp")\nTrainingSettings = {"batch": 3}')
    )
    assert model == ModelSettings(decoder="mlp")
    assert training == TrainingSettings(batch=3)


def test_a_whole_number_stands_for_a_float_but_not_the_other_way_round(tmp_path):
    _, training = load_config(write(tmp_path, "TrainingSettings = dict(mask_weight=1)"))
    assert isinstance(training.mask_weight, float)
    with pytest.raises(EGSTalkerError, match="batch wants int"):
        load_config(write(tmp_path, "TrainingSettings = dict(batch=1.5)"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"agnets": 3}, "no setting 'agnets'"),
        ({"attention": "flash"}, "esaa, cross"),
        ({"ppe": 1}, "ppe wants bool"),
        ({"heads": True}, "heads wants int"),
        ({"agents": 0}, "agents must be at least 1"),
        ({"agents": -4}, "at least 0"),
        ({"motion_noise": float("nan")}, "finite"),
        ({"drive": "video"}, "motion, audio"),
        ({"lower_codes": 0}, "lower_codes must be at least 1"),
        ({"feature_dim": 30, "heads": 4}, "multiple of heads"),
        ({"sh_degree": 4}, "sh_degree"),
        ({"plane_log2_entries": 40}, "plane_log2_entries"),
        ({"plane_finest_resolution": 4}, "not below the base"),
    ],
)
def test_wrong_settings_are_refused_by_name(values, message):
    with pytest.raises(EGSTalkerError, match=message):
        settings_from(ModelSettings, values, "here")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"split_scale": 0.6}, "split_scale is at most prune_scale"),
        ({"closed_eyes_share": 1.0}, "closed_eyes_share is below 1"),
        ({"split_shrink": 0.9}, "split_shrink must be at least 1"),
        ({"checkpoint_minutes": -1}, "checkpoint_minutes must be a finite number of at least 0"),
        ({"perceptual": "alex"}, "perceptual is one of gradients, vgg"),
    ],
)
def test_training_settings_out_of_range_are_refused(values, message):
    with pytest.raises(EGSTalkerError, match=message):
        settings_from(TrainingSettings, values, "here")


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "ModelSettings = dict(decoder=__import__('os').name)",
        "ModelSettings = dict(**{'decoder': 'mlp'})",
        "ModelSettings = dict([('decoder', 'mlp')])",
        "ModelSettings['decoder'] = 'mlp'",
        "for x in (1, 2): pass",
        "ModelSettings = dict(",
        "ModelSettings = 3",
        "Other = dict(decoder='mlp')",
        "x = " + "(" * 300 + ")" * 300,
    ],
)
def test_nothing_but_literal_assignments_is_a_configuration(tmp_path, text):
    with pytest.raises(EGSTalkerError):
        load_config(write(tmp_path, text))


def test_a_missing_or_binary_configuration_is_one_clear_error(tmp_path):
    with pytest.raises(EGSTalkerError, match="cannot read"):
        load_config(tmp_path / "none.py")
    path = tmp_path / "config.py"
    path.write_bytes(b"\x00\xff\xfe")
    with pytest.raises(EGSTalkerError):
        load_config(path)


@pytest.mark.parametrize("name", ["args.py", "64_dim_1_transformer.py", "cpu.py", "demo.py"])
def test_every_shipped_configuration_loads(repository, name):
    model, training = load_config(repository / "arguments" / name)
    assert training.iterations >= 500
    assert (model.attention == "cross") == name.startswith("64")


def test_the_original_baseline_is_what_its_paper_says(repository):
    model, _ = load_config(repository / "arguments" / "64_dim_1_transformer.py")
    assert (model.attention, model.decoder, model.planes, model.feature_dim) == ("cross", "mlp", "dense", 64)
