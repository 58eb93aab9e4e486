"""Rendering speed: ``python -m benchmarks.render --device cpu|cuda [--model_path M [--source_path S]] [--json F]``.

Every row is one batch of pictures of a head-like cloud, or of a trained head, whose ``deform`` stage counts too: moved
by made-up audio, or with ``--source_path`` by its dataset's held-out frames at their own size.
``forward`` is the whole of a render, ``backward`` its gradient in every input, both with the device synchronised; the
CPU's forward pass is also shown stage by stage; ``encode`` is the time to write the pictures into an mp4. Medians over
the repeats, of half a second at least (a processor that was idle begins slowly), in milliseconds a batch, and half the
distance between the quartiles; fps is pictures a second, without gradients and encoding. ``--compare`` sets the
compiled code against itself on one core and against its twin in plain torch, in one run: rasterization, and deformation
where there is a trained head.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from arguments.atomic import atomic_path
from arguments.device import CPU, synchronize
from arguments.errors import EGSTalkerError, door
from benchmarks.head_cloud import head_camera, head_cloud
from gaussian_renderer.cpu import camera_table
from gaussian_renderer.devices import choose_device
from gaussian_renderer.render import render
from gaussian_renderer.spherical_harmonics import view_colors
from kernels.cpu.binning import TileLists, depth_order, tile_lists
from kernels.cpu.blending import blend
from kernels.cpu.projection import project
from kernels.cpu.threads import kernels
from media.video_writer import VideoWriter
from scene.cameras import Camera
from scene.drive import BODY, Drive
from scene.gaussians import Gaussians
from scene.head import GaussianHead
from scene.head_files import load_head
from scene.reference_clip import ReferenceClip
from synthesis.pairing import check_pair
from synthesis.signal import motion_of, own_signal

COUNTS, SIZES, BATCHES = (5_000, 20_000, 32_768, 100_000), (256, 384, 512, 1024), (1,)
ENCODED = 25  # batches in a video whose encoding is timed


TWIN_PAIRS = 2 * 10**8  # pixels times Gaussians: more does not fit the twin in plain torch


class Spread(float):
    """A median, and half the distance between the quartiles around it."""

    around: float

    def __new__(cls, values: Sequence[float]) -> Spread:
        spread = super().__new__(cls, median(values))
        low, _, high = quantiles(values, method="inclusive") if len(values) > 1 else (values[0],) * 3
        spread.around = (high - low) / 2
        return spread


@dataclass(frozen=True)
class Often:
    """How often a call is timed: until both are reached. Raises EGSTalkerError where they say no number of times."""

    repeats: int = 10
    seconds: float = 0.5

    def __post_init__(self) -> None:
        if self.repeats < 1 or not 0 <= self.seconds <= 3600:
            raise EGSTalkerError("--repeats is at least 1, --seconds from 0 to 3600")


def milliseconds(call: Callable[[], Any], device: torch.device, often: Often) -> Spread:
    """Wall-clock time of ``call``, the device's queue empty before and after."""
    return side_by_side({"": call}, device, often)[""]


def side_by_side(calls: dict[str, Callable[[], Any]], device: torch.device, often: Often) -> dict[str, Spread]:
    """Wall-clock milliseconds of several calls that take turns, so that what slows the machine slows them all."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    rounds, until = 0, time.perf_counter() + often.seconds
    while rounds < often.repeats or time.perf_counter() < until:
        rounds += 1
        for name, call in calls.items():
            _synchronize(device)
            start = time.perf_counter()
            call()
            _synchronize(device)
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: Spread(values) for name, values in times.items()}


def measure(gaussians: Gaussians, camera: Camera, often: Often) -> dict[str, Any]:
    """One row: {gaussians, size, batch, stages: {name: ms}, fps} of ``gaussians`` seen by ``camera``."""
    device = gaussians.means.device
    stages = _cpu_stages(gaussians, camera, often) if device.type == "cpu" else {}
    with torch.no_grad():
        render(gaussians, camera)
        stages["forward"] = milliseconds(lambda: render(gaussians, camera), device, often)

    leaves = gaussians.map(lambda tensor, _: tensor.clone().requires_grad_())
    image = render(leaves, camera).image
    gradient = torch.rand_like(image)
    stages["backward"] = milliseconds(lambda: image.backward(gradient, retain_graph=True), device, often)
    stages["encode"] = _encoding(image.detach(), often)
    return {
        "gaussians": gaussians.count,
        "size": camera.height,
        "batch": len(camera),
        "stages": stages,
        "fps": 1000 * len(camera) / stages["forward"],
    }


@torch.no_grad()
def measure_head(head: GaussianHead, drive: Drive, often: Often) -> dict[str, Any]:
    """One row of a trained head that ``drive`` moves; ``fps`` counts deformation and rasterization."""
    device = next(head.parameters()).device
    drive = drive.to(str(device))
    at_rest = head.at_rest()
    for _ in range(3):  # compiles and records
        gaussians = head.deform(drive, at_rest)
    deform = milliseconds(lambda: head.deform(drive, at_rest), device, often)
    with torch.enable_grad():
        row = measure(gaussians, drive.camera, often)
    row["stages"] = {"deform": deform, **row["stages"]}
    row["fps"] = 1000 * len(drive) / (deform + row["stages"]["forward"])
    return row


@torch.no_grad()
def compare(gaussians: Gaussians, camera: Camera, often: Often) -> dict[str, Any]:
    """One row of rasterization: compiled, compiled on one core, and the twin in plain torch where that fits memory."""
    calls = {
        "rasterize": lambda: render(gaussians, camera),
        "one core": _on_one_core(lambda: render(gaussians, camera)),
    }
    if gaussians.count * camera.height * camera.width <= TWIN_PAIRS:
        calls["plain torch"] = lambda: render(gaussians, camera, backend="reference")
    return _compared(calls, gaussians.count, camera, often)


@torch.no_grad()
def compare_deformation(head: GaussianHead, drive: Drive, often: Often) -> dict[str, Any]:
    """One row of a trained head's deformation: compiled, compiled on one core, and the modules in plain torch."""
    at_rest = head.at_rest()
    calls = {
        "deform": lambda: head.deform(drive, at_rest),
        "one core": _on_one_core(lambda: head.deform(drive, at_rest)),
        "plain torch": lambda: head.deform(drive, replace(at_rest, compiled=None)),
    }
    return _compared(calls, head.num_gaussians, drive.camera, often)


def _compared(calls: dict[str, Callable[[], Any]], count: int, camera: Camera, often: Often) -> dict[str, Any]:
    for call in calls.values():
        call()  # compiles and fills caches
    stages = side_by_side(calls, torch.device("cpu"), often)
    return {"gaussians": count, "size": camera.height, "batch": len(camera), "stages": stages}


def _on_one_core(call: Callable[[], Any]) -> Callable[[], Any]:
    def alone() -> None:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            call()
        finally:
            torch.set_num_threads(threads)

    return alone


def _encoding(images: Float[Tensor, "B H W 3"], often: Often) -> Spread:
    """Milliseconds to write the batch into an mp4, over and over, shifted by a pixel each time as a head would be."""
    shown = images.clamp(0, 1).mul(255).byte().cpu()
    shifted = [shown.roll(i, dims=2).numpy() for i in range(ENCODED)]
    times = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(max(often.repeats // ENCODED, 2)):
            start = time.perf_counter()
            with VideoWriter(Path(folder) / f"{i}.mp4", shown.shape[2], shown.shape[1]) as writer:
                for frames in shifted:
                    for frame in frames:
                        writer.write(frame)
            times.append(1000 * (time.perf_counter() - start) / ENCODED)
    return Spread(times)


def made_up_drive(head: GaussianHead, size: int, batch: int) -> Drive:
    """Noise for the face, in front of square pictures."""
    generator = torch.Generator().manual_seed(0)
    window = head.settings.signal_window
    signal = torch.randn(batch, window, *head.feature_shape, generator=generator)
    numbers = torch.arange(window) + torch.arange(batch)[:, None]
    return Drive(
        signal, numbers, torch.rand(batch, 1, generator=generator), head_camera(size, batch), torch.zeros(batch, BODY)
    )


def held_out_drive(
    head: GaussianHead, clip: ReferenceClip, signal: Float[Tensor, "N *D"], height: int, batch: int
) -> Drive:
    """The first held-out frames (over again, if they are too few), in pictures of ``height`` pixels."""
    frames = clip.val.start + torch.arange(batch) % len(clip.val)
    camera = clip.camera[frames].resize(round(height * clip.width / clip.height), height)
    return clip.drive(signal, frames, head.settings.signal_window, camera)


@torch.no_grad()
def _cpu_stages(gaussians: Gaussians, camera: Camera, often: Often) -> dict[str, float]:
    """The compiled rasterizer's stages, one after the other on the same data."""
    cpu = torch.device("cpu")
    batch = len(camera)
    heads = gaussians.broadcast(batch)
    colors = view_colors(gaussians, camera.positions)
    shapes = heads.means, heads.quats, heads.scales, heads.opacities
    pinholes = camera_table(camera)
    seen = project(*shapes, pinholes)
    background = torch.zeros(batch, camera.height, camera.width, 3).numpy()
    with kernels() as threads:
        nearest = depth_order(seen, colors)

        def bin_tiles() -> TileLists:
            return tile_lists(seen, heads.opacities, colors, nearest, camera.width, camera.height, threads)

        lists = bin_tiles()
        blend(lists, background, threads)
        return {
            "colors": milliseconds(lambda: view_colors(gaussians, camera.positions), cpu, often),
            "project": milliseconds(lambda: project(*shapes, pinholes), cpu, often),
            "sort": milliseconds(lambda: depth_order(seen, colors), cpu, often),
            "bin": milliseconds(bin_tiles, cpu, often),
            "blend": milliseconds(lambda: blend(lists, background, threads), cpu, often),
        }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as aligned text: what was measured, the stages (ms), and what else the rows say."""
    counts = [name for name in ("gaussians", "size", "batch", "gpus") if name in rows[0]]
    stages = max((list(row["stages"]) for row in rows), key=len)
    rest = [name for name in rows[0] if name not in (*counts, "stages")]
    lines = [[*counts, *stages, *rest]]
    for row in rows:
        cells = [f"{row[name]:,}" for name in counts]
        cells += [_cell(row["stages"][name]) if name in row["stages"] else "-" for name in stages]
        lines.append(cells + [f"{row[name]:.1f}" for name in rest])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _cell(value: float) -> str:
    return f"{value:.2f} ±{value.around:.2f}" if isinstance(value, Spread) else f"{value:.2f}"


def _synchronize(device: torch.device) -> None:
    synchronize(device)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.render", description="Measure rendering speed.")
    parser.add_argument("--device", default=CPU, help="cpu or cuda (cpu)")
    parser.add_argument("--model_path", type=Path, help="a trained head, instead of a made-up cloud")
    parser.add_argument("--source_path", "-s", type=Path, help="the model's dataset, whose held-out frames move it")
    parser.add_argument("--iteration", type=int, help="of the model's fine stage (default: the last)")
    parser.add_argument("--gaussians", type=int, nargs="+", default=COUNTS, help="how many Gaussians, one row each")
    parser.add_argument(
        "--sizes", type=int, nargs="+", help="heights of the pictures (default: several; a dataset's own)"
    )
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, help="pictures rendered at once")
    parser.add_argument("--degree", type=int, choices=range(4), default=0, help="of the spherical harmonics")
    parser.add_argument("--repeats", type=int, default=Often.repeats, help="the median of so many is shown (10)")
    parser.add_argument("--seconds", type=float, default=Often.seconds, help="of repeats, at least (0.5)")
    parser.add_argument("--compare", action="store_true", help="against one core and the twin in plain torch (cpu)")
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    return parser.parse_args()


def _head_rows(arguments: argparse.Namespace, often: Often) -> Iterator[dict[str, Any]]:
    head, _, _ = load_head(arguments.model_path, arguments.iteration, arguments.device)
    dataset = ReferenceClip(arguments.source_path) if arguments.source_path else None
    signal = torch.zeros(0)
    if dataset:
        motion = motion_of(head, arguments.model_path)
        check_pair(head, dataset, motion)
        signal = own_signal(motion, dataset)
    for size in arguments.sizes or ([dataset.height] if dataset else SIZES):
        for batch in arguments.batches:
            drive = held_out_drive(head, dataset, signal, size, batch) if dataset else made_up_drive(head, size, batch)
            if arguments.compare:
                yield compare_deformation(head, drive, often)
            else:
                yield measure_head(head, drive, often)


def _cloud_rows(arguments: argparse.Namespace, often: Often) -> Iterator[dict[str, Any]]:
    for count in arguments.gaussians:
        cloud = head_cloud(count, degree=arguments.degree).to(arguments.device)
        for size in arguments.sizes or SIZES:
            for batch in arguments.batches:
                camera = head_camera(size, batch).to(arguments.device)
                yield (compare if arguments.compare else measure)(cloud, camera, often)


def main() -> None:
    """Measure every combination and print one table."""
    arguments = _arguments()
    arguments.device, often = choose_device(arguments.device), Often(arguments.repeats, arguments.seconds)
    if arguments.source_path and not arguments.model_path:
        raise EGSTalkerError("--source_path is the dataset of a trained head; give its --model_path too")
    if arguments.compare and arguments.device != CPU:
        raise EGSTalkerError("--compare is about the compiled CPU code; use --device cpu")
    rows = list((_head_rows if arguments.model_path else _cloud_rows)(arguments, often))
    print(table(rows))
    if arguments.json:
        with atomic_path(arguments.json) as path:
            path.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    raise SystemExit(door(main)())
