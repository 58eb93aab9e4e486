"""benchmarks/machine_table.py: what people read."""

from __future__ import annotations

import dataclasses

from arguments.version import VERSION
from benchmarks.figures import Figure, changes
from benchmarks.machine_table import markdown
from benchmarks.reference import Entry, Subject

SUBJECT = Subject("A | CPU, 2 threads", "the sample", "", "demo.py", "2e", 1700)
FIGURES = (
    Figure("tests failed", 2, better="lower", noise=0),
    Figure("training", 150.26, "s", "lower"),
    Figure("ssim", 0.98123, "", "higher", 0.001),
)
ENTRY = Entry(SUBJECT, "0123456789ab", "2026-01-02 03:04 UTC", "torch 2", FIGURES)


def test_a_table_without_a_reference():
    assert (
        markdown(ENTRY, None, changes(FIGURES, ()), ["a::b", "c::d"])
        == f"""\
| | now | noise |
|---|---:|---:|
| commit | 0123456789ab | |
| date | 2026-01-02 03:04 UTC | |
| version | {VERSION} | |
| machine | A \\| CPU, 2 threads | |
| software | torch 2 | |
| dataset | the sample | |
| configuration | demo.py, 1,700 iterations | |
| tests failed | 2 | 0 |
| training | 150.3 s | |
| ssim | 0.9812 | 0.001000 |

failed: a::b
failed: c::d
"""
    )


def test_a_table_beside_what_was_kept():
    before = [
        Figure("tests failed", 0, better="lower", noise=0),
        Figure("training", 120.0, "s", "lower", 10.5),
        Figure("head_psnr", 31.416, "dB", "higher", 0.1),
    ]
    kept = dataclasses.replace(ENTRY, commit="fedcba987654", figures=tuple(before))
    lines = markdown(ENTRY, kept, changes(FIGURES, before), ()).splitlines()
    assert lines[:3] == [
        "| | now | noise | reference | difference | |",
        "|---|---:|---:|---:|---:|---|",
        "| commit | 0123456789ab | | fedcba987654 | | |",
    ]
    assert lines[9:] == [
        "| tests failed | 2 | 0 | 0 | +2 | worse |",
        "| training | 150.3 s | 10.50 | 120 s | +25.2 % | worse |",
        "| ssim | 0.9812 | 0.001000 | | | new |",
        "| head_psnr | | 0.1000 | 31.42 dB | | gone |",
    ]
