#!/usr/bin/env python3
"""Let a trained head say what a sound file says: ``predict.py --audio_path a.wav ... -> results/a.mp4``.

A text does as well (``--text``), which a voice says, a table of expression codes or of ARKit's blendshapes
(``--motion``), or the face in another video (``--driving_video``).
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

from arguments.clock import FPS
from arguments.errors import EGSTalkerError, door


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line, parsed."""
    parser = argparse.ArgumentParser(prog="predict.sh", description=__doc__)
    parser.add_argument("--audio_path", type=Path, help="any sound or video file with speech; beside a motion: heard")
    parser.add_argument("--motion", type=Path, help="what the face does: its codes, or ARKit's")
    parser.add_argument("--driving_video", type=Path, help="a video whose face drives this one")
    parser.add_argument("--text", help="what it says, instead of a sound")
    parser.add_argument("--text_file", type=Path, metavar="FILE", help="the same in a UTF-8 file")
    parser.add_argument(
        "--voice",
        metavar="VOICE",
        help="of the text: joe (built in, English), a command with {text} and {wav}, or https://HOST/v1/audio/speech",
    )
    parser.add_argument("--audio_track", type=int, metavar="N", help="of several in what is heard, from 1 on")
    parser.add_argument("--with_pose", action="store_true", help="turn the head as the driving video's")
    parser.add_argument("--save_motion", type=Path, help="write the codes that drove the face to this .csv")
    parser.add_argument(
        "--reference_path",
        type=Path,
        help="data set folder that lends poses, and the torso of a model that has none (what the model has kept of it)",
    )
    parser.add_argument("--model_path", type=Path, required=True, help="folder of the trained model, or its .head file")
    parser.add_argument("--output_dir", type=Path, default=Path("results"), help="folder of the video (results)")
    parser.add_argument(
        "--background",
        default="clip",
        metavar="KIND",
        help="clip (default), transparent, a colour such as '#00ff00', a picture or a video",
    )
    parser.add_argument(
        "--format",
        choices=("mp4", "mov", "webm", "png"),
        help="of the film (mp4); with transparency: ProRes 4444 in mov (the default then), VP9 in webm, or pictures",
    )
    parser.add_argument(
        "--full_frame",
        type=Path,
        nargs="?",
        const=Path(),
        metavar="VIDEO",
        help="put head and torso back into the video that the clip was cropped from (the one it was made from)",
    )
    parser.add_argument("--force", action="store_true", help="borrow from another dataset than the model's own")
    parser.add_argument(
        "--blinks",
        choices=("own", "reference", "none"),
        default="own",
        help="made anew as the person blinks (own), those of the frames that lend the pose, or none",
    )
    parser.add_argument("--seed", type=int, default=0, help="of blinks and of the idle motion of brows and cheeks (0)")
    parser.add_argument(
        "--pose",
        default="reference",
        metavar="KIND",
        help="how the head is held: as in the reference (default), with motion of its own (own), still, or as a csv "
        "says: yaw, pitch, roll in degrees, x, y, z in cm",
    )
    parser.add_argument(
        "--torso",
        choices=("learnt", "frames"),
        default="learnt",
        help="neck and shoulders of the model, where it has learnt them, or the clip's pictures of them",
    )
    parser.add_argument("--iteration", type=int, help="checkpoint of the fine stage (the latest)")
    parser.add_argument("--batch", type=int, help="frames rendered at once (4 on a CPU, 32 on a GPU)")
    parser.add_argument("--device", help="cpu, cuda, or cuda:1 of several (what is here and can render)")
    options = parser.parse_args(join_dashed_paths(sys.argv[1:] if arguments is None else arguments))
    if options.batch is not None and options.batch < 1:
        parser.error("--batch is at least 1")
    if options.seed < 0:
        parser.error("--seed is at least 0")
    if options.motion is not None and options.driving_video is not None:
        parser.error("--motion and --driving_video both drive the head: give one of them")
    if options.text is not None and options.text_file is not None:
        parser.error("--text and --text_file both say what is spoken: give one of them")
    is_text = options.text is not None or options.text_file is not None
    if is_text and not all(
        given is None for given in (options.audio_path, options.motion, options.driving_video, options.audio_track)
    ):
        parser.error(
            "a text drives the head by itself: leave out --audio_path, --audio_track, --motion, --driving_video"
        )
    if options.voice is not None and not is_text:
        parser.error("--voice is of a --text")
    if not is_text and options.audio_path is None and options.motion is None and options.driving_video is None:
        parser.error("give what drives the head: --text, --audio_path, --motion or --driving_video")
    if options.with_pose and options.driving_video is None:
        parser.error("--with_pose is of a --driving_video")
    if options.reference_path is None and options.torso == "frames":
        parser.error("--torso frames are those of a --reference_path")
    if options.full_frame is not None:
        if options.reference_path is None or options.pose != "reference" or options.background != "clip":
            parser.error("--full_frame is for the poses and the background of a --reference_path")
        if options.with_pose:
            parser.error("--full_frame keeps the clip's poses: leave out --with_pose")
    if options.format is None:
        options.format = "mov" if options.background == "transparent" else "mp4"
    if options.format == "mp4" and options.background == "transparent":
        parser.error("an mp4 holds no transparency: --format mov, webm or png")
    if options.format in ("mov", "webm") and options.background != "transparent":
        parser.error(f"--format {options.format} is for --background transparent")
    return options


def join_dashed_paths(arguments: list[str]) -> list[str]:
    """The arguments, where what begins with a dash is joined to its option: argparse would read it as another.

    That is a path with one dash, and a text with one, or with more and a space.

    Example:
        >>> join_dashed_paths(["--audio_path", "-a.wav", "--batch", "4"])
        ['--audio_path=-a.wav', '--batch', '4']
    """
    joined: list[str] = []
    for argument in arguments:
        option = joined[-1] if joined else ""
        named = option.startswith("--") and option.endswith(
            ("_path", "_dir", "motion", "_video", "background", "pose", "--text", "_file")
        )
        is_text = option == "--text" and " " in argument
        if named and argument.startswith("-") and (is_text or not argument.startswith("--")):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


@door
def main() -> None:
    options = parse()
    if options.audio_path is not None and not options.audio_path.is_file():
        raise EGSTalkerError(f"there is no audio file {options.audio_path}")
    if options.motion is not None and not options.motion.is_file():
        raise EGSTalkerError(f"there is no motion {options.motion}")
    if options.driving_video is not None and not options.driving_video.is_file():
        raise EGSTalkerError(f"there is no video {options.driving_video}")

    if options.text_file is not None and not options.text_file.is_file():
        raise EGSTalkerError(f"there is no text {options.text_file}")

    from scene.head_file import opened

    if options.text is not None or options.text_file is not None:
        from synthesis.voices.text import checked, read_text

        options.text = checked(options.text) if options.text_file is None else read_text(options.text_file)

    with opened(options.model_path) as model:
        speak(options, model)


def speak(options: argparse.Namespace, model: Path) -> None:
    """Make the film that the options ask for, with the model of a folder."""
    from data_utils.progress import track
    from gaussian_renderer.devices import choose_device
    from media.sound import write_wav_blocks
    from scene.clip import Clip
    from scene.head_files import load_head
    from scene.kept_clip import KeptClip
    from scene.reference_clip import ReferenceClip
    from synthesis.background import Background
    from synthesis.film import make_writable, perform, rest_remark
    from synthesis.full_frame import Place
    from synthesis.pairing import check_own_clip
    from synthesis.poses import Posing
    from synthesis.signal import motion_of
    from synthesis.source import Source
    from synthesis.torso import torso_of
    from synthesis.voices import BUILT_IN, voice_of
    from synthesis.voices.text import film_name

    background, posing = Background.of(options.background), Posing.of(options.pose)
    spoken = None
    if options.text is not None:
        name = film_name(options.text) if options.text_file is None else options.text_file.stem
        spoken = options.audio_path = options.output_dir / f"{name}.wav"
        voice = voice_of(BUILT_IN if options.voice is None else options.voice, options.seed)
    source = Source(options.audio_path, options.motion, options.driving_video, options.with_pose, options.audio_track)
    device = choose_device(options.device)
    head, record, iteration = load_head(model, options.iteration, device)
    clip: Clip
    place = None
    if options.reference_path is None:
        clip = KeptClip(model)
    else:
        clip = reference = ReferenceClip(options.reference_path)
        check_own_clip(record, reference, options.model_path, force=options.force)
        if options.full_frame is not None:
            place = Place.of(reference, None if options.full_frame == Path() else options.full_frame)
    if remark := rest_remark(options.model_path, iteration):
        print(remark)
    make_writable(options.output_dir)
    target = options.output_dir / f"{source.name}{'_frames' if options.format == 'png' else '.' + options.format}"
    others = (options.text_file, background.path, posing.path, place.video if place else None)
    read = (*(source.files() if spoken is None else ()), *others)
    for path in (path for path in read if path is not None):
        if spoken is not None and spoken.exists() and spoken.samefile(path):
            raise EGSTalkerError(f"{spoken} would overwrite the text or background; choose another --output_dir")
        if target.exists() and target.samefile(path):
            kind = {source.sound: "audio", background.path: "background"}.get(path, "motion or video that drives it")
            raise EGSTalkerError(f"{target} would overwrite the {kind}; choose another --output_dir")
        if options.save_motion is not None and options.save_motion.exists() and options.save_motion.samefile(path):
            raise EGSTalkerError(f"{options.save_motion} would overwrite what drives the head; choose another")
    motion = motion_of(head, model, needs_speech=source.speaks)
    if spoken is not None:
        write_wav_blocks(spoken, voice.speak(options.text), voice.rate)
    frames = perform(
        *(head, clip, source, target),
        motion=motion,
        torso=torso_of(model, options.torso, device),
        saved=options.save_motion,
        background=background,
        posing=posing,
        place=place,
        blinking=options.blinks,
        seed=options.seed,
        batch=options.batch,
        watch=functools.partial(track, title="speaking"),
        follow=functools.partial(track, title="following"),
    )
    print(f"{target}: {frames} frames, {frames / FPS:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
