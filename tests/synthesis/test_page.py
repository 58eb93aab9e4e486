"""Pages that play a film: what the renderer shows, in a real browser, and nothing from elsewhere."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from playwright.sync_api import expect

import export
from arguments.model_folder import ModelFolder
from gaussian_renderer.render import render
from media.images import write_image
from media.sound import read_audio
from scene.cameras import Camera
from scene.head_files import load_head
from scene.kept_clip import KeptClip
from synthesis.film import staged
from synthesis.poses import Posing
from synthesis.rendering import drive_of, synthesise
from synthesis.script import Script
from synthesis.signal import motion_of
from synthesis.source import Source
from synthesis.torso import own_torso
from tests.browser import browser_page, opened
from tests.tiny_head import make_dataset, make_model, make_whole_model, speech_like, write_wav
from training.dataset import WholePerson

FRAMES = 45
YAW, PITCH = 30.0, -12.0


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> WholePerson:
    return WholePerson(make_dataset(tmp_path_factory.mktemp("data") / "set", num_frames=66).root)


@pytest.fixture(scope="module")
def model(clip: WholePerson, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_whole_model(tmp_path_factory.mktemp("models") / "m", clip, 400)
    head = load_head(root)[0]
    torch.manual_seed(0)
    with torch.no_grad():
        for weights in head.deformation.decoder.parameters():  # or nothing in the face would move
            weights.add_(0.1 * torch.randn_like(weights))
    return make_model(root, clip.folder, head)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wav(tmp_path_factory.mktemp("sounds") / "a.wav", speech_like(FRAMES / 25))


def _run(*words: object) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["export.py", *map(str, words)])
        return export.main()


@pytest.fixture(scope="module")
def page(model: Path, sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("pages") / "some <one> & {{about}}.html"
    assert not _run("--model_path", model, "--to", target, "--audio_path", sound, "--seed", 3)
    return target


@pytest.fixture(scope="module")
def script(model: Path, sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Script:
    head, kept = load_head(model)[0], KeptClip(model)
    return staged(
        *(head, kept, Source(sound), tmp_path_factory.mktemp("work")),
        motion=motion_of(head, model),
        torso=own_torso(model, "cpu"),
        posing=Posing("own"),
        seed=3,
    )


def _seen(url: str) -> np.ndarray:
    data = base64.b64decode(url.partition(",")[2])
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]


def _psnr(picture: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(picture.astype(float) - other).mean()))


def _from_aside(model: Path, script: Script, i: int) -> np.ndarray:
    """The renderer's picture of a frame from where the page looks after a turn about the mean place of the head."""
    head, kept = load_head(model)[0], KeptClip(model)
    assert script.torso is not None and script.poses is not None
    down = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    pivot = down @ script.poses[:, :3, 3].mean(0)
    yaw, pitch = np.radians([YAW, PITCH])
    about_y = torch.tensor([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = torch.tensor([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    turn = (about_x @ about_y).float()
    moved = torch.eye(4)
    moved[:3, :3] = down @ turn @ down
    moved[:3, 3] = down @ (pivot - turn @ pivot)
    with torch.no_grad():
        drive = drive_of(head, kept, script, slice(i, i + 1))
        person = head.deform(drive, head.at_rest(script.torso.torso))
        camera = Camera(moved @ drive.camera.viewmats, drive.camera.intrinsics, kept.width, kept.height)
        image = render(person, camera, torch.from_numpy(kept.backdrops.background).float() / 255).image[0]
    return (255 * image.clamp(0, 1)).round().numpy()


@pytest.mark.slow
def test_the_browser_shows_what_the_renderer_does(page, model, script):
    with torch.no_grad():
        truth = list(synthesise(load_head(model)[0], KeptClip(model), script))
    with browser_page() as window:
        asked = opened(window, page)
        window.evaluate("player.then(() => null)")
        shown = "player.then(p => { p.show(%d); return p.renderer.gl.canvas.toDataURL(); })"
        for i, other in ((0, 20), (20, FRAMES - 1), (FRAMES - 1, 0)):
            picture = _seen(window.evaluate(shown % i))
            assert _psnr(picture, truth[i]) > max(50, 8 + _psnr(picture, truth[other]))
        window.evaluate(f"player.then(p => p.view.turn({YAW}, {PITCH}))")
        aside = _from_aside(model, script, 20)
        assert _psnr(_seen(window.evaluate(shown % 20)), aside) > 40 > 30 > _psnr(truth[20], aside)
        assert asked == [page.as_uri()]
        assert window.title() == "some <one> & {{about}}" and not window.text_content("#trouble")


@pytest.mark.slow
def test_it_plays_with_its_sound_and_is_looked_at_from_all_sides(page):
    with browser_page() as window:
        opened(window, page)
        window.evaluate("player.then(() => null)")
        state = (
            "player.then(p => ({frame: p.frame, time: p.sound.currentTime, length: p.sound.duration, yaw: p.view.yaw}))"
        )
        assert window.evaluate(state) == {"frame": 0, "time": 0, "length": pytest.approx(FRAMES / 25), "yaw": 0}
        window.evaluate("""player.then(p => {
          window.shown = [];
          const show = p.show.bind(p);
          p.show = (frame) => { window.shown.push([frame, p.sound.currentTime]); show(frame); };
        })""")
        window.click("#play")
        expect(window.locator("#play")).to_have_text("Pause")
        expect(window.locator("#play")).to_have_text("Play", timeout=30_000)
        frames, times = np.array(window.evaluate("window.shown")).T
        assert len(frames) > 2 and (np.diff(frames) > 0).all()
        assert np.abs(frames + 0.5 - 25 * times).max() < 1.5
        box = window.locator("#film").bounding_box()
        assert box is not None
        window.mouse.move(box["x"] + 30, box["y"] + 30)
        window.mouse.down()
        window.mouse.move(box["x"] + 70, box["y"] + 30, steps=4)
        window.mouse.up()
        assert window.evaluate(state)["yaw"] == pytest.approx(10)
        window.focus("#film")
        window.keyboard.press("ArrowRight")
        assert window.evaluate(state)["yaw"] == pytest.approx(15)
        window.click("#front")
        assert window.evaluate(state)["yaw"] == 0
        window.fill("#time", "0.8")
        assert window.evaluate(state)["frame"] == 20


def test_it_holds_its_sound_to_the_sample_and_nothing_from_elsewhere(page, sound, tmp_path):
    text = page.read_text()
    (data,) = re.findall(r"data:audio/flac;base64,([^\"]+)", text)
    (tmp_path / "a.flac").write_bytes(base64.b64decode(data))
    heard, said = read_audio(tmp_path / "a.flac", 48_000), read_audio(sound, 48_000)
    assert len(heard) == FRAMES * 1920
    np.testing.assert_allclose(heard[: len(said)], said[: len(heard)], atol=4e-5)
    assert "some &lt;one&gt; &amp; {{about}}" in text and "<one>" not in text
    assert not re.search(r"https?://|//\w+\.\w+", text.replace(re.findall(r'id="person">([^<]*)', text)[0], ""))


def test_the_same_seed_gives_the_same_page_before_any_background(page, model, sound, tmp_path):
    words = ("--model_path", model, "--audio_path", sound, "--seed", 3, "--to")
    again = tmp_path / page.name
    assert not _run(*words, again)
    assert again.read_bytes() == page.read_bytes()
    write_image(tmp_path / "wall.png", np.full((10, 10, 3), (0, 200, 0), np.uint8))
    for background, room in ((tmp_path / "wall.png", True), ("#00c800", True), ("transparent", False)):
        assert not _run(*words, tmp_path / "b.html", "--background", background)
        assert ('"room": "data:image/jpeg' in (tmp_path / "b.html").read_text()) == room


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give --audio_path"),
        (("--audio_path", "none.wav"), "there is no audio file none.wav"),
        (("--audio_path", "{sound}", "--background", "{video}"), "a page's background is a picture"),
        (("--audio_path", "{sound}", "--pose", "upside down"), "there is no table"),
        (("--audio_path", "{sound}", "--seed", "-1"), "--seed is at least 0"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(words, said, model, sound, tmp_path, capsys):
    video = tmp_path / "v.mp4"
    video.touch()
    words = [word.format(sound=sound, video=video) for word in words]
    target = tmp_path / "a.html"
    target.write_text("a good page")
    with pytest.raises(SystemExit) if said.startswith(("give", "--seed")) else pytest.MonkeyPatch.context():
        assert _run("--model_path", model, "--to", target, *words)
    assert said in capsys.readouterr().err
    assert target.read_text() == "a good page"


def test_a_head_without_a_torso_says_how_to_learn_one(model, sound, tmp_path, capsys):
    import shutil

    shutil.copytree(model, tmp_path / "m")
    ModelFolder(tmp_path / "m").torso.unlink()
    assert _run("--model_path", tmp_path / "m", "--to", tmp_path / "a.html", "--audio_path", sound)
    assert "--only torso" in capsys.readouterr().err
    assert not (tmp_path / "a.html").exists()


def test_what_is_for_pages_is_for_nothing_else(model, tmp_path, capsys):
    with pytest.raises(SystemExit):
        _run("--model_path", model, "--to", tmp_path / "a.glb", "--seed", 1)
    assert "--seed is for .html" in capsys.readouterr().err
