"""A torso is learnt after its head, kept with it, and learnt again when the head goes on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from arguments.model_folder import ModelFolder
from arguments.settings import TrainingSettings
from gaussian_renderer.render import render
from media.images import write_image
from motion.body_motion import BodyMotion
from scene.torso import Torso
from scene.torso_files import learnt_with, load_torso, save_torso
from tests.tiny_head import SETTINGS as AUDIO
from tests.tiny_head import SIZE, make_dataset, make_head
from training.dataset import TalkingHeadDataset, WholePerson
from training.group import Group
from training.loop import learn_torso as again
from training.loop import train
from training.losses import multi_scale_gradients
from training.options import TrainOptions
from training.torso import learn_torso, measure_body, new_torso, whole_frames

SETTINGS = TrainingSettings(torso_iterations=40, torso_gaussians=300, torso_batch=2, iterations=40, validation_frames=2)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> WholePerson:
    return WholePerson(make_dataset(tmp_path_factory.mktemp("data") / "set").root)


@pytest.fixture(scope="module")
def body(dataset: WholePerson) -> BodyMotion:
    return measure_body(dataset)


@torch.no_grad()
def _error(dataset: WholePerson, body: BodyMotion, torso: torch.nn.Module) -> float:
    """Mean absolute error below the head, 0..1."""
    head = make_head()
    batch = whole_frames(head, dataset.audio, dataset, body, "cpu").batch(dataset.usable(dataset.val))
    image = render(head.deform(batch.drive, head.at_rest(torso)), batch.drive.camera, batch.background).image
    return float((image - batch.image)[:, 50:].abs().mean())


def _learn(dataset: WholePerson, body: BodyMotion, settings: TrainingSettings) -> tuple[Torso, BodyMotion]:
    head = make_head()
    store = whole_frames(head, dataset.audio, dataset, body, "cpu")
    return learn_torso(head, store, dataset, body, settings, multi_scale_gradients, Group())


def test_frames_of_the_whole_person_are_uncut(dataset: WholePerson) -> None:
    crop = dataset.crop(3)
    assert crop.image.shape == crop.background.shape == (SIZE, SIZE, 3)
    assert (crop.background == 128).all()  # the wall, without the torso
    assert crop.head[60, 5] == 255 and crop.head[28, 28] == 255 and crop.head[5, 60] == 0


def test_a_torso_begins_as_its_frame_shows_it_and_learns(dataset: WholePerson, body: BodyMotion) -> None:
    first = new_torso(dataset, body, 300)
    learnt, moved = _learn(dataset, body, SETTINGS)
    begun, now = _error(dataset, body, first), _error(dataset, moved, learnt)
    nothing = float(np.abs(np.array([150, 30, 30]) - 128).mean() / 255)
    assert begun < 0.6 * nothing and now < 0.7 * begun


def test_a_seed_is_a_torso(dataset: WholePerson, body: BodyMotion) -> None:
    quick = dataclasses.replace(SETTINGS, torso_iterations=3)
    (one, motion), (again, other) = (_learn(dataset, body, quick) for _ in range(2))
    np.testing.assert_allclose(motion.measured, other.measured, atol=1e-6)
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, again.state_dict()[name], msg=name)


def test_a_torso_is_kept_until_its_head_goes_on(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path / "m")
    training = dataclasses.replace(SETTINGS, coarse_iterations=1, iterations=2, validation_frames=1, min_gaussians=10)
    options = TrainOptions(make_dataset(tmp_path / "set").root, folder.root, AUDIO, training, torso=True)
    assert load_torso(folder.root) is None and learnt_with(folder) is None
    train(options)
    assert learnt_with(folder) == 2 and folder.torso_validation.is_file()
    written = folder.torso.read_bytes()
    folder.torso_validation.unlink()
    train(options)
    assert folder.torso.read_bytes() == written and not folder.torso_validation.exists()
    train(dataclasses.replace(options, training=dataclasses.replace(training, iterations=3)))
    assert learnt_with(folder) == 3 and folder.torso_validation.is_file()
    BodyMotion.load(folder)


def test_what_ends_a_torso_early_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ModelFolder(tmp_path / "m")
    training = dataclasses.replace(SETTINGS, coarse_iterations=1, iterations=2, validation_frames=1, min_gaussians=10)
    options = TrainOptions(make_dataset(tmp_path / "set").root, folder.root, AUDIO, training, torso=True)
    train(options)
    before = [path.read_bytes() for path in (folder.torso, folder.body_motion, folder.kept_clip)]

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.torso.validate", stop)
    with pytest.raises(KeyboardInterrupt):
        again(options)
    assert [path.read_bytes() for path in (folder.torso, folder.body_motion, folder.kept_clip)] == before


def test_a_torso_comes_back_from_its_file(dataset: WholePerson, body: BodyMotion, tmp_path: Path) -> None:
    torso = new_torso(dataset, body, 120)
    save_torso(ModelFolder(tmp_path), torso, 7)
    again = load_torso(tmp_path)
    assert again is not None
    for name, value in torso.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


@pytest.mark.parametrize("damage", ["cut", "nan", "shape", "text"])
def test_a_damaged_torso_is_told_in_one_line(
    dataset: WholePerson, body: BodyMotion, tmp_path: Path, damage: str
) -> None:
    torso, folder = new_torso(dataset, body, 120), ModelFolder(tmp_path)
    if damage == "nan":
        torso.means.data[3] = torch.nan
    if damage == "shape":
        torso.quats.data = torso.quats.data[:60]
    save_torso(folder, torso, 7)
    if damage == "cut":
        folder.torso.write_bytes(folder.torso.read_bytes()[:-50])
    if damage == "text":
        folder.torso.write_text("no torso")
    with pytest.raises(EGSTalkerError, match=r"damaged; ./train\.sh with --only torso") as told:
        load_torso(tmp_path)
    assert "\n" not in str(told.value)


def test_who_has_no_torso_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_dataset(tmp_path / "set")
    for i in range(22):
        write_image(folder.torso_image(i), np.zeros((SIZE, SIZE, 4), np.uint8))
    dataset = WholePerson(folder.root)
    with pytest.raises(EGSTalkerError, match="shows no torso; train with --torso frames"):
        new_torso(dataset, measure_body(dataset), 100)
    training = dataclasses.replace(SETTINGS, coarse_iterations=1, iterations=1, validation_frames=1, min_gaussians=10)
    options = TrainOptions(folder.root, tmp_path / "m", AUDIO, training, torso=True)
    train(options)
    assert capsys.readouterr().err.count("shows no torso") == 1 and load_torso(tmp_path / "m") is None
    with pytest.raises(EGSTalkerError, match="shows no torso"):
        again(options)


def test_a_torso_is_learnt_with_the_head_and_again_by_itself(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "set")
    training = dataclasses.replace(SETTINGS, coarse_iterations=1, iterations=2, validation_frames=1, min_gaussians=10)
    options = TrainOptions(folder.root, tmp_path / "m", AUDIO, training, torso=True)
    train(options)
    model = ModelFolder(tmp_path / "m")
    first = model.torso.read_bytes()
    assert learnt_with(model) == 2 and model.kept_clip.is_file() and model.body_motion.is_file()
    train(options)
    assert model.torso.read_bytes() == first  # nothing was left to do
    again(dataclasses.replace(options, training=dataclasses.replace(training, torso_gaussians=100)))
    torso = load_torso(model.root)
    assert torso is not None and torso.count == 100
    with pytest.raises(EGSTalkerError, match="is another"):
        again(dataclasses.replace(options, source_path=make_dataset(tmp_path / "other", num_frames=30).root))


def test_a_frame_of_another_size_is_told(tmp_path: Path) -> None:
    folder: DatasetFolder = make_dataset(tmp_path / "set")
    write_image(folder.ground_truth_image(4), np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(EGSTalkerError, match="another size"):
        WholePerson(folder.root).crop(4)
    assert TalkingHeadDataset(folder.root).num_frames == 22
