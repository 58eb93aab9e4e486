"""What a machine makes of it all, in one table: ``python -m benchmarks.machine [--device cpu|cuda] [-s DATASET]``.

Runs the other commands one after the other (rasterizer, training step, then a head: trained, rendered, spoken by) and
writes ``machine.md`` and ``machine.json`` into its output folder. ``benchmarks/machine.sh`` sets a fresh machine up
and runs the tests first. Without a data set it makes the sample's.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from arguments.atomic import atomic_path, write_json
from arguments.device import CPU, GPU, cuda_version, gpu_name, kind_of, on_gpu
from arguments.errors import EGSTalkerError, door
from arguments.model_folder import ModelFolder
from gaussian_renderer.devices import choose_device

ROOT = Path(__file__).parent.parent
GAUSSIANS = {CPU: 20_000, GPU: 32_768}
SIZE = 512  # pixels a side, of the pictures that are rendered and learnt
CONFIGS = {CPU: "demo.py", GPU: "args.py"}


def run(*command: str | Path) -> None:
    """Run one of the project's commands, shown as it is typed; raises EGSTalkerError where it fails."""
    words = [str(word) for word in command]
    print("$ python " + " ".join(words), flush=True)
    if subprocess.run([sys.executable, *words], cwd=ROOT).returncode:
        raise EGSTalkerError(f"python {' '.join(words)} failed; what it said is above")


def sample_dataset(output: Path) -> Path:
    """The sample's data set, made if it is not there."""
    video = output / "sample.mp4"
    if not (video.is_file() and (output / "sample_truth.npz").is_file()):
        run("-m", "sample", video)
    run("data_utils/process.py", video)
    return output / "sample"


def measured(output: Path, name: str, *command: str | Path) -> list[dict[str, Any]]:
    """The rows of a benchmark."""
    target = output / f"{name}.json"
    run(*command, "--json", target)
    return json.loads(target.read_text())


def hardware(device: str) -> str:
    """The processor's or the GPU's name, and what drives it."""
    name = gpu_name() if on_gpu(device) else _processor()
    cuda = f", CUDA {cuda_version()}" if on_gpu(device) else f", {torch.get_num_threads()} threads"
    return f"{name}, torch {torch.__version__}{cuda}"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def markdown(title: str, figures: Mapping[str, str]) -> str:
    """A table of two columns."""
    return "\n".join([f"| {title} | |", "|---|---|", *(f"| {name} | {value} |" for name, value in figures.items()), ""])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.machine", description="Measure everything here.")
    parser.add_argument("--device", help="(what is here and can render)")
    parser.add_argument("--source_path", "-s", type=Path, help="data set to train on (the sample's, made if need be)")
    parser.add_argument("--output_dir", type=Path, default=Path("output/machine"), help="(output/machine)")
    parser.add_argument("--configs", type=Path, help="(cpu: arguments/demo.py, cuda: arguments/args.py)")
    parser.add_argument("--iterations", type=int, help="of the fine stage (the configuration's)")
    return parser.parse_args()


@door
def main() -> None:
    options = _arguments()
    device, output = choose_device(options.device), options.output_dir.resolve()
    output.mkdir(parents=True, exist_ok=True)
    count = GAUSSIANS[kind_of(device)]
    shared = ("--device", device, "--gaussians", str(count), "--sizes", str(SIZE))
    batches = ("1", "32") if on_gpu(device) else ("1", "4")
    cloud = measured(output, "render", "-m", "benchmarks.render", *shared, "--batches", *batches)
    steps = measured(output, "train_step", "-m", "benchmarks.train_step", *shared)
    dataset = (options.source_path or sample_dataset(output)).resolve()
    configs = (options.configs or ROOT / "arguments" / CONFIGS[kind_of(device)]).resolve()
    model = output / f"model_{configs.stem}_{dataset.name}"
    more = () if options.iterations is None else ("--iterations", str(options.iterations))
    begun = time.perf_counter()
    run("train.py", "-s", dataset, "--model_path", model, "--configs", configs, "--device", device, *more)
    seconds = time.perf_counter() - begun
    of_head = ("--device", device, "--model_path", model, "-s", dataset, "--batches", *batches)
    head = measured(output, "head", "-m", "benchmarks.render", *of_head)
    run("metrics.py", "-s", dataset, "--model_path", model, "--device", device)
    scores = json.loads(ModelFolder(model).scores.read_text())["val"]
    step = steps[0]
    shares = ", ".join(f"{name} {value:.2f}" for name, value in step["stages"].items())
    figures = {
        f"rasterization, {count:,} Gaussians, {SIZE} x {SIZE} (frames/s)": " / ".join(
            f"{row['fps']:,.0f}" for row in cloud
        )
        + f" in batches of {' / '.join(batches)}",
        f"training step, batch {step['batch']}, same size (iterations/s)": f"{step['iterations_per_second']:.1f}",
        "its parts (ms, synchronised)": shares,
        "its peak memory (GiB)": f"{step['peak_memory_gib']:.1f}",
        f"training on {dataset.name} with {configs.name} (s)": f"{seconds:.0f}",
        f"the head, {head[0]['gaussians']:,} Gaussians (frames/s)": " / ".join(f"{row['fps']:,.0f}" for row in head)
        + f" in batches of {' / '.join(batches)}",
        "sound to video (frames/s)": f"{scores['end_to_end_fps'] or 0:.0f}",
        "PSNR composite / head / mouth / head pixels (dB)": " / ".join(
            f"{scores[name]:.2f}" for name in ("composite_psnr", "head_psnr", "mouth_psnr", "face_psnr")
        ),
    }
    title = hardware(device)
    write_json(output / "machine.json", {"machine": title, "figures": figures})
    with atomic_path(output / "machine.md") as path:
        path.write_text(markdown(title, figures))
    print(markdown(title, figures), end="")


if __name__ == "__main__":
    sys.exit(main())
