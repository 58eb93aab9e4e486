"""The parts of the page that only show something, as HTML; whatever comes from people or logs is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from live.page.chart import curve_svg
from live.page.heads import HeadState, Point
from live.page.job import DONE, FAILED, HALFWAY, RUNNING, STOPPED, WAITING, Job
from live.page.log import Progress, QualityLine, progress_of
from live.page.work import QUALITIES, TITLES

STATE_WORDS = {
    WAITING: "waits in line",
    RUNNING: "at work",
    STOPPED: "stopped; it can go on",
    HALFWAY: "stopped half way; it can go on",
    FAILED: "did not work",
    DONE: "done",
}
FIGURES = (
    ("head_psnr", "Picture of the head", "dB", "above 30 is good"),
    ("mouth_psnr", "Picture of the mouth", "dB", ""),
    ("ssim", "Likeness of the whole picture", "", "1 is the same"),
    ("mouth_correlation", "Mouth moves with the speech", "", "1 is best, 0 is chance"),
    ("landmark_distance", "Mouth is off by", "pixels", ""),
    ("render_fps", "Pictures a second", "", "25 are needed to be live"),
)


def duration(seconds: float) -> str:
    """A time in words.

    Example:
        >>> duration(95)
        '2 min'
    """
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def note(words: str, kind: str = "note") -> str:
    """A line of its own; kind ``bad`` is read out at once."""
    role = "alert" if kind == "bad" else "status"
    return f'<p class="{kind}" role="{role}">{escape(words)}</p>' if words else ""


def live_view(names: Sequence[str]) -> str:
    """Where each of the heads answers."""
    if not names:
        return note("No head can answer yet: it has to be finished, neck and shoulders too.", "quiet")
    links = "".join(
        f'<li><a href="live/{escape(name, quote=True)}/" target="_blank" rel="noopener">{escape(name)}</a></li>'
        for name in names
    )
    words = (
        "A head answers at once: it says a text, a sound file or what your microphone hears, and can be interrupted."
    )
    return f"<p>{words} One head at a time; it takes half a minute to begin.</p><ul>{links}</ul>"


def bar(title: str, progress: Progress, state: str) -> str:
    """One step of a job."""
    share = "" if progress.share is None else f' value="{min(max(progress.share, 0.0), 1.0):.3f}"'
    left = f"{duration(progress.left)} left" if progress.left is not None and state == RUNNING else ""
    words = ", ".join(filter(None, [progress.words, progress.rate if state == RUNNING else "", left]))
    label = escape(title, quote=True)
    return (
        f'<div class="step"><span class="step-title">{label}</span>'
        f'<progress max="1"{share} aria-label="{label}"></progress>'
        f'<span class="step-words">{escape(words)}</span></div>'
    )


def job_bars(job: Job) -> str:
    """The steps of a job and how far each is."""
    rows, state = [], job.now
    for number, step in enumerate(job.steps):
        if number < job.step:
            spent = (job.seconds or {}).get(step.name)
            progress = Progress(f"done in {duration(spent)}" if spent else "done", 1.0)
        elif number > job.step or state == WAITING:
            progress = Progress("", 0.0)
        elif state == RUNNING:
            progress = progress_of(step.name, job.log)
        else:
            there = progress_of(step.name, job.log)
            progress = Progress(there.words, there.share or 0.0)
        rows.append(bar(TITLES.get(step.name, step.name), progress, state))
    return "".join(rows)


def job_state(job: Job, before: int = 0) -> str:
    """What has become of a job, in a line; ``before``: how many wait before it."""
    state = job.now
    words = STATE_WORDS[state]
    if state == WAITING and before:
        words = f"waits in line, {before} before it"
    log = f' <a href="jobs/{job.number}/log" target="_blank" rel="noopener">log</a>' if job.log.is_file() else ""
    error = note(job.error, "bad") if state == FAILED else ""
    return f'<p class="state state-{state}">{escape(words)}{log}</p>{error}'


def line_view(jobs: Sequence[Job]) -> str:
    """What is at work and what waits, in a line."""
    running = [job for job in jobs if job.now == RUNNING and job.lane == "long"]
    waiting = sum(job.state == WAITING for job in jobs)
    if not running:
        return note("Nothing is at work.", "quiet") if not waiting else note(f"{waiting} in line.", "quiet")
    job = running[0]
    what = f"{TITLES.get(job.current.name, job.current.name)}: {job.subject}"
    progress = progress_of(job.current.name, job.log)
    left = f", {duration(progress.left)} left" if progress.left is not None else ""
    after = f"; {waiting} in line" if waiting else ""
    return note(f"{what} ({progress.words}{left}){after}", "quiet")


def clip_view(job: Job, lines: Sequence[QualityLine]) -> str:
    """What a clip is like, a line for each quality."""
    state = job.now
    if state in (RUNNING, WAITING):
        return note("Looking at the video: some seconds ...")
    if state != DONE:
        return note(job.error or "The video could not be looked at; give it again.", "bad")
    limited = sum(bool(line.limit) for line in lines)
    head = f"{limited} of {len(lines)} things could be better" if limited else "Nothing stands in the way"
    rows = "".join(
        f'<li class="{"limits" if line.limit else "fine"}"><b>{escape(line.name)}</b> '
        f"<span>{escape(line.value)}{f'<em>{escape(line.limit)}</em>' if line.limit else ''}</span></li>"
        for line in lines
    )
    return f'<h3>What the video is like</h3><p>{escape(head)}.</p><ul class="qualities">{rows}</ul>'


def head_view(
    head: HeadState, job: Job | None, before: int, points: Sequence[Point], picture: str | None, report: bool
) -> str:
    """All that is known of a head."""
    quality = QUALITIES[head.quality].words.split(":")[0] if head.quality in QUALITIES else "unknown"
    facts = [f"quality: {quality.lower()}"]
    facts += [f"{head.gaussians:,} points"] if head.gaussians else []
    facts += [f"{head.megabytes:.1f} MB"] if head.megabytes else []
    parts = [f"<h3>{escape(head.name)}</h3><p>{escape(', '.join(facts))}</p>"]
    if job is not None:
        parts += [job_state(job, before), f'<div class="steps">{job_bars(job)}</div>' if job.now != DONE else ""]
    if picture is not None and not report:
        parts.append(_picture(head.name, picture, "Frames it does not learn from: the video, the head, the difference"))
    if not report:
        parts.append(_curves(points))
    if report:
        parts.append(
            _picture(head.name, "report", "Frames it has not learnt from: the video, the head, the difference")
        )
    parts.append(figures_view(head))
    if report:
        parts.append(_curves(points))
    return "".join(parts)


def figures_view(head: HeadState) -> str:
    """How good a head is, as a table; empty where nobody has measured."""
    scores = head.scores.get("val")
    if not isinstance(scores, dict):
        return ""
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td>{scores[key]:.3g} {unit}</td><td>{hint}</td></tr>'
        for key, name, unit, hint in FIGURES
        if isinstance(scores.get(key), (int, float))
    )
    caption = "On the last eleventh of the video, which it has not learnt from"
    return f'<table class="figures"><caption>{caption}</caption>{rows}</table>' if rows else ""


def films_view(name: str, numbers: Sequence[str]) -> str:
    """The films of a head that are there, in their order."""
    if not numbers:
        return note("No films yet.", "quiet")
    return "".join(_film(name, number) for number in numbers)


def making_view(name: str, films: Sequence[tuple[str, Job | None]]) -> str:
    """The films that are being made, or could not be: number and job of each."""
    parts = []
    for number, job in films:
        if job is not None:
            bars = job_bars(job) if job.now != FAILED else ""
            parts.append(
                f'<article class="film"><h4>Film {int(number)} of {escape(name)}</h4>{job_state(job)}{bars}</article>'
            )
    return "".join(parts)


def _film(name: str, number: str) -> str:
    title, source = escape(f"Film {int(number)} of {name}", quote=True), f"heads/{name}/films/{number}"
    return (
        f'<article class="film"><h4>{title}</h4>'
        f'<video controls preload="metadata" playsinline src="{source}" aria-label="{title}"></video>'
        f'<p><a href="{source}?download=1" download>Download film {int(number)}</a></p></article>'
    )


def _picture(name: str, picture: str, words: str) -> str:
    label, source = escape(words, quote=True), f"heads/{name}/pictures/{picture}"
    return (
        f'<figure class="shown"><a href="{source}" target="_blank" rel="noopener">'
        f'<img src="{source}" alt="{label}"></a>'
        f"<figcaption>{label}</figcaption></figure>"
    )


def _curves(points: Sequence[Point]) -> str:
    seen = [(float(p.iteration), p.psnr) for p in points if p.psnr is not None]
    held_out = [(float(p.iteration), p.held_out) for p in points if p.held_out is not None]
    loss = [(float(p.iteration), p.loss) for p in points if p.loss is not None]
    lines = {"frames it learns from": seen, "frames it does not learn from": held_out}
    likeness = curve_svg("Likeness to the video (PSNR, dB), higher is better", "dB", lines)
    return likeness + curve_svg("Error (loss), lower is better", "", {"error": loss})
