"""How the head is held in a film."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

import predict
from arguments.errors import EGSTalkerError
from media.video import probe
from scene.reference_clip import ReferenceClip
from synthesis.poses import Posing, posed
from synthesis.script import Script, script_of_features
from tests.tiny_head import make_dataset, make_moving_model, speech_like, write_wav


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ReferenceClip:
    return ReferenceClip(make_dataset(tmp_path_factory.mktemp("data") / "set", num_frames=120).root)


def _script(clip: ReferenceClip, frames: int = 300) -> Script:
    return script_of_features(clip, torch.zeros(frames, 162), None)


def _table(path: Path, text: str) -> Posing:
    path.write_text(text)
    return Posing.of(str(path))


def test_words_name_a_way_to_hold_the_head(tmp_path):
    assert [Posing.of(word).kind for word in ("reference", "own", "still")] == ["reference", "own", "still"]
    assert _table(tmp_path / "a.csv", "yaw\n1\n").kind == "table"
    for wrong in ("", "Own", str(tmp_path), "nowhere.csv"):
        with pytest.raises(EGSTalkerError, match="--pose takes reference, own, still or a csv file"):
            Posing.of(wrong)


def test_motion_of_its_own_goes_on_without_an_end_and_differs_by_seed(clip):
    films = [posed(_script(clip, 1000), clip, Posing("own"), seed) for seed in (0, 0, 1)]
    assert films[0].poses.shape == (1000, 4, 4)
    assert torch.equal(films[0].poses, films[1].poses) and not torch.equal(films[0].poses, films[2].poses)
    step = clip.camera.viewmats[:, :3, 3].diff(dim=0).norm(dim=1).max()
    assert films[0].poses[:, :3, 3].diff(dim=0).norm(dim=1).max() <= 1.01 * step


def test_a_still_head_is_still(clip):
    film = posed(_script(clip), clip, Posing("still"))
    assert (film.poses == film.poses[0]).all() and len(set(film.reference.first.tolist())) == 1
    far = (clip.camera.viewmats[:, :3, 3] - film.poses[0, :3, 3]).norm(dim=1)
    assert far.median() < clip.camera.viewmats[:, :3, 3].std(dim=0).norm() * 1.5


def test_a_table_turns_and_shifts_the_head(clip, tmp_path):
    still = posed(_script(clip), clip, Posing("still")).poses
    film = posed(_script(clip), clip, _table(tmp_path / "a.csv", "frame,yaw,x,y\n0,0,0,0\n100,20,5,1\n")).poses
    turns = Rotation.from_matrix((still[:, :3, :3].mT @ film[:, :3, :3]).double().numpy()).as_euler("YXZ", degrees=True)
    np.testing.assert_allclose(turns[[0, 50, 100, 299], 0], (0, 10, 20, 20), atol=1e-3)
    np.testing.assert_allclose(film[100, :3, 3] - still[100, :3, 3], (0.5, -0.1, 0), atol=1e-6)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "none of the columns yaw, pitch, roll, x, y, z"),
        ("yaw\n120\n", "yaw goes to 120; at most 90 degrees"),
        ("yaw,z\n1,-50\n", "z goes to 50; at most 30 cm"),
        ("yaw\nleft\n", "no finite number"),
        ("frame,yaw\n5,1\n3,1\n", "a.csv"),
        ("yaw\n", "empty"),
    ],
)
def test_tables_that_say_nothing_sensible_are_refused(clip, tmp_path, text, said):
    with pytest.raises(EGSTalkerError, match=said):
        posed(_script(clip), clip, _table(tmp_path / "a.csv", text))


def test_a_clip_of_scraps_is_played_as_it_is(tmp_path):
    folder = make_dataset(tmp_path / "set", num_frames=44)
    folder.update_record(lost_frames=[i for i in range(44) if i % 4])
    clip = ReferenceClip(folder.root)
    film = posed(_script(clip, 60), clip, Posing("own"))
    assert film.poses.shape == (60, 4, 4) and torch.isfinite(film.poses).all()


@pytest.mark.parametrize("pose", ["own", "still", "table"])
def test_predict_holds_the_head_as_asked(tmp_path, pose):
    dataset = make_dataset(tmp_path / "set", num_frames=80)
    model = make_moving_model(tmp_path / "m", dataset)
    sound = write_wav(tmp_path / "a.wav", speech_like(1.0))
    if pose == "table":
        pose = str(tmp_path / "turn.csv")
        Path(pose).write_text("time,yaw\n0,-10\n1,10\n")
    with pytest.MonkeyPatch.context() as patch:
        words = ("--audio_path", sound, "--reference_path", dataset.root, "--model_path", model, "--pose", pose)
        patch.setattr("sys.argv", ["predict.py", *map(str, words), "--output_dir", str(tmp_path / "out")])
        assert predict.main() == 0
    assert probe(tmp_path / "out" / "a.mp4").num_frames == 25
