import io

from data_utils import progress as module
from data_utils.progress import progress


def test_without_a_terminal_lines_tell_rate_and_time_left_now_and_then(monkeypatch):
    clock = iter([0.0, 4.0, 10.0, 12.0, 25.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    stream = io.StringIO()
    with progress("[4/9] face parsing", 200, stream) as done:
        for frames in (20, 30, 10, 40):
            done(frames)
    assert stream.getvalue().splitlines() == [
        "[4/9] face parsing: 50 of 200 frames, 5 a second, 30 s left",
        "[4/9] face parsing: 100 of 200 frames, 4 a second, 25 s left",
    ]


def test_an_unknown_number_of_frames_has_no_time_left(monkeypatch):
    clock = iter([0.0, 20.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    stream = io.StringIO()
    with progress("frames", 0, stream) as done:
        done(100)
    assert stream.getvalue() == "frames: 100 of ? frames, 5 a second\n"
