"""What the page's buttons do, and what they do with values that no button sends."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gradio", reason="requirements/live.txt is not installed")

from live.page import jobs as jobs_module
from live.page.actions import Actions
from live.page.home import HeadFolder, Home
from live.page.job import DONE, FAILED, STOPPED, WAITING, Job, Step
from live.page.jobs import Line
from live.page.uploads import Limits
from live.page.work import BACKGROUNDS, POSES
from media.sound import write_wav

AS_USUAL = (next(iter(POSES)), BACKGROUNDS[0], "#00ff00", 0)


@pytest.fixture
def actions(home: Home, monkeypatch: pytest.MonkeyPatch) -> Actions:
    """Of a page whose jobs wait for ever."""
    monkeypatch.setattr("live.page.work.has_gpu", lambda: False)
    monkeypatch.setattr("live.page.heads.has_gpu", lambda: False)
    monkeypatch.setattr(jobs_module, "_start", lambda job: None)
    return Actions(home, Line(home.jobs), Limits())


def a_head(home: Home, name: str) -> HeadFolder:
    head = home.new_head(name)
    head.root.mkdir()
    head.record.write_text(json.dumps({"quality": "quick", "asked": 1.0}))
    return head


def that_speaks(head: HeadFolder) -> HeadFolder:
    state = head.model.checkpoint("fine", 10).state
    for path in (state, head.model.speech_model):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return head


def a_clip(home: Home, talking_head: Path, actions: Actions) -> str:
    sent = home.uploads / "x.mp4"
    sent.write_bytes(talking_head.read_bytes())
    number, kept, said = actions.video_given(str(sent))
    assert (kept, said) == (None, "")
    return number


def seen_by(actions: Actions, *values: Any) -> dict[str, Any]:
    """What a page is shown that has seen nothing yet."""
    answer = actions.look(*values, {})
    return dict(zip(("heads", "speakers", *Actions.SHOWN), answer[:-1], strict=True))


def test_a_video_is_looked_at_and_becomes_a_head_of_a_plain_name(home: Home, talking_head: Path, actions: Actions):
    clip = a_clip(home, talking_head, actions)
    assert actions.opened() == clip
    *_, said, _ = actions.make(clip, "<script>Zoë", "quick")
    assert "script-zoe" in said
    head = home.head("script-zoe")
    job = Line(home.jobs).latest("head", head.name)
    assert job is not None
    assert [step.name for step in job.steps] == ["preprocess", "train", "metrics", "report"]
    assert job.steps[0].command[1:] == ("data_utils/process.py", str(head.clip()))
    *_, said, _ = actions.make(clip, "script zoe", "quick")
    assert "already" in said


@pytest.mark.parametrize(
    ("clip", "name", "quality", "why"),
    [
        ("../heads", "a", "quick", "not a number"), ("9999", "a", "quick", "is gone"), (None, "a", "quick", "number"),
        ("0001", "///", "quick", "letters and digits"), ("0001", "a", "best", "how good"),
        ("0001", "a", "../x.py", "how good"),
    ],
)  # fmt: skip
def test_what_no_button_sends_makes_no_head(
    home: Home, talking_head: Path, actions: Actions, clip: object, name: str, quality: str, why: str
):
    a_clip(home, talking_head, actions)
    *_, said, _ = actions.make(clip, name, quality)
    assert why in said
    assert 'role="alert"' in said
    assert home.heads() == []


def test_a_sound_is_said_by_the_commands_own_options(home: Home, actions: Actions):
    that_speaks(a_head(home, "anna"))
    sent = home.uploads / "a b.wav"
    write_wav(sent, np.zeros(16000, np.float32))
    said = actions.speak("anna", str(sent), "", "Still", BACKGROUNDS[1], "rgba(255, 0, 16.2, 1)", 7)
    assert "in line" in said
    job = Line(home.jobs).latest("film", "anna")
    assert job is not None
    command = job.steps[0].command
    assert {"--pose=still", "--background=#ff0010", "--seed=7"} <= set(command)
    assert f"--audio_path={home.head('anna').sounds / '0001' / 'sound.wav'}" in command
    assert f"--output_dir={home.head('anna').films / job.result}" in command


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (("anna", None, "", *AS_USUAL), "sound file"),
        (("anna", "/etc/passwd", "", *AS_USUAL), "no file that was sent"),
        (("../anna", None, "hello", *AS_USUAL), "not the name"),
        (("mute", None, "hello", *AS_USUAL), "has not learnt to speak"),
        (("anna", None, "", "--help", BACKGROUNDS[0], "", 0), "how the head is held"),
        (("anna", None, "", "Still", "/etc/passwd", "", 0), "behind it"),
        (("anna", None, "", "Still", BACKGROUNDS[1], "/etc/passwd", 0), "colour"),
        (("anna", None, "", "Still", BACKGROUNDS[0], "", -1), "seed"),
    ],
)
def test_what_no_button_sends_makes_no_film(home: Home, actions: Actions, values: tuple[Any, ...], why: str):
    that_speaks(a_head(home, "anna"))
    a_head(home, "mute")
    said = actions.speak(*values)
    assert why in said
    assert not home.head("anna").films.exists()


def test_only_what_has_changed_is_sent_again(home: Home, actions: Actions):
    that_speaks(a_head(home, "anna"))
    first = actions.look("", None, None, {})
    again = actions.look("", "anna", "anna", first[-1])
    assert all(isinstance(value, dict) and set(value) == {"__type__"} for value in again[:-1])
    a_head(home, "berta")
    changed = seen_by(actions, "", "anna", "anna")
    assert changed["heads"]["choices"] == ["berta", "anna"]
    assert changed["speakers"]["choices"] == ["anna"]


def test_a_head_that_is_gone_or_none_does_not_break_the_page(home: Home, actions: Actions):
    assert "No heads yet" in seen_by(actions, "", "../x", 7)["head"]
    a_head(home, "anna").record.write_text("{")
    assert "anna" in seen_by(actions, "0000", "gone", ["x"])["head"]


def test_the_state_of_a_job_decides_what_can_be_pressed(home: Home, actions: Actions):
    a_head(home, "anna")
    for state, stop, go_on in (
        (WAITING, True, False),
        (STOPPED, False, True),
        (FAILED, False, True),
        (DONE, False, False),
    ):
        folder = home.jobs / "0001"
        folder.mkdir(exist_ok=True)
        Job(
            "head", "anna", (Step("train", ("x",)),), state=state, error="<b>", asked=time.time(), folder=folder
        ).write()
        shown = seen_by(actions, "", "anna", None)
        assert (shown["head_stop"]["interactive"], shown["head_go_on"]["interactive"]) == (stop, go_on)
        assert "<b>" not in shown["head"]
        assert ("&lt;b&gt;" in shown["head"]) == (state == FAILED)
    assert "nothing to go on" in actions.go_on_head("anna").lower()
