"""When a head blinks that says something else than its clip did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from predict import parse
from scene.reference_clip import ReferenceClip
from synthesis.eyes import blinks_of, eyes_while_speaking
from synthesis.script import script_of_features, script_of_sound
from tests.tiny_head import make_dataset, speech_like, write_wav


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ReferenceClip:
    return ReferenceClip(make_dataset(tmp_path_factory.mktemp("data") / "set").root)


def test_other_speech_has_blinks_of_its_own(clip: ReferenceClip, tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "a.wav", speech_like(20))
    eyes = [script_of_sound(clip, sound, tmp_path, seed=seed).eyes for seed in (0, 0, 1)]
    assert all(values is not None and values.shape == (500,) and values.max() > 0.7 for values in eyes)
    torch.testing.assert_close(eyes[0], eyes[1])
    assert not torch.equal(eyes[0], eyes[2])


def test_blinks_can_be_the_references_or_none(clip: ReferenceClip) -> None:
    features = torch.zeros(50, *clip.feature_shape)
    assert script_of_features(clip, features, None, blinking="reference").eyes is None
    still = script_of_features(clip, features, None, blinking="none").eyes
    assert still is not None
    assert still.unique().tolist() == pytest.approx([0.04])  # 0.2 of 5, as the clip's open eyes


def test_a_persons_blinks_are_learnt_from_what_is_no_held_out_frame(clip: ReferenceClip) -> None:
    before = blinks_of(None, clip).arrays()
    clip.eyes[clip.val.start :] = 1 - clip.eyes[clip.val.start :]
    after = blinks_of(None, clip).arrays()
    assert all((before[name] == after[name]).all() for name in before)


def test_eyes_are_a_film_long() -> None:
    from motion.blinks import BlinkModel

    blinks = BlinkModel.fit(np.zeros(100))
    for num_frames in (1, 333):
        eyes = eyes_while_speaking("own", blinks, num_frames, seed=0, activity=torch.ones(num_frames))
        assert eyes is not None
        assert eyes.shape == (num_frames,)


def test_the_command_line_takes_blinks_and_seed(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--audio_path", "a.wav", "--reference_path", "d", "--model_path", "m"]
    options = parse(given)
    assert (options.blinks, options.seed) == ("own", 0)
    options = parse([*given, "--blinks", "none", "--seed", "7"])
    assert (options.blinks, options.seed) == ("none", 7)
    for wrong in (["--blinks", "some"], ["--seed", "-1"]):
        with pytest.raises(SystemExit):
            parse([*given, *wrong])
        assert wrong[0] in capsys.readouterr().err
