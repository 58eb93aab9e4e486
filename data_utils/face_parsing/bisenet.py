"""Head, neck, torso and background by BiSeNet, from the public face-parsing checkpoint (19 classes of CelebAMask-HQ).

Network: :mod:`data_utils.face_parsing.bisenet_network`. Classes: Lee et al., "MaskGAN: Towards Diverse and Interactive
Facial Image Manipulation" (2020). They are joined as AD-NeRF and its successors do (Guo et al. 2021): what is worn on
the head belongs to it, a necklace to the neck. Hair below the chin passes to the torso, by the clip's face mesh.
"""

from __future__ import annotations

import itertools
import platform
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor
from torch.nn import functional

from arguments.dataset_folder import DatasetFolder, num_train_frames
from arguments.device import CPU, GPU, fastest_device, multiplies_bfloat16, on_gpu
from arguments.errors import EGSTalkerError
from data_utils.face_mesh import load
from data_utils.face_parsing.bisenet_network import NUM_CLASSES, BiSeNet
from data_utils.face_parsing.class_map import HANGING, Probabilities, Seen, steadied, write_map
from data_utils.face_parsing.classes import BACKGROUND, HEAD, NECK, TORSO
from data_utils.face_parsing.head_region import head_region
from data_utils.parallel import MAX_WORKERS, available_cores
from data_utils.wholeness import FRAMES
from media.images import read_rgb

CHECKPOINT = Path(__file__).resolve().parent / "79999_iter.pth"
FETCH = "./download_models.sh fetches it"
SIDE = 512  # pixels, of the pictures that the network was trained on
_WORKING_SIDE = 256  # pixels, of the probabilities; edges are drawn at the frame's own size
_BATCH = {CPU: 2, GPU: 16}
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's

CELEBAMASK_HQ = (
    *("background", "skin", "left brow", "right brow", "left eye", "right eye", "glasses", "left ear", "right ear"),
    *("earring", "nose", "mouth", "upper lip", "lower lip", "neck", "necklace", "cloth", "hair", "hat"),
)
HAIR = HANGING  # all of it, until it is known how low it hangs
_JOINED = {"background": BACKGROUND, "neck": NECK, "necklace": NECK, "cloth": TORSO, "hair": HAIR}
CLASSES = tuple(_JOINED.get(name, HEAD) for name in CELEBAMASK_HQ)


def parse(folder: DatasetFolder, target: Path, done: Callable[[int], None] = lambda frames: None) -> None:
    """Write the parsing map of every frame of ``folder`` as ``target``/i.png (see DatasetFolder.parsing_map).

    On the GPU where there is one.

    Raises:
        EGSTalkerError: the checkpoint is absent or damaged; no frames, or a frame is unreadable.
    """
    network = load_bisenet(CHECKPOINT)
    paths = FRAMES.files(folder)
    if not paths:
        raise EGSTalkerError(f"{folder.frames} has no frames; run preprocess.sh with --task 3")
    device = fastest_device()
    network = network.to(device, _fast_dtype(device))
    workers = min(available_cores(), MAX_WORKERS)
    drawn: deque[Future[None]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            fit_frames = num_train_frames(len(paths))  # held-out frames steady no others
            mesh = load(folder)
            points = [None] * len(paths) if mesh is None else list(mesh.points)
            parts = (
                steadied(map(_hair_parted, _parsed(network, paths[part], pool), points[part]))
                for part in (slice(fit_frames), slice(fit_frames, None))
            )
            for i, (image, probabilities) in enumerate(itertools.chain.from_iterable(parts)):
                drawn.append(pool.submit(write_map, target / f"{i}.png", image, probabilities))
                if len(drawn) > 2 * workers:
                    drawn.popleft().result()
                    done(1)
            while drawn:
                drawn.popleft().result()
                done(1)
        finally:
            pool.shutdown(cancel_futures=True)


def load_bisenet(path: Path) -> BiSeNet:
    """The network with the weights of ``path``, ready to infer; of the file nothing but tensors is read.

    Raises EGSTalkerError where the file is absent, damaged, holds more than weights, or those of another network.
    """
    if not path.is_file():
        raise EGSTalkerError(f"the parser bisenet needs {path}: {FETCH}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old file formats: what does not load is refused below in one line
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch.load raises many types on damaged files
        raise EGSTalkerError(f"{path} is damaged or holds more than weights; delete it, {FETCH}") from error
    network = BiSeNet()
    expected = {name: value.shape for name, value in network.state_dict().items()}
    given = (
        {name: getattr(value, "shape", None) for name, value in weights.items()} if isinstance(weights, dict) else {}
    )
    if wrong := sorted(name for name in expected.keys() | given.keys() if expected.get(name) != given.get(name)):
        raise EGSTalkerError(
            f"{path} holds another network's weights ({len(wrong)} of {len(expected)} do not fit, such as {wrong[0]}); "
            f"delete it, {FETCH}"
        )
    if not all(value.isfinite().all() for value in weights.values()):
        raise EGSTalkerError(f"{path} holds weights that are not finite; delete it, {FETCH}")
    network.load_state_dict(weights, strict=True)
    return network.eval().requires_grad_(False)


def class_probabilities(
    network: BiSeNet, images: list[UInt8[np.ndarray, "_ _ 3"]]
) -> Float32[np.ndarray, "B 256 256 5"]:
    """Of background, head without hair, neck, torso and hair, from RGB pictures of any size."""
    weight = network.conv_out.conv_out.weight
    resized = np.stack([cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR) for image in images])
    batch = torch.from_numpy(resized).to(weight.device).permute(0, 3, 1, 2).float() / 255
    mean, deviation = (torch.tensor(values, device=weight.device).view(3, 1, 1) for values in (_MEAN, _DEVIATION))
    with torch.inference_mode():
        scores = network(((batch - mean) / deviation).to(weight.dtype)).float()
        size = (_WORKING_SIDE, _WORKING_SIDE)
        scores = functional.interpolate(scores, size, mode="bilinear", align_corners=True)
        return _joined(scores.softmax(1)).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def _hair_parted(seen: Seen, points: Float32[np.ndarray, "478 3"] | None) -> Seen:
    """Hair shared out between head and torso by how low it hangs below a face's ``points``; all the head's without."""
    image, probabilities = seen
    hair = probabilities[..., HAIR]
    hold = np.ones_like(hair)
    if points is not None:
        scale = np.array([_WORKING_SIDE / image.shape[1], _WORKING_SIDE / image.shape[0], 1], np.float32)
        hold = head_region(points * scale, _WORKING_SIDE, _WORKING_SIDE).hold
    parted: Probabilities = probabilities.copy()
    parted[..., HEAD] += hair * hold
    parted[..., HAIR] = hair * (1 - hold)
    return image, parted


def _joined(shares: Float[Tensor, "B 19 h w"]) -> Float[Tensor, "B 5 h w"]:
    """The sums over the classes that are one here."""
    belongs = torch.zeros(HAIR + 1, NUM_CLASSES, device=shares.device)
    belongs[list(CLASSES), list(range(NUM_CLASSES))] = 1
    return torch.einsum("kc,bchw->bkhw", belongs, shares)


def _parsed(network: BiSeNet, paths: list[Path], pool: ThreadPoolExecutor) -> Iterator[Seen]:
    """Each picture with its probabilities; the next batch is read while the network works."""
    size = _BATCH[network.conv_out.conv_out.weight.device.type]
    batches = [paths[start : start + size] for start in range(0, len(paths), size)]
    coming = pool.map(read_rgb, batches[0])
    for following in [*batches[1:], []]:
        images = list(coming)
        coming = pool.map(read_rgb, following)
        yield from zip(images, class_probabilities(network, images), strict=True)


def _fast_dtype(device: str) -> torch.dtype:
    """bfloat16 where the processor multiplies it, else float32."""
    if on_gpu(device):
        return torch.bfloat16 if multiplies_bfloat16() else torch.float32
    flags = Path("/proc/cpuinfo")
    multiplies = platform.system() == "Linux" and flags.is_file() and "avx512_bf16" in flags.read_text()
    return torch.bfloat16 if multiplies else torch.float32
