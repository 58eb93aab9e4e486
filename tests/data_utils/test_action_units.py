"""AU45: measured blinks, and tables from elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from arguments.errors import EGSTalkerError
from data_utils.action_units import action_unit_45, read_action_unit_45, write_action_units
from data_utils.face_mesh import eye_openings, load_or_detect

BLINKS = {50: 0.2, 51: 0.08, 52: 0.2, 120: 0.08, 121: 0.1}


def blinking(open_eyes=(0.3, 0.3), noise=0.0, frames=200) -> np.ndarray:
    """Two eyes' openings that close to 8/30 at frames 51 and 120."""
    shares = np.ones(frames)
    shares[list(BLINKS)] = np.array(list(BLINKS.values())) / 0.3
    return shares[:, None] * np.array(open_eyes) + noise * np.random.default_rng(0).standard_normal((frames, 2))


def test_a_blink_is_five_and_open_eyes_are_zero():
    blinks = action_unit_45(blinking())
    assert blinks.dtype == np.float32
    assert blinks[51] == blinks[120] == 5
    assert 1 < blinks[50] < 4
    assert np.delete(blinks, list(BLINKS)).max() == 0


def test_eyes_of_different_width_count_alike():
    np.testing.assert_allclose(action_unit_45(blinking((0.36, 0.22))), action_unit_45(blinking()), atol=1e-5)


def test_shut_is_what_the_person_shows_most_often_not_once():
    once_wrong = blinking()
    once_wrong[170] = 0.0  # a glitch of the mesh
    blinks = action_unit_45(once_wrong)
    assert blinks[51] == pytest.approx(5, abs=0.01)
    assert blinks[170] == 5


def test_a_clip_without_blinks_stays_near_zero():
    rng = np.random.default_rng(0)
    assert action_unit_45(0.3 + 0.01 * rng.standard_normal((500, 2))).max() < 0.5
    behind_glasses = 0.2 + 0.02 * rng.standard_normal((500, 2))
    assert action_unit_45(behind_glasses).max() < 0.7
    drifting = 0.3 + 0.03 * np.sin(np.arange(500) / 40)[:, None] + 0.01 * rng.standard_normal((500, 2))
    assert action_unit_45(drifting).max() < 1


def test_noise_of_one_eye_does_not_hide_blinks():
    blinks = action_unit_45(blinking(noise=0.015))
    assert min(blinks[51], blinks[120]) > 4
    assert np.delete(blinks, list(BLINKS)).max() < 1


def test_blinks_follow_the_truth(dataset, talking_head):
    truth = np.load(talking_head.with_name("head_truth.npz"))["eye_open"]
    blinks = action_unit_45(eye_openings(load_or_detect(dataset).points))
    assert np.ptp(truth) > 0.5
    assert np.corrcoef(blinks, truth)[0, 1] < -0.95
    assert blinks[truth > 0.99].max() < 0.7
    assert blinks[truth < 0.05].min() > 4


def table(path, names="frame, timestamp, AU45_r", frames=100, rate=25.0, first=1, rows=None):
    """A table whose AU45_r is the frame's number over 20; ``rows`` adds columns."""
    lines = [f"{i + first}, {i / rate:.3f}, {i / 20:.3f}" + (rows(i) if rows else "") for i in range(frames)]
    path.write_text("\n".join([names, *lines]) + "\n")
    return path


@pytest.mark.parametrize(
    "names", ["frame, timestamp, AU45_r", "frame,timestamp,AU45_r", " frame,  timestamp,  AU45_r "]
)
def test_either_spelling_of_the_columns_is_read(tmp_path, names):
    values = read_action_unit_45(table(tmp_path / "au.csv", names), 100)
    np.testing.assert_allclose(values, np.arange(100) / 20, atol=1e-3)


def test_what_is_written_is_read_again(tmp_path):
    blinks = np.random.default_rng(0).uniform(0, 5, 60).astype(np.float32)
    write_action_units(tmp_path / "au.csv", blinks)
    np.testing.assert_allclose(read_action_unit_45(tmp_path / "au.csv", 60), blinks, atol=1e-3)
    assert (tmp_path / "au.csv").read_text().startswith("frame, timestamp, AU45_r\n1, 0.000, ")


@pytest.mark.parametrize(("frames", "first"), [(97, 1), (103, 1), (100, 0)])
def test_a_few_rows_too_few_or_too_many_and_counting_from_zero_will_do(tmp_path, frames, first):
    values = read_action_unit_45(table(tmp_path / "au.csv", frames=frames, first=first), 100)
    np.testing.assert_allclose(values, np.minimum(np.arange(100), frames - 1) / 20, atol=1e-3)


def test_rows_go_by_their_frame_number(tmp_path):
    path = table(tmp_path / "au.csv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:1] + lines[:0:-1][::2]) + "\n")  # backwards, every other row
    np.testing.assert_allclose(read_action_unit_45(path, 100), np.maximum(np.arange(100), 1) / 20, atol=1e-3)


def test_another_frame_rate_goes_by_time(tmp_path):
    values = read_action_unit_45(table(tmp_path / "au.csv", frames=100, rate=30.0), 83)
    np.testing.assert_allclose(values, np.minimum(np.arange(83) * 30 / 25, 99) / 20, atol=2e-3)


@pytest.mark.parametrize("column", ["success", "confidence"])
def test_rows_in_which_openface_failed_lie_between_their_neighbours(tmp_path, column):
    failed = range(40, 50)
    rows = lambda i: ", 0" if i in failed else ", 0.98"  # noqa: E731
    path = table(tmp_path / "au.csv", f"frame, timestamp, AU45_r, {column}", rows=rows)
    text = path.read_text().replace("2.250, 0\n", "0.000, 0\n").replace("2.300, 0\n", "-nan(ind), 0\n")
    path.write_text(text)
    np.testing.assert_allclose(read_action_unit_45(path, 100), np.arange(100) / 20, atol=1e-3)


def test_of_two_faces_the_longer_one_counts(tmp_path):
    path = table(tmp_path / "au.csv", "frame, timestamp, AU45_r, face_id", rows=lambda i: ", 1")
    path.write_text(path.read_text() + "".join(f"{i + 1}, {i / 25}, 0, 0\n" for i in range(30)))
    np.testing.assert_allclose(read_action_unit_45(path, 100), np.arange(100) / 20, atol=1e-3)


def test_values_beyond_openfaces_range_are_cut(tmp_path):
    (tmp_path / "au.csv").write_text("AU45_r\n" + "9\n-1\n2\n")
    assert read_action_unit_45(tmp_path / "au.csv", 3).tolist() == [5, 0, 2]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "\n\n",
            "frame, AU01_r\n1, 2\n",
            "AU45_r\nx\ny\nz\n",
            "AU45_r\n1\n",
            "AU45_r, AU45_r\n",
            "\x00\xff\x89PNG",
        ),
        *("AU45_r, success\n1, 0\n1, 0\n1, 1\n", "frame, AU45_r\n" + "1, 0.5\n" * 3, "AU45_r\n1\n2\n3\n" * 9),
    ],
)
def test_what_does_not_fit_is_one_clear_line(tmp_path, text):
    (tmp_path / "au.csv").write_bytes(text.encode("latin-1"))
    frames = 3 if "success" in text else 10
    with pytest.raises(EGSTalkerError, match=r"au\.csv .*--task 7") as caught:
        read_action_unit_45(tmp_path / "au.csv", frames)
    assert "\n" not in str(caught.value)


def test_no_file_is_one_clear_line(tmp_path):
    with pytest.raises(EGSTalkerError, match="--task 7"):
        read_action_unit_45(tmp_path / "au.csv", 5)
