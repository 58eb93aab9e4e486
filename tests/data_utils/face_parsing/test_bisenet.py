"""BiSeNet from checkpoints that the tests make: the published names and shapes with other weights."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from arguments.dataset_folder import DatasetFolder
from arguments.errors import EGSTalkerError
from data_utils.face_parsing import PARSERS, bisenet
from data_utils.face_parsing.bisenet import class_probabilities, load_bisenet
from data_utils.face_parsing.bisenet_network import BiSeNet
from data_utils.face_parsing.classes import BACKGROUND, HEAD, NECK, TORSO, to_classes
from media.images import read_rgb, write_image

LABELS = {  # CelebAMask-HQ's numbers in the checkpoint, as its users write them down
    BACKGROUND: (0,),
    HEAD: (*range(1, 14), 18),  # skin, brows, eyes, glasses, ears, earring, nose, mouth, lips; hat
    NECK: (14, 15),  # neck, necklace
    TORSO: (16,),  # cloth
    bisenet.HAIR: (17,),
}


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of 79999_iter.pth, written down apart from the network."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, width: int) -> None:
        shapes.update({f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")})
        shapes[f"{name}.num_batches_tracked"] = ()

    def conv_norm(name: str, outputs: int, inputs: int, kernel: int) -> None:
        shapes[f"{name}.conv.weight"] = (outputs, inputs, kernel, kernel)
        norm(f"{name}.bn", outputs)

    shapes["cp.resnet.conv1.weight"] = (64, 3, 7, 7)
    norm("cp.resnet.bn1", 64)
    before = 64
    for layer, width in enumerate((64, 128, 256, 512), start=1):
        for block in (0, 1):
            name = f"cp.resnet.layer{layer}.{block}"
            shapes[f"{name}.conv1.weight"] = (width, before, 3, 3)
            norm(f"{name}.bn1", width)
            shapes[f"{name}.conv2.weight"] = (width, width, 3, 3)
            norm(f"{name}.bn2", width)
            if before != width:
                shapes[f"{name}.downsample.0.weight"] = (width, before, 1, 1)
                norm(f"{name}.downsample.1", width)
            before = width
    for name, inputs in (("cp.arm16", 256), ("cp.arm32", 512)):
        conv_norm(f"{name}.conv", 128, inputs, 3)
        shapes[f"{name}.conv_atten.weight"] = (128, 128, 1, 1)
        norm(f"{name}.bn_atten", 128)
    conv_norm("cp.conv_head32", 128, 128, 3)
    conv_norm("cp.conv_head16", 128, 128, 3)
    conv_norm("cp.conv_avg", 128, 512, 1)
    conv_norm("ffm.convblk", 256, 256, 1)
    shapes["ffm.conv1.weight"], shapes["ffm.conv2.weight"] = (64, 256, 1, 1), (256, 64, 1, 1)
    for name, inputs, middle in (("conv_out", 256, 256), ("conv_out16", 128, 64), ("conv_out32", 128, 64)):
        conv_norm(f"{name}.conv", middle, inputs, 3)
        shapes[f"{name}.conv_out.weight"] = (19, middle, 1, 1)
    return shapes


def weights(seed: int = 0) -> dict[str, torch.Tensor]:
    """A checkpoint of the published names and shapes; its attention and its norms do something."""
    rng = torch.Generator().manual_seed(seed)
    made: dict[str, torch.Tensor] = {}
    for name, shape in published_shapes().items():
        if name.endswith("num_batches_tracked"):
            made[name] = torch.tensor(79999)
        elif len(shape) == 4:
            made[name] = torch.randn(shape, generator=rng) * (2 / np.prod(shape[1:])) ** 0.5
        elif name.endswith(("running_var", "weight")):
            made[name] = torch.rand(shape, generator=rng) + 0.5
        else:
            made[name] = torch.randn(shape, generator=rng) * 0.1
    return made


def telling_blue_from_red() -> dict[str, torch.Tensor]:
    """Weights by which a blue pixel is cloth (16) and a red one is hair (17), and nothing else ever wins."""
    made = {name: torch.zeros_like(value) for name, value in weights().items()}
    for name in made:
        if name.endswith(("running_var", "bn1.weight", "bn2.weight", "bn.weight", "downsample.1.weight")):
            made[name] += 1
    made["cp.resnet.conv1.weight"][0, 2, 3, 3] = 1  # channel 0 is blue, channel 1 red, down to the fusion
    made["cp.resnet.conv1.weight"][1, 0, 3, 3] = 1
    for i in (0, 1):
        made["cp.resnet.layer2.0.downsample.0.weight"][i, i] = 1
        made["ffm.convblk.conv.weight"][i, i] = 1
        made["conv_out.conv.conv.weight"][i, i, 1, 1] = 1
    made["conv_out.conv_out.weight"][16, 0] = 50
    made["conv_out.conv_out.weight"][17, 1] = 50
    return made


@pytest.fixture
def checkpoint(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(bisenet, "CHECKPOINT", tmp_path / "79999_iter.pth")
    return tmp_path / "79999_iter.pth"


@pytest.fixture
def clip(tmp_path) -> DatasetFolder:
    """Nine pictures of 96 x 96, red above and blue below."""
    folder = DatasetFolder(tmp_path / "clip")
    for i in range(9):
        image = np.zeros((96, 96, 3), np.uint8)
        image[: 40 + i], image[40 + i :] = (250, 0, 0), (0, 0, 250)
        write_image(folder.frame(i), image)
    return folder


def test_names_and_shapes_are_those_of_the_published_checkpoint():
    assert {name: tuple(value.shape) for name, value in BiSeNet().state_dict().items()} == published_shapes()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_of_either_file_format_is_loaded_whole(tmp_path, zipped):
    torch.save(weights(), tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    loaded = load_bisenet(tmp_path / "w.pth").state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in weights().items())


def test_scores_are_those_of_the_papers_equations(tmp_path):
    """One forward pass written out over the published names."""
    made = {name: value.double() for name, value in weights(3).items()}
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    functional = torch.nn.functional

    def norm(name, x):
        parts = (made[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *parts)

    def conv_norm(name, x, pad):
        return norm(f"{name}.bn", functional.conv2d(x, made[f"{name}.conv.weight"], padding=pad)).relu()

    x = functional.conv2d(images, made["cp.resnet.conv1.weight"], stride=2, padding=3)
    x = functional.max_pool2d(norm("cp.resnet.bn1", x).relu(), 3, 2, 1)
    stages = []
    for layer in (1, 2, 3, 4):
        for block in (0, 1):
            name, stride = f"cp.resnet.layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            y = functional.conv2d(x, made[f"{name}.conv1.weight"], stride=stride, padding=1)
            y = functional.conv2d(norm(f"{name}.bn1", y).relu(), made[f"{name}.conv2.weight"], padding=1)
            if stride == 2:
                x = functional.conv2d(x, made[f"{name}.downsample.0.weight"], stride=2)
                x = norm(f"{name}.downsample.1", x)
            x = (x + norm(f"{name}.bn2", y)).relu()
        stages.append(x)

    def refined(name, x):
        x = conv_norm(f"{name}.conv", x, 1)
        attention = functional.conv2d(functional.adaptive_avg_pool2d(x, 1), made[f"{name}.conv_atten.weight"])
        return x * norm(f"{name}.bn_atten", attention).sigmoid()

    _, eighth, sixteenth, last = stages
    x = refined("cp.arm32", last) + conv_norm("cp.conv_avg", functional.adaptive_avg_pool2d(last, 1), 0)
    x = refined("cp.arm16", sixteenth) + conv_norm(
        "cp.conv_head32", x.repeat_interleave(2, 2).repeat_interleave(2, 3), 1
    )
    x = conv_norm("cp.conv_head16", x.repeat_interleave(2, 2).repeat_interleave(2, 3), 1)
    x = conv_norm("ffm.convblk", torch.cat([eighth, x], 1), 0)
    attention = functional.conv2d(functional.adaptive_avg_pool2d(x, 1), made["ffm.conv1.weight"]).relu()
    x = x + x * functional.conv2d(attention, made["ffm.conv2.weight"]).sigmoid()
    expected = functional.conv2d(conv_norm("conv_out.conv", x, 1), made["conv_out.conv_out.weight"])

    torch.save(weights(3), tmp_path / "w.pth")
    scores = load_bisenet(tmp_path / "w.pth").double()(images)
    assert scores.shape == (2, 19, 8, 12)
    torch.testing.assert_close(scores, expected)


def test_the_nineteen_classes_become_the_data_sets_four_and_hair(monkeypatch):
    monkeypatch.setattr(bisenet, "SIDE", 64)
    assert sorted(label for labels in LABELS.values() for label in labels) == list(range(19))
    network = BiSeNet().eval()
    network.conv_out.conv_out = torch.nn.Conv2d(256, 19, 1)
    torch.nn.init.zeros_(network.conv_out.conv_out.weight)
    for kind, labels in LABELS.items():
        for label in labels:
            network.conv_out.conv_out.bias.data = 9.0 * torch.nn.functional.one_hot(torch.tensor(label), 19)
            shares = class_probabilities(network, [np.zeros((80, 80, 3), np.uint8)])
            assert shares.shape == (1, 256, 256, 5)
            np.testing.assert_allclose(shares.sum(-1), 1, rtol=1e-5)
            assert (shares.argmax(-1) == kind).all()


def test_a_clip_is_cut_where_the_network_says(clip, checkpoint, tmp_path):
    torch.save(telling_blue_from_red(), checkpoint)
    counted: list[int] = []
    PARSERS["bisenet"](clip, tmp_path / "maps", counted.append)
    assert sum(counted) == 9
    for i in range(9):
        classes = to_classes(read_rgb(tmp_path / "maps" / f"{i}.png"))
        assert (classes[: 38 + i] == HEAD).all()
        assert (classes[43 + i :] == TORSO).all()
    bgr = cv2.imread(str(tmp_path / "maps" / "0.png"))
    assert bgr[5, 5].tolist() == [255, 0, 0]
    assert bgr[90, 5].tolist() == [0, 0, 255]


def test_an_absent_checkpoint_is_named_with_what_fetches_it(clip, checkpoint, tmp_path):
    with pytest.raises(EGSTalkerError, match=r"79999_iter\.pth.*\./download_models\.sh"):
        PARSERS["bisenet"](clip, tmp_path / "maps", print)


def test_the_checkpoint_lies_where_the_download_puts_it(repository):
    assert repository / "data_utils" / "face_parsing" / "79999_iter.pth" == bisenet.CHECKPOINT


class _Malice:
    def __reduce__(self):
        return os.mkdir, (os.environ["MALICE"],)


def _spoilt(path: Path, fault: str) -> None:
    made = weights()
    if fault == "another shape":
        made["ffm.conv1.weight"] = torch.zeros(64, 128, 1, 1)
    elif fault == "a name missing":
        del made["cp.arm16.bn_atten.running_var"]
    elif fault == "a name too many":
        made["sp.conv1.conv.weight"] = torch.zeros(64, 3, 7, 7)
    elif fault == "not finite":
        made["conv_out.conv_out.weight"][3, 4] = torch.nan
    elif fault == "a list":
        made = list(made)  # type: ignore[assignment]
    elif fault == "not weights":
        made["cp.resnet.conv1.weight"] = "weights"  # type: ignore[assignment]
    elif fault == "code":
        made["cp.resnet.conv1.weight"] = _Malice()  # type: ignore[assignment]
    torch.save(made, path)
    if fault == "cut short":
        path.write_bytes(path.read_bytes()[:100_000])
    elif fault == "a web page":
        path.write_text("<html>not found</html>")
    elif fault == "empty":
        path.write_bytes(b"")


@pytest.mark.parametrize(
    "fault",
    [
        *("another shape", "a name missing", "a name too many", "not finite", "a list", "not weights", "code"),
        *("cut short", "a web page", "empty"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line_and_never_run(tmp_path, monkeypatch, fault):
    monkeypatch.setenv("MALICE", str(tmp_path / "ran"))
    _spoilt(tmp_path / "w.pth", fault)
    with pytest.raises(EGSTalkerError, match=r"w\.pth.*\./download_models\.sh") as caught:
        load_bisenet(tmp_path / "w.pth")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_hair_below_the_chin_passes_to_the_torso_where_the_mesh_says_how_low_it_is():
    probabilities = np.zeros((256, 256, 5), np.float32)
    probabilities[..., bisenet.HAIR] = 1
    points = np.zeros((478, 3), np.float32)
    points[:, 0] = 128
    points[[10, 152, 132, 361], 1] = 40, 120, 80, 80  # forehead, chin and earlobes: a face 80 pixels high
    points[[132, 234], 0], points[[361, 454], 0] = 98, 158
    picture = np.zeros((256, 256, 3), np.uint8)
    _, parted = bisenet._hair_parted((picture, probabilities), points)
    np.testing.assert_allclose(parted[..., HEAD] + parted[..., bisenet.HAIR], 1, atol=1e-6)
    assert (parted[:120, :, HEAD] == 1).all()
    assert 0.3 < parted[152, 60, HEAD] < 0.7  # 0.4 face heights below the chin
    assert (parted[190:, :, HEAD] == 0).all()
    _, whole = bisenet._hair_parted((picture, probabilities), None)
    assert (whole[..., HEAD] == 1).all()
    assert (whole[..., bisenet.HAIR] == 0).all()
