"""What the page does when something is given, pressed or looked at; every value comes from a browser and is checked."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable
from typing import Any

import gradio as gr

from arguments.errors import EGSTalkerError, one_line
from live.page.heads import can_be_live, can_speak, curve, films_of, make_film, make_head, newest_picture, state_of
from live.page.home import Home
from live.page.job import CAN_GO_ON, RUNNING, WAITING, Job
from live.page.jobs import Line
from live.page.log import qualities
from live.page.uploads import FORGOTTEN, Limits, take_video
from live.page.views import clip_view, films_view, head_view, line_view, live_view, making_view, note
from live.page.work import BACKGROUNDS, COLOURED, FILMED, POSES, Speech, inspect_steps

Update = Any
"""What Gradio takes for a component: a value, or its new properties."""


class Actions:
    """The page's answers over one home."""

    SHOWN = (
        *("line", "clip", "make", "head", "head_stop", "head_go_on"),
        *("making", "speak", "film_stop", "film_go_on", "films", "live"),
    )
    """The components that :meth:`look` answers for, after the two choices of heads and before what was seen."""

    def __init__(self, home: Home, line: Line, limits: Limits) -> None:
        self._home, self._line, self._limits = home, line, limits

    def opened(self) -> str:
        """The clip of which no head has been made yet, for a page that is opened anew; empty where there is none."""
        for job in reversed(self._line.all()):
            if job.kind == "clip" and (self._home.clips / job.subject).is_dir():
                return job.subject if time.time() - job.asked < FORGOTTEN else ""
        return ""

    def video_given(self, sent: object) -> tuple[Update, Update, Update]:
        """Keep a video and look at it."""
        try:
            clip = take_video(self._home, sent, self._limits)
        except EGSTalkerError as error:
            return "", None, _bad(error)
        self._line.add("clip", clip.parent.name, inspect_steps(clip), lane="short")
        return clip.parent.name, None, note("")

    def make(self, clip: object, name: object, quality: object) -> tuple[Update, Update, Update, Update]:
        """Begin a head."""
        try:
            job = make_head(self._home, self._line, clip, str(name or ""), str(quality))
        except EGSTalkerError as error:
            return gr.skip(), gr.skip(), _bad(error), gr.skip()
        looked = self._line.latest("clip", str(clip))
        if looked is None or looked.now not in (RUNNING, WAITING):
            with contextlib.suppress(EGSTalkerError):
                shutil.rmtree(self._home.clip(clip), ignore_errors=True)
        said = f"{job.subject} has begun: see Heads." if job.now == RUNNING else f"{job.subject} is in line: see Heads."
        return "", "", note(said, "good"), gr.update(choices=self._names(), value=job.subject)

    def speak(
        self, name: object, sent: object, text: object, pose: object, background: object, colour: object, seed: object
    ) -> Update:
        """Begin a film."""
        try:
            if pose not in POSES or background not in BACKGROUNDS:
                raise EGSTalkerError("choose how the head is held, and what is behind it")
            behind = {FILMED: "clip", COLOURED: _hexadecimal(str(colour))}.get(str(background), "transparent")
            number = int(seed) if isinstance(seed, (int, float)) else 0
            speech = Speech(None, str(text or ""), POSES[str(pose)], behind, number)
            job = make_film(self._home, self._line, name, sent, speech, self._limits)
        except EGSTalkerError as error:
            return _bad(error)
        return note("The film has begun." if job.now == RUNNING else "The film is in line.", "good")

    def stop_head(self, name: object) -> Update:
        """Stop what makes a head; it can go on later."""
        return self._ended("head", name, self._line.stop, "It stops after what it is doing now, and keeps it.")

    def go_on_head(self, name: object) -> Update:
        """Go on with a head that was stopped."""
        return self._ended("head", name, self._line.go_on, "")

    def stop_film(self, name: object) -> Update:
        """Stop a film."""
        return self._ended("film", name, self._line.stop, "")

    def go_on_film(self, name: object) -> Update:
        """Begin a film again that was stopped."""
        return self._ended("film", name, self._line.go_on, "")

    def look(self, clip: object, name: object, speaker: object, seen: object) -> list[Update]:
        """What has changed since the page was last told: what is the same is left alone, so that films play on."""
        self._line.advance()
        jobs, names = self._line.all(), self._names()
        speakers = [one.name for one in self._home.heads() if can_speak(one)]
        name = name if name in names else next(iter(names), None)
        speaker = speaker if speaker in speakers else next(iter(speakers), None)
        looked = next((job for job in reversed(jobs) if (job.kind, job.subject) == ("clip", clip)), None)
        values: dict[str, Update] = {
            "heads": {"choices": names, "value": name},
            "speakers": {"choices": speakers, "value": speaker},
            "line": line_view(jobs),
            "clip": clip_view(looked, qualities(looked.log)) if looked and clip else "",
            "make": {"interactive": bool(clip)},
            **self._of_head(name, jobs),
            **self._of_speaker(speaker, jobs),
            "live": live_view([one.name for one in self._home.heads() if can_be_live(one)]),
        }
        before = seen if isinstance(seen, dict) else {}
        now = {key: json.dumps(value) for key, value in values.items()}
        order = ["heads", "speakers", *self.SHOWN]
        changed = [_update(values[key]) if before.get(key) != now[key] else gr.skip() for key in order]
        return [*changed, now]

    def _of_head(self, name: object, jobs: list[Job]) -> dict[str, Update]:
        if name is None:
            nothing = note("No heads yet: make one.", "quiet")
            return {"head": nothing, "head_stop": {"interactive": False}, "head_go_on": {"interactive": False}}
        folder = self._home.head(name)
        job = next((job for job in reversed(jobs) if (job.kind, job.subject) == ("head", name)), None)
        waiting = [other.number for other in self._line.waiting() if other.lane == "long"]
        before = waiting.index(job.number) if job is not None and job.number in waiting else 0
        report = (folder.report / "report.png").is_file()
        view = head_view(state_of(folder), job, before, curve(folder), newest_picture(folder), report)
        state = job.now if job else ""
        return {
            "head": view,
            "head_stop": {"interactive": state in (RUNNING, WAITING)},
            "head_go_on": {"interactive": state in CAN_GO_ON},
        }

    def _of_speaker(self, name: object, jobs: list[Job]) -> dict[str, Update]:
        if name is None:
            nothing, off = note("No head can speak yet.", "quiet"), {"interactive": False}
            return {"films": nothing, "making": "", "speak": off, "film_stop": off, "film_go_on": off}
        films = films_of(self._home.head(name), jobs)
        job = next((job for job in reversed(jobs) if (job.kind, job.subject) == ("film", name)), None)
        state = job.now if job else ""
        done = [film for film in films if film.there]
        return {
            "films": films_view(str(name), [film.number for film in done]),
            "making": making_view(str(name), [(film.number, film.job) for film in films if film not in done]),
            "speak": {"interactive": True},
            "film_stop": {"interactive": state in (RUNNING, WAITING)},
            "film_go_on": {"interactive": state in CAN_GO_ON},
        }

    def _ended(self, kind: str, name: object, change: Callable[[str], Job], said: str) -> Update:
        try:
            job = self._line.latest(kind, self._home.head(name).name)
            if job is None:
                raise EGSTalkerError("nothing is at work there")
            change(job.number)
        except EGSTalkerError as error:
            return _bad(error)
        return note(said)

    def _names(self) -> list[str]:
        return [head.name for head in self._home.heads()]


def _update(value: Update) -> Update:
    return gr.update(**value) if isinstance(value, dict) else value


def _bad(error: EGSTalkerError) -> str:
    words = one_line(error)
    return note(words[:1].upper() + words[1:], "bad")


def _hexadecimal(colour: str) -> str:
    """A colour as browsers' pickers say it, #rrggbb or rgba(r, g, b, a), as #rrggbb; else what was given."""
    numbers = colour.removeprefix("rgba(").removeprefix("rgb(").removesuffix(")").split(",")
    try:
        red, green, blue = (round(float(number)) for number in numbers[:3])
    except ValueError:
        return colour
    return f"#{red:02x}{green:02x}{blue:02x}" if all(0 <= part <= 255 for part in (red, green, blue)) else colour
