"""What a training took of a GPU, in its model folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from arguments.model_folder import ModelFolder
from arguments.usage import memory_share_of, note_usage


def test_the_largest_share_of_all_runs_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ModelFolder(tmp_path)
    assert memory_share_of(folder) == 0
    monkeypatch.setattr("arguments.usage.gpu_name", lambda: "a card")
    for share, kept in ((0.25, 0.25), (0.125, 0.25), (0.5, 0.5)):
        monkeypatch.setattr("arguments.usage.memory_share", lambda share=share: share)
        note_usage(folder)
        assert memory_share_of(folder) == kept


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"memory_share": "1"}', '{"memory_share": 7}', '{"memory_share": NaN}']
)
def test_what_says_nothing_is_not_believed(tmp_path: Path, text: str) -> None:
    folder = ModelFolder(tmp_path)
    folder.usage.write_text(text)
    assert memory_share_of(folder) == 0
