"""benchmarks/reference.py: figures are kept, found again by what they are of, and damage is told."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

import pytest

from arguments.errors import EGSTalkerError
from benchmarks.figures import Figure
from benchmarks.machine import REFERENCE
from benchmarks.reference import Entry, Subject, entry_of, keep, read_reference

SUBJECT = Subject("A GPU", "input", "1f", "args.py", "2e", 6000)
FIGURES = (Figure("training", 100.5, "s", "lower", 3.0), Figure("tests passed", 7, noise=0), Figure("tests", 9.5, "s"))
ENTRY = Entry(SUBJECT, "0123456789ab + changes", "2026-01-02 03:04 UTC", "torch 2", FIGURES)


def test_what_is_kept_comes_back_and_replaces_that_of_its_subject_alone(tmp_path):
    path = tmp_path / "new folder" / "reference.json"
    other = dataclasses.replace(ENTRY, subject=dataclasses.replace(SUBJECT, device="Another GPU"))
    for entry in (ENTRY, other):
        keep(path, entry)
    assert read_reference(path) == [ENTRY, other]
    again = dataclasses.replace(ENTRY, figures=FIGURES[:1], commit="fedcba987654")
    keep(path, again)
    assert read_reference(path) == [again, other]
    assert [file.name for file in path.parent.iterdir()] == ["reference.json"]


@pytest.mark.parametrize(
    ("other", "same"),
    [
        *[({"device": "A CPU"}, False), ({"dataset_digest": "3d"}, False), ({"iterations": 300}, False)],
        *[({"configuration_digest": "3d"}, False), ({"dataset": "moved", "configuration": "copy.py"}, True)],
    ],
)
def test_an_entry_is_found_by_machine_contents_and_iterations_not_by_names(other, same):
    assert (entry_of([ENTRY], dataclasses.replace(SUBJECT, **other)) is ENTRY) == same


def test_there_is_nothing_where_there_is_no_file(tmp_path):
    assert read_reference(tmp_path / "reference.json") == []


def test_the_reference_of_the_repository_is_whole():
    subjects = [entry.subject for entry in read_reference(REFERENCE)]
    assert len(subjects) == len(set(subjects))


WHOLE = {
    "subject": dataclasses.asdict(SUBJECT),
    **{"commit": "01", "date": "2026-01-02", "software": "torch 2"},
    "figures": {"training": {"value": 100, "noise": 3, "unit": "s", "better": "lower"}},
}
FAULTS: dict[str, Any] = {
    "of another kind": lambda entry: [],
    "without a subject": lambda entry: entry.pop("subject"),
    "a subject of words": lambda entry: entry.update(subject="A GPU"),
    "iterations that are no number": lambda entry: entry["subject"].update(iterations="6000"),
    "a name on two lines": lambda entry: entry["subject"].update(device="A\nGPU"),
    "what a terminal obeys": lambda entry: entry.update(commit="\x1b[2J"),
    "a commit that is a number": lambda entry: entry.update(commit=12),
    "figures in a list": lambda entry: entry.update(figures=[1]),
    "a figure that is a number": lambda entry: entry.update(figures={"training": 100}),
    "no value": lambda entry: entry["figures"]["training"].pop("value"),
    "a value in words": lambda entry: entry["figures"]["training"].update(value="100"),
    "a value that is true": lambda entry: entry["figures"]["training"].update(value=True),
    "a value that is none": lambda entry: entry["figures"]["training"].update(value=float("nan")),
    "an endless value": lambda entry: entry["figures"]["training"].update(value=float("inf")),
    "a value beyond floats": lambda entry: entry["figures"]["training"].update(value=10**400),
    "noise below zero": lambda entry: entry["figures"]["training"].update(noise=-1),
    "noise in words": lambda entry: entry["figures"]["training"].update(noise="3"),
    "a third way to be better": lambda entry: entry["figures"]["training"].update(better="faster"),
    "better in a list": lambda entry: entry["figures"]["training"].update(better=[]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_entry_is_one_line(tmp_path, fault):
    path, entry = tmp_path / "reference.json", copy.deepcopy(WHOLE)
    path.write_text(json.dumps([entry]))
    assert len(read_reference(path)) == 1
    FAULTS[fault](entry)
    path.write_text(json.dumps([[] if fault == "of another kind" else entry]))
    with pytest.raises(EGSTalkerError, match="is no table of reference figures") as refused:
        read_reference(path)
    assert "\n" not in str(refused.value) and "\x1b" not in str(refused.value)
    with pytest.raises(EGSTalkerError):
        keep(path, ENTRY)


@pytest.mark.parametrize("data", [b"", b"{}", b"[", b"\xff\xfe[]", b"[" * 100_000, b"null", b'[{"subject": 1}]'])
def test_a_file_of_something_else_is_one_line(tmp_path, data):
    path = tmp_path / "reference.json"
    path.write_bytes(data)
    with pytest.raises(EGSTalkerError, match="give another --reference"):
        read_reference(path)
