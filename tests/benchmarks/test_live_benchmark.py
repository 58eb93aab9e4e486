"""The benchmark of live use measures what it says."""

from __future__ import annotations

from benchmarks.live import PHASES_MS, measure, run, spread, table
from tests.live.stage import Mouth


def test_a_piece_is_late_by_what_hearing_has_to_know_at_least():
    timed = run(Mouth(), 0.4, 10)
    late = [milliseconds for milliseconds, _ in timed.latencies()]
    assert (
        len(late) == 20 and min(late) > 0 and min(late[:-8]) >= 160
    )  # after the last 160 ms nothing more is waited for
    assert 0 < sum(took for took, _ in timed.took) + timed.ahead < timed.wall


def test_figures_are_of_all_phases_and_fit_in_lines():
    row = measure(Mouth(), 0.2 * len(PHASES_MS))
    assert row["latency"]["p50"] <= row["latency"]["p95"] <= row["latency"]["max"]
    assert 0 < row["real_time"] < 1 and 1 < row["pictures"] < 27
    assert len(table(row).splitlines()) == len(row)
    assert spread([]) is None
