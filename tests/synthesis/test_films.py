"""Many films of one head are each what it would be alone."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import predict
from arguments.model_folder import ModelFolder
from media.sound import read_audio
from media.video import read_frames
from synthesis import films
from synthesis.films import Speaker, WantedFilm, make_films
from tests.tiny_head import make_dataset, make_whole_model, speech_like, write_wav
from training.dataset import WholePerson

LENGTHS = {"a": 0.44, "b": 1.2, "c": 0.2, "d": 0.68}  # seconds; frames are no multiples of a batch


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clip = WholePerson(make_dataset(tmp_path_factory.mktemp("data") / "set", num_frames=66).root)
    root = make_whole_model(tmp_path_factory.mktemp("models") / "m", clip, 200)
    (weights,) = ModelFolder(root).all_checkpoints.glob("*/head.safetensors")
    tensors, generator = load_file(weights), torch.Generator().manual_seed(0)
    for name, values in tensors.items():
        if name.startswith("deformation.decoder.") and values.is_floating_point():  # a head that sound moves
            values += 0.2 * torch.randn(values.shape, generator=generator)
    save_file(tensors, weights)
    return root


@pytest.fixture(scope="module")
def speaker(model: Path) -> Speaker:
    return Speaker.load(model)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    for place, (name, seconds) in enumerate(LENGTHS.items()):
        write_wav(folder / f"{name}.wav", speech_like(seconds + place)[16_000 * place :][: round(16_000 * seconds)])
    return folder


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """The pictures that went to the encoder, by the film's name."""
    taken: dict[str, np.ndarray] = {}
    write = films.write_video

    def watched(frames: Iterator[np.ndarray], script: object, target: Path) -> int:
        pictures: list[np.ndarray] = []
        count = write((pictures.append(frame.copy()) or frame for frame in frames), script, target)
        taken[f"{target.parent.name}/{target.stem}"] = np.stack(pictures)
        return count

    for place in ("synthesis.films.write_video", "synthesis.film.write_video"):
        monkeypatch.setattr(place, watched)
    return taken


def wanted(sounds: Path, folder: Path, names: str = "abcd", seed: int = 0) -> list[WantedFilm]:
    return [WantedFilm(sounds / f"{name}.wav", folder / f"{name}.mp4", seed) for name in names]


def predicted(model: Path, sound: Path, folder: Path, seed: int) -> None:
    words = ["--audio_path", sound, "--model_path", model, "--output_dir", folder, "--seed", seed, "--device", "cpu"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["predict.py", *map(str, words)])
        assert predict.main() == 0


@pytest.mark.parametrize(("batch", "side_by_side"), [(None, None), (8, 3)])
def test_pictures_and_sound_are_those_of_predict(
    model, speaker, sounds, tmp_path, written, batch, side_by_side
) -> None:
    made = list(make_films(speaker, wanted(sounds, tmp_path / "ours", seed=3), batch=batch, side_by_side=side_by_side))
    assert {one.wanted.target.stem: one.frames for one in made} == {
        name: round(seconds * 25) for name, seconds in LENGTHS.items()
    }
    assert not any(one.error for one in made) and all(one.seconds > 0 for one in made)
    for name in LENGTHS:
        predicted(model, sounds / f"{name}.wav", tmp_path / "theirs", 3)
        ours, theirs = written[f"ours/{name}"], written[f"theirs/{name}"]
        assert ours.shape == theirs.shape
        assert np.abs(ours.astype(int) - theirs).max() <= 1
        assert np.array_equal(*(read_audio(tmp_path / who / f"{name}.mp4") for who in ("ours", "theirs")))


def test_films_of_one_batch_are_each_what_they_are_alone(speaker, sounds, tmp_path, written, monkeypatch) -> None:
    sizes: list[int] = []
    deform = speaker.head.deform
    monkeypatch.setattr(
        speaker.head, "deform", lambda drive, at_rest: sizes.append(len(drive)) or deform(drive, at_rest)
    )
    list(make_films(speaker, wanted(sounds, tmp_path / "together"), batch=6, side_by_side=2))
    total = sum(round(25 * seconds) for seconds in LENGTHS.values())
    assert sizes == [6] * (total // 6) + [total % 6] * (total % 6 > 0)  # full, across the films' ends
    for name in LENGTHS:
        list(make_films(speaker, wanted(sounds, tmp_path / "alone", name), batch=6))
        together, alone = written[f"together/{name}"], written[f"alone/{name}"]
        assert np.abs(together.astype(int) - alone).max() <= 1
    assert np.abs(written["together/b"][:5].astype(int) - written["together/a"][:5]).max() > 1  # and not each other


def test_a_sound_that_will_not_do_costs_its_film_alone(speaker, sounds, tmp_path) -> None:
    ours = tmp_path / "sounds"
    ours.mkdir()
    (ours / "noise.wav").write_bytes(b"RIFF nothing of the kind")
    write_wav(ours / "short.wav", np.zeros(100, np.float32))
    bad = [WantedFilm(ours / f"{name}.wav", tmp_path / f"{name}.mp4") for name in ("noise", "gone", "short")]
    good = wanted(sounds, tmp_path, "ac")
    made = {one.wanted.target.stem: one for one in make_films(speaker, [bad[0], good[0], bad[1], good[1], bad[2]])}
    assert sorted(made) == ["a", "c", "gone", "noise", "short"]
    assert {name for name, one in made.items() if one.error} == {"noise", "gone", "short"}
    assert all("\n" not in one.error for one in made.values()) and "a video needs at least 40 ms" in made["short"].error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "c.mp4", "sounds"]


def test_a_film_whose_sound_breaks_off_while_it_is_encoded_leaves_the_others_whole(
    speaker, sounds, tmp_path, monkeypatch
) -> None:
    write = films.write_video

    def breaking(frames, script, target):
        if target.stem == "b":
            next(frames)
            raise ValueError("the file has gone bad")
        return write(frames, script, target)

    monkeypatch.setattr(films, "write_video", breaking)
    made = {one.wanted.target.stem: one for one in make_films(speaker, wanted(sounds, tmp_path), batch=2)}
    assert made["b"].error == "the file has gone bad"
    assert [made[name].frames for name in "acd"] == [11, 5, 17]


def test_what_is_whole_is_not_made_again(speaker, sounds, tmp_path) -> None:
    (tmp_path / "b.mp4").write_bytes(b"whole")
    made = list(make_films(speaker, wanted(sounds, tmp_path)))
    assert sorted(one.wanted.target.stem for one in made) == ["a", "c", "d"]
    assert (tmp_path / "b.mp4").read_bytes() == b"whole"
    assert list(make_films(speaker, wanted(sounds, tmp_path))) == []


def test_who_stops_early_leaves_no_half_film_and_no_thread(speaker, sounds, tmp_path) -> None:
    before = threading.active_count()
    with contextlib.closing(make_films(speaker, wanted(sounds, tmp_path), batch=1)) as ours:
        assert next(ours).wanted.target.stem == "a"
    there = {path.name: sum(1 for _ in read_frames(path)) for path in tmp_path.iterdir()}
    assert there.pop("a.mp4") == 11
    assert all(count == round(25 * LENGTHS[name.removesuffix(".mp4")]) for name, count in there.items())
    assert threading.active_count() == before
    assert torch.is_grad_enabled()


def test_a_full_disk_ends_it_all(speaker, sounds, tmp_path, monkeypatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(films, "write_video", full)
    with pytest.raises(OSError, match="no space"):
        list(make_films(speaker, wanted(sounds, tmp_path)))
    assert list(tmp_path.iterdir()) == []
