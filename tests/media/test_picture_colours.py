"""Colours of all tags against the standards' formulas, written out here from RGB to the file."""

import struct

import numpy as np
import pytest
import torch

from arguments.errors import EGSTalkerError
from media.video import read_frames
from media.video_writer import VideoWriter
from synthesis.yuv import yuv420
from tests.media.encoded import encode, planes

BT601, BT709, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)  # weights of red and blue in luma
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # BT.2087, 709 ->
TO_P3 = np.array([[0.8225, 0.1775, 0.0], [0.0332, 0.9668, 0.0], [0.0171, 0.0724, 0.9105]])  # BT.709 -> Display P3
WHITE = 203  # cd/m2, ITU-R BT.2408
QUIET = {"preset": "ultrafast", "x265-params": "log-level=error:pools=none"}
SKIN = [(240, 205, 180), (225, 172, 140), (198, 134, 100), (141, 85, 60), (80, 48, 36)]


def face_like(width=320, height=192):
    """Shaded skin of five complexions over a staircase of greys, 0 to 255, and a shirt's muted colours."""
    y, x = np.mgrid[:height, :width] / np.array([[[height]], [[width]]])
    shade = 0.7 + 0.3 * np.cos(2 * (5 * x % 1 - 0.5))
    image = np.array(SKIN)[(5 * x).astype(int)] * shade[..., None]
    image[y >= 0.5] = np.floor(17 * x[y >= 0.5])[:, None] * 255 / 16
    shirt = np.stack([60 + 120 * x, 100 + 0 * x, 180 - 120 * x], -1)
    return np.where(y[..., None] >= 0.8, shirt, image)


def coded(rgb, layout, weights, *, bits=8, full=False, alpha=None):
    """A frame of full-resolution chroma: R'G'B' of 0..1 in Y'CbCr of ITU-R BT.601, 709 or 2020."""
    red, blue = weights
    luma = rgb @ (red, 1 - red - blue, blue)
    cb, cr = (rgb[..., 2] - luma) / (2 - 2 * blue), (rgb[..., 0] - luma) / (2 - 2 * red)
    step, kind = 1 << (bits - 8), np.uint8 if bits == 8 else np.uint16
    top = (1 << bits) - 1
    low, luma_range, chroma_range = (0, top, top) if full else (16 * step, 219 * step, 224 * step)
    values = [low + luma_range * luma, 128 * step + chroma_range * cb, 128 * step + chroma_range * cr]
    values += [] if alpha is None else [top * alpha]
    return planes(layout, *(np.clip(value, 0, top).round().astype(kind) for value in values))


def error(path, image):
    return np.abs(next(read_frames(path)).astype(float) - image).mean()


@pytest.mark.parametrize(("width", "height", "weights"), [(640, 480, BT601), (1280, 720, BT709), (720, 1280, BT709)])
def test_untagged_pictures_are_taken_as_players_take_them(tmp_path, width, height, weights):
    image = face_like(width, height)
    path = encode(tmp_path / "a.mp4", [coded(image / 255, "yuv444p", weights)], layout="yuv444p", options={"crf": "1"})
    assert error(path, image) < 1


@pytest.mark.parametrize(("weights", "tag"), [(BT601, 6), (BT601, 5), (BT709, 1), (BT2020, 9)])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("bits", "layout"), [(8, "yuv444p"), (10, "yuv444p10le")])
def test_matrix_range_and_depth_are_those_of_the_tags(tmp_path, weights, tag, full, bits, layout):
    image, tags = face_like(), {"colorspace": tag, "color_range": 2 if full else 1}
    frame = coded(image / 255, layout, weights, bits=bits, full=full)
    assert error(encode(tmp_path / "a.mkv", [frame], layout=layout, options={"crf": "1"}, tags=tags), image) < 1


@pytest.mark.parametrize("tags", [{"color_trc": 3}, {"color_primaries": 3}, {"color_trc": 9}])
def test_tags_that_mean_nothing_are_passed_over(tmp_path, tags):
    image = face_like()
    tags = {"colorspace": 1, "color_range": 1, "color_trc": 1, "color_primaries": 1, **tags}
    path = encode(tmp_path / "a.mkv", [coded(image / 255, "yuv444p", BT709)], "ffv1", "yuv444p", tags=tags)
    assert error(path, image) < 1


def test_colours_that_cannot_be_converted_are_refused(tmp_path):
    frame = coded(face_like() / 255, "yuv444p", BT709)
    path = encode(tmp_path / "a.mkv", [frame], "ffv1", "yuv444p", tags={"colorspace": 11})
    with pytest.raises(EGSTalkerError, match="cannot be read"):
        list(read_frames(path))


def with_colour_box(data, entry_name, matrix):
    """An mp4's bytes, a box of colour tags added to its one track of H.264 or HEVC."""
    box = struct.pack(">I4s4s3HB", 19, b"colr", b"nclx", 1, 1, matrix, 0)
    entry = data.rindex(entry_name)
    end = entry - 4 + struct.unpack_from(">I", data, entry - 4)[0]
    changed = bytearray(data[:end] + box + data[end:])
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", entry_name):
        place = data.rindex(name, 0, entry + 4) - 4
        struct.pack_into(">I", changed, place, struct.unpack_from(">I", data, place)[0] + len(box))
    return bytes(changed)


@pytest.mark.parametrize(("codec", "entry_name"), [("libx264", b"avc1"), ("libx265", b"hev1")])
def test_tags_of_the_container_count_where_the_stream_has_none(tmp_path, codec, entry_name):
    image, options = face_like(), {"crf": "1", **(QUIET if codec == "libx265" else {})}
    frame = coded(image / 255, "yuv444p", BT709)
    data = encode(tmp_path / "a.mp4", [frame.reformat(format="yuv420p")] * 3, codec, options=options).read_bytes()
    (tmp_path / "b.mp4").write_bytes(with_colour_box(data, entry_name, 1))
    assert error(tmp_path / "b.mp4", image) < 1.5


def in_hlg(image):
    """An SDR picture in HLG, its white at 203 cd/m2: BT.1886, BT.2087, then the inverse EOTF of ITU-R BT.2100."""
    light = WHITE * (image / 255) ** 2.4 @ TO_BT2020.T / 1000  # on a display of 1000 cd/m2
    luminance = light @ (0.2627, 0.6780, 0.0593)
    scene = light * np.maximum(luminance, 1e-12)[..., None] ** (1 / 1.2 - 1)
    log = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), log)


def in_pq(image):
    """An SDR picture in PQ of Display P3's primaries, its white at 203 cd/m2: the inverse EOTF of ITU-R BT.2100."""
    power = (WHITE * (image / 255) ** 2.4 @ TO_P3.T / 10000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def test_hlg_comes_back_as_its_sdr_original(tmp_path):
    image, tags = face_like(), {"colorspace": 9, "color_range": 1, "color_trc": 18, "color_primaries": 9}
    frame = coded(in_hlg(image), "yuv444p10le", BT2020, bits=10).reformat(format="yuv420p10le")
    path = encode(tmp_path / "a.mp4", [frame] * 3, "libx265", "yuv420p10le", options={"crf": "4", **QUIET}, tags=tags)
    assert error(path, image) < 1.5


def test_pq_of_other_primaries_comes_back_as_its_sdr_original_over_black(tmp_path):
    image, tags = face_like(), {"colorspace": 9, "color_range": 1, "color_trc": 16, "color_primaries": 12}
    veil = np.ones(image.shape[:2])
    hdr = in_pq(image)
    veil[-40:], image[-40:] = 0, 0
    frame = coded(hdr, "yuva444p10le", BT2020, bits=10, alpha=veil)
    assert error(encode(tmp_path / "a.mkv", [frame], "ffv1", "yuva444p10le", tags=tags), image) < 1.5


def test_dolby_vision_is_read_from_its_base_layer_and_refused_without_one(tmp_path):
    frame = coded(face_like() / 255, "yuv444p", BT709).reformat(format="yuv420p")
    for transfer in (1, 2):
        path = encode(tmp_path / "a.mp4", [frame] * 3, "libx265", options=QUIET, tags={"color_trc": transfer})
        path.write_bytes(path.read_bytes().replace(b"hev1", b"dvhe"))
        if transfer == 1:
            assert len(list(read_frames(path))) == 3
            continue
        with pytest.raises(EGSTalkerError, match="Dolby Vision without a base layer"):
            list(read_frames(path))


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("size", [256, 1024])
def test_films_of_any_size_show_the_colours_that_were_written(tmp_path, size, planar):
    image = np.full((size, size, 3), (200.0, 60.0, 40.0))
    picture = yuv420(torch.from_numpy(image[None]).float() / 255).numpy()[0] if planar else image.astype(np.uint8)
    with VideoWriter(tmp_path / "a.mp4", size, size, crf=4) as writer:
        writer.write(picture)
    assert error(tmp_path / "a.mp4", image) < 2
