"""The page in a real browser: a video becomes a head, and the head speaks, with nothing asked of other servers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="requirements/live.txt is not installed")

import numpy as np
import uvicorn
from playwright.sync_api import Page, expect

from live.page.__main__ import _listen
from live.page.home import Home
from live.page.job import DONE, RUNNING, STOPPED
from live.page.jobs import Line
from live.page.server import web_application
from live.page.uploads import Limits
from live.page.work import QUALITIES, Quality
from media.sound import write_wav
from tests.browser import browser_page, opened_at

FEW = """
ModelSettings = dict(
    initial_gaussians=1500, sh_degree=0, plane_levels=4, plane_finest_resolution=64, plane_log2_entries=10,
    feature_dim=16, heads=2, agents=8,
)
TrainingSettings = dict(
    coarse_iterations=10, iterations=20, coarse_batch=1, batch=1, motion_points=32, max_gaussians=2000,
    torso_iterations=4, torso_batch=1, torso_gaussians=500,
)
"""
MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
WATCH = """async () => {
  const video = document.getElementById('video'), context = new AudioContext(), listener = context.createAnalyser();
  context.createMediaStreamSource(video.srcObject).connect(listener);
  const wave = new Float32Array(listener.fftSize), canvas = new OffscreenCanvas(64, 64);
  const paint = canvas.getContext('2d', { willReadFrequently: true });
  Object.assign(window, { loudest: 0, changed: 0 });
  setInterval(() => {
    listener.getFloatTimeDomainData(wave);
    for (const value of wave) window.loudest = Math.max(window.loudest, Math.abs(value));
  }, 20);
  let before = '';
  const look = () => {
    paint.drawImage(video, 0, 0, 64, 64);
    const now = paint.getImageData(0, 0, 64, 64).data.join();
    window.changed += now !== before;
    before = now;
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
}"""
NAMELESS = """() => [...document.querySelectorAll('button, input, select, textarea, video, img, progress')]
  .filter(e => e.checkVisibility({visibilityProperty: true}))
  .filter(e => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.title
    || e.alt || e.innerText?.trim() || e.closest('label')?.innerText.trim() || (e.labels && e.labels.length)))
  .map(e => e.outerHTML.slice(0, 200))"""


@pytest.fixture
def address(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Of a server of the home, whose quick heads are made in a few iterations."""
    (tmp_path / "few.py").write_text(FEW)
    monkeypatch.setitem(QUALITIES, "quick", Quality("Quick", str(tmp_path / "few.py")))
    monkeypatch.setattr("live.page.work.has_gpu", lambda: False)
    place = _listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(web_application(home, Limits()), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
    thread.start()
    yield f"http://127.0.0.1:{place.getsockname()[1]}/"
    server.should_exit = True
    thread.join(10)


def fits(page: Page) -> None:
    """Nothing is wider than the page, and every control has a name."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate(NAMELESS) == []


def photograph(page: Page, folder: Path, name: str) -> None:
    """Pictures of the page at the width of a screen and of a phone."""
    for width in (1200, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)
        page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
        fits(page)


def answers_and_is_interrupted(page: Page, folder: Path) -> list[str]:
    """Make a live head say a text and stop it; returns what the page asked for meanwhile."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("button", name="Connect").click()
    page.wait_for_function("document.getElementById('video').videoWidth > 0", timeout=120_000)
    page.evaluate(WATCH)
    page.get_by_label("Text", exact=True).fill(
        "This is a long sentence, which is not said to its end, for you stop me."
    )
    page.get_by_role("button", name="Say it").click()
    log = page.get_by_role("log")
    expect(log).to_contain_text("1 started", timeout=60_000)
    page.wait_for_function("window.loudest > 0.02 && window.changed > 10", timeout=20_000)
    fits(page)
    page.screenshot(path=folder / "live.png")
    page.get_by_role("button", name="Interrupt").click()
    expect(log).to_contain_text("1 interrupted", timeout=5_000)
    page.wait_for_timeout(1000)  # what the browser holds is played
    page.evaluate("window.loudest = 0")
    page.wait_for_timeout(1000)
    assert page.evaluate("window.loudest") < 0.005
    page.get_by_role("button", name="Leave").click()
    return asked


@pytest.mark.slow
def test_a_video_becomes_a_head_that_speaks(home: Home, address: str, talking_head: Path, tmp_path: Path):
    line = Line(home.jobs)
    seconds = np.arange(16000) / 16000
    write_wav(tmp_path / "hum.wav", (0.3 * np.sin(700 * seconds) * np.sin(20 * seconds)).astype(np.float32))
    with browser_page(*MICROPHONE, f"--use-file-for-fake-audio-capture={tmp_path / 'hum.wav'}") as page:
        asked = opened_at(page, address)
        page.get_by_role("tab", name="New").wait_for()
        expect(page.locator("#make")).to_be_disabled()
        page.locator("#video input[type=file]").set_input_files(talking_head)
        qualities = page.locator(".qualities li")
        expect(qualities).to_have_count(10, timeout=60_000)
        photograph(page, tmp_path, "clip")
        page.get_by_label("Name of the head").fill("Anna <b>")
        page.get_by_label("Quick").check()
        page.get_by_role("button", name="Make a head").click()
        expect(page.locator("#make-note")).to_contain_text("anna-b has begun")

        page.get_by_role("tab", name="Heads").click()
        expect(page.locator("#head-view")).to_contain_text("Preparing the video", timeout=20_000)
        expect(page.locator("#head-view")).to_contain_text("at work")
        photograph(page, tmp_path, "work")
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("#head-view")).to_contain_text("it can go on", timeout=60_000)
        (job,) = (job for job in line.all() if job.kind == "head")
        assert job.now == STOPPED
        page.reload()  # and finds it again
        page.get_by_role("tab", name="Heads").press("Enter")
        page.get_by_role("button", name="Go on").click()
        expect(page.locator("#head-view")).to_contain_text("at work", timeout=20_000)
        end = time.monotonic() + 300
        while line.find(job.number).now == RUNNING and time.monotonic() < end:
            page.wait_for_timeout(500)
        job = line.find(job.number)
        assert (job.now, job.error) == (DONE, ""), job.log.read_text()[-3000:]
        expect(page.locator("#head-view img")).to_be_visible(timeout=20_000)
        expect(page.locator("#head-view table")).to_contain_text("Picture of the head")
        photograph(page, tmp_path, "head")

        page.get_by_role("tab", name="Film").click()
        sound = page.locator("#sound")
        sound.get_by_label("Record audio").click()
        sound.get_by_role("button", name="Record", exact=True).click()
        page.wait_for_timeout(2000)
        sound.get_by_role("button", name="Stop", exact=True).click()
        sound.get_by_label("Play").or_(sound.get_by_label("play")).first.wait_for()
        page.get_by_role("button", name="More").click()
        page.get_by_label("Still").check()
        page.get_by_label("A colour").check()
        page.get_by_role("button", name="Make the film").click()
        film = page.locator("#films-view video")
        expect(film).to_be_visible(timeout=120_000)
        page.wait_for_function("document.querySelector('#films-view video').readyState > 0")
        assert film.evaluate("video => video.duration") == pytest.approx(2.0, abs=1.0)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download film 1").click()
        assert download.value.suggested_filename == "anna-b-0001.mp4"
        photograph(page, tmp_path, "film")

        page.get_by_role("tab", name="Live").click()
        with page.context.expect_page() as opened:
            page.get_by_role("link", name="anna-b").click()
        asked += answers_and_is_interrupted(opened.value, tmp_path)
    assert [url for url in asked if not url.startswith(address)] == []
    assert not [path for path in home.root.rglob("*") if "<" in path.name]
