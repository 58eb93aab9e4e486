from fractions import Fraction

import av
import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from media.video import probe, read_frames, sample_frames
from tests.media.encoded import encode, planes

ONE, DEEP = 1 << 16, 1 << 30  # of a display matrix
CORNERS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


def display_matrix(a, b, c, d):
    return [round(v * ONE) for v in (a, b)] + [0] + [round(v * ONE) for v in (c, d)] + [0, 0, 0, DEEP]


def quartered(width=64, height=48):
    """Red, green, blue and white quarters, row by row."""
    image = np.empty((height, width, 3), np.uint8)
    image[: height // 2, : width // 2], image[: height // 2, width // 2 :] = CORNERS["red"], CORNERS["green"]
    image[height // 2 :, : width // 2], image[height // 2 :, width // 2 :] = CORNERS["blue"], CORNERS["white"]
    return image


def quarters(image):
    """The colours' names of the four quarters, row by row."""
    height, width = image.shape[:2]
    found = []
    for row in (height // 4, 3 * height // 4):
        for column in (width // 4, 3 * width // 4):
            colour = image[row, column].astype(int)
            found.append(min(CORNERS, key=lambda name: np.abs(colour - CORNERS[name]).sum()))
    return found


# Where a pixel of column p and row q is shown: column a p + c q, row b p + d q.
@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), "red green blue white"),
        ((-1, 0, 0, 1), "green red white blue"),
        ((1, 0, 0, -1), "blue white red green"),
        ((-1, 0, 0, -1), "white blue green red"),
        ((0, 1, 1, 0), "red blue green white"),
        ((0, 1, -1, 0), "blue red white green"),
        ((0, -1, 1, 0), "green white red blue"),
        ((0, -1, -1, 0), "white green blue red"),
        ((0.999, 0.04, -0.04, 0.999), "red green blue white"),
        ((0, 0, 0, 0), "red green blue white"),
    ],
)
def test_pictures_are_turned_and_mirrored_as_their_matrix_says(tmp_path, matrix, expected):
    path = encode(tmp_path / "a.mov", [quartered()] * 3, matrix=display_matrix(*matrix))
    image, info = next(read_frames(path)), probe(path)
    assert quarters(image) == expected.split()
    assert image.shape[:2] == (info.height, info.width) == ((64, 48) if matrix[1] in (1, -1) else (48, 64))


def test_a_picture_to_be_shown_askew_is_refused(tmp_path):
    path = encode(tmp_path / "a.mov", [quartered()] * 3, matrix=display_matrix(0.866, 0.5, -0.5, 0.866))
    with pytest.raises(EGSTalkerError, match="askew"):
        next(read_frames(path))


def test_pixels_are_made_square_before_the_picture_is_turned(tmp_path):
    matrix = display_matrix(0, 1, -1, 0)
    path = encode(tmp_path / "a.mov", [quartered()] * 3, matrix=matrix, aspect=Fraction(2))
    image, info = next(read_frames(path)), probe(path)
    assert image.shape[:2] == (info.height, info.width) == (128, 48)
    assert quarters(image) == ["blue", "red", "white", "green"]


def moving_fields(k, width=128, height=96):
    """A wave that moves by three pixels a field, two fields a picture, the lower lines first."""
    x = np.arange(width)
    luma = np.empty((height, width), np.uint8)
    luma[1::2], luma[0::2] = (128 + 9 * np.sin((x - 3 * (2 * k + field)) / 6) for field in (0, 1))
    return planes("yuv420p", luma, *[np.full((height // 2, width // 2), 128, np.uint8)] * 2)


def combing(image):
    """Mean distance of a row from the mean of the rows above and below, levels."""
    rows = image[..., 1].astype(float)
    return np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean()


def test_interlaced_pictures_are_deinterlaced_and_keep_their_times(tmp_path):
    fields = [moving_fields(k) for k in range(20)]
    path = encode(tmp_path / "a.mp4", fields, options={"x264-params": "bff=1", "crf": "5"})
    frames = list(read_frames(path))
    assert len(frames) == probe(path).num_frames == 20
    assert combing(fields[5].to_ndarray(format="rgb24")) > 3 > 0.7 > max(combing(frame) for frame in frames)
    for k in (3, 10, 19):  # the first field's lines stay as they are
        sent = fields[k].to_ndarray(format="rgb24")[1::2].astype(int)
        assert np.abs(frames[k][1::2] - sent).mean() < 1


def test_progressive_pictures_are_left_as_they_are(tmp_path):
    path = encode(tmp_path / "a.mp4", [moving_fields(k) for k in range(5)], options={"crf": "5"})
    with av.open(str(path)) as container:
        plain = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    np.testing.assert_array_equal(list(read_frames(path)), plain)


def translucent():
    """Orange, its left half transparent, its right opaque, a band of half transparency at the bottom."""
    image = np.full((48, 64, 4), (240, 160, 80, 255), np.uint8)
    image[:, :32, 3], image[32:, :, 3] = 0, 128
    return image


@pytest.mark.parametrize(
    ("name", "codec", "layout"),
    [
        ("a.mov", "prores_ks", "yuva444p10le"),
        ("a.webm", "libvpx-vp9", "yuva420p"),
        ("a.webm", "libvpx", "yuva420p"),
        ("a.mov", "qtrle", "argb"),
        ("a.mov", "png", "rgba"),
        ("a.mkv", "ffv1", "bgra"),
    ],
)
def test_transparent_pictures_are_laid_over_black(tmp_path, name, codec, layout):
    options = {"prores_ks": {"profile": "4444"}, "libvpx": {"auto-alt-ref": "0"}}.get(codec)
    path = encode(tmp_path / name, [translucent()] * 3, codec, layout, options=options)
    image = next(read_frames(path)).astype(int)
    assert np.abs(image[8:24, 4:24]).max() <= 2
    assert np.abs(image[8:24, 40:60] - (240, 160, 80)).max() <= 6
    assert np.abs(image[38:46, 4:60] - (120, 80, 40)).max() <= 6


def test_a_gif_shows_black_where_it_is_transparent(tmp_path):
    indices = np.zeros((48, 64), np.uint8)
    indices[:, 32:] = 1
    palette = np.zeros((256, 4), np.uint8)
    palette[0], palette[1] = (0, 200, 200, 200), (255, 240, 160, 80)  # alpha first
    frame = av.VideoFrame.from_ndarray((indices, palette), format="pal8")
    image = next(read_frames(encode(tmp_path / "a.gif", [frame], "gif", "pal8")))
    assert image[20, 10].tolist() == [0, 0, 0]
    assert np.abs(image[20, 50].astype(int) - (240, 160, 80)).max() <= 2


def test_an_alpha_plane_that_was_never_written_hides_nothing(tmp_path):
    unused = translucent()
    unused[..., 3] = 0
    image = next(read_frames(encode(tmp_path / "a.mkv", [unused], "ffv1", "bgra")))
    assert image[20, 20].tolist() == [240, 160, 80]


def test_rows_and_columns_that_the_codec_cuts_are_not_shown(tmp_path):
    path = encode(tmp_path / "a.mp4", [quartered()] * 3, options={"x264-params": "crop-rect=32,24,0,0"})
    image, info = next(read_frames(path)), probe(path)
    assert image.shape[:2] == (info.height, info.width) == (24, 32)
    assert quarters(image) == ["white"] * 4


def resized_midway(path, first, second):
    """Ten pictures of one size, then ten of another, in a transport stream."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = first.shape[1], first.shape[0], "yuv420p"
        other = av.CodecContext.create("libx264", "w")
        other.width, other.height, other.pix_fmt = second.shape[1], second.shape[0], "yuv420p"
        other.time_base, other.framerate = Fraction(1, 25), Fraction(25)
        for context, image, start in ((stream.codec_context, first, 0), (other, second, 10)):
            pictures = [av.VideoFrame.from_ndarray(image, format="rgb24") for _ in range(10)]
            for k, picture in enumerate(pictures):
                picture.pts, picture.time_base = start + k, Fraction(1, 25)
            for picture in [*pictures, None]:
                for packet in context.encode(picture):
                    packet.stream, packet.time_base = stream, Fraction(1, 25)
                    container.mux(packet)
    return path


def test_pictures_that_change_size_keep_the_first_ones(tmp_path):
    path = resized_midway(tmp_path / "a.ts", quartered(64, 48), quartered(128, 96))
    frames = list(read_frames(path))
    assert len(frames) == 20
    assert {frame.shape for frame in frames} == {(48, 64, 3)}
    assert all(quarters(frame) == ["red", "green", "blue", "white"] for frame in frames)


def test_pictures_that_change_shape_are_refused_with_the_time(tmp_path):
    path = resized_midway(tmp_path / "a.ts", quartered(64, 48), quartered(48, 64))
    with pytest.raises(EGSTalkerError, match=r"from 64x48 to 48x64 pixels at 0\.40 s"):
        list(read_frames(path))
    assert len(list(read_frames(path, 10))) == 10
    with pytest.raises(EGSTalkerError, match="from 64x48 to 48x64"):
        sample_frames(path, 20, 5)
