"""What is on the page and where; what its buttons do is in :mod:`live.page.actions`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from live.page.actions import Actions
from live.page.home import Home
from live.page.jobs import Line
from live.page.uploads import Limits
from live.page.work import BACKGROUNDS, COLOURED, FILMED, MOST_WORDS, POSES, QUALITIES, has_voices, qualities_here

EVERY = 2.0  # seconds between two looks at what is at work
STYLE = (Path(__file__).parent / "style.css").read_text()
HEAD = '<meta name="color-scheme" content="light dark">'
KEPT = 24 * 3600  # seconds that uploads nobody took stay
TITLE = (
    "<h1>EGSTalker</h1><p>Give a video of one person who speaks. It becomes a head that says what you give it. "
    "Everything stays on this computer.</p>"
)


def theme() -> gr.themes.Base:
    """Colours and the system's own fonts: nothing is fetched."""
    return gr.themes.Base(
        primary_hue="blue",
        neutral_hue="slate",
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "Consolas", "monospace"],
    )


def build(home: Home, line: Line, limits: Limits) -> gr.Blocks:
    """The page of a home."""
    actions = Actions(home, line, limits)
    with gr.Blocks(title="EGSTalker", analytics_enabled=False, delete_cache=(KEPT // 24, KEPT)) as page:
        gr.HTML(TITLE, elem_id="title")
        shown: dict[str, Any] = {"line": gr.HTML(elem_id="line")}
        clip, seen = gr.State(""), gr.State({})
        with gr.Tabs():
            with gr.Tab("New", id="make"):
                making = _making(shown, limits)
            with gr.Tab("Heads", id="heads"):
                head = _choice_of_heads("Head", "head")
                with gr.Row():
                    shown["head_stop"] = gr.Button("Stop", interactive=False, elem_id="head-stop")
                    shown["head_go_on"] = gr.Button("Go on", interactive=False, elem_id="head-go-on")
                head_note = gr.HTML()
                shown["head"] = gr.HTML(elem_id="head-view")
            with gr.Tab("Film", id="speak"):
                speaking = _speaking(shown)
            with gr.Tab("Live", id="live"):
                shown["live"] = gr.HTML(elem_id="live-view")
        chosen = [head, speaking["head"]]
        looks = [clip, *chosen, seen]
        outputs = [*chosen, *(shown[name] for name in actions.SHOWN), seen]

        def on(event: Any, work: Any, inputs: list[Any], results: list[Any]) -> None:
            """Let an event do its work and show at once what has changed."""
            event(work, inputs, results, show_progress="minimal", api_visibility="private").then(
                actions.look, looks, outputs, show_progress="hidden", api_visibility="private"
            )

        on(making["video"].upload, actions.video_given, [making["video"]], [clip, making["video"], making["note"]])
        begun = [making["name"], making["quality"]]
        on(making["button"].click, actions.make, [clip, *begun], [clip, making["name"], making["note"], head])
        on(shown["head_stop"].click, actions.stop_head, [head], [head_note])
        on(shown["head_go_on"].click, actions.go_on_head, [head], [head_note])
        said = [speaking[name] for name in ("head", "sound", "text", "pose", "background", "colour", "seed")]
        on(speaking["button"].click, actions.speak, said, [speaking["note"]])
        on(shown["film_stop"].click, actions.stop_film, [speaking["head"]], [speaking["note"]])
        on(shown["film_go_on"].click, actions.go_on_film, [speaking["head"]], [speaking["note"]])
        for choice in chosen:
            on(choice.input, lambda: None, [], [])
        on(page.load, actions.opened, [], [clip])
        gr.Timer(EVERY).tick(actions.look, looks, outputs, show_progress="hidden", api_visibility="private")
    return page


def _choice_of_heads(label: str, name: str) -> gr.Dropdown:
    choice = gr.Dropdown([], label=label, interactive=True, filterable=False, elem_id=name)
    # Lets a value through that it does not know: heads come after the page, and the home checks each name. As an
    # argument it would let people type.
    choice.allow_custom_value = True
    return choice


def _making(shown: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """The part in which a video becomes a head."""
    parts: dict[str, Any] = {}
    gr.HTML(
        "<p>Best are three to five minutes of one person who faces the camera and speaks, with camera and light left "
        f"alone. 20 seconds are enough to see something. Up to {limits.megabytes} MB.</p>"
    )
    parts["video"] = gr.File(label="Video of one person", file_types=["video"], height=120, elem_id="video")
    shown["clip"] = gr.HTML(elem_id="clip-view")
    parts["name"] = gr.Textbox(label="Name of the head", max_length=60, placeholder="anna", elem_id="name")
    here = qualities_here()
    choices = [(QUALITIES[name].words, name) for name in here]
    parts["quality"] = gr.Radio(choices, value=here[0], label="How good it should be", elem_id="quality")
    parts["button"] = shown["make"] = gr.Button("Make a head", variant="primary", interactive=False, elem_id="make")
    parts["note"] = gr.HTML(elem_id="make-note")
    return parts


def _speaking(shown: dict[str, Any]) -> dict[str, Any]:
    """The part in which a head says something."""
    parts: dict[str, Any] = {}
    parts["head"] = _choice_of_heads("Who speaks", "speaker")
    parts["sound"] = gr.Audio(
        sources=["upload", "microphone"],
        type="filepath",
        label="What it says: a sound file, or your voice",
        editable=False,
        buttons=[],
        elem_id="sound",
    )
    parts["text"] = gr.Textbox(
        label="Or a text (English)", lines=3, max_length=MOST_WORDS, visible=has_voices(), elem_id="text"
    )
    with gr.Accordion("More", open=False):
        parts["pose"] = gr.Radio(list(POSES), value=next(iter(POSES)), label="How the head is held")
        parts["background"] = gr.Radio(list(BACKGROUNDS), value=FILMED, label="Behind the person")
        parts["colour"] = gr.ColorPicker(value="#00ff00", label="Colour behind the person", visible=False)
        parts["seed"] = gr.Number(value=0, minimum=0, precision=0, label="Other blinks and motions (any number)")
        parts["background"].input(
            lambda kind: gr.update(visible=kind == COLOURED),
            parts["background"],
            parts["colour"],
            show_progress="hidden",
            api_visibility="private",
        )
    parts["button"] = shown["speak"] = gr.Button(
        "Make the film", variant="primary", interactive=False, elem_id="make-film"
    )
    parts["note"] = gr.HTML(elem_id="speak-note")
    shown["making"] = gr.HTML(elem_id="making-view")
    with gr.Row():
        shown["film_stop"] = gr.Button("Stop the film", interactive=False, elem_id="film-stop")
        shown["film_go_on"] = gr.Button("Go on with the film", interactive=False, elem_id="film-go-on")
    shown["films"] = gr.HTML(elem_id="films-view")
    return parts
