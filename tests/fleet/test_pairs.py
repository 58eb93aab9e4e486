"""Which heads say which sounds: folders, farms, and tables as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from arguments.errors import EGSTalkerError
from fleet import pairs
from fleet.farm import Farm, Receipt
from fleet.pairs import Pair, all_pairs, heads_in, read_pairs, sounds_in
from fleet.settings import Settings
from tests.fleet.fake_checkout import make_videos


def make_model(folder: Path) -> Path:
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "settings.json").write_text("{}")
    return folder


@pytest.fixture
def heads(tmp_path: Path) -> Path:
    folder = tmp_path / "heads"
    make_model(folder / "anna")
    (folder / "bert.head").write_text("bert")
    (folder / "notes.txt").write_text("no head")
    (folder / "empty").mkdir()
    return folder


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    folder.mkdir()
    for name in ("hello.wav", "bye.MP3", "clip.mp4", "notes.txt"):
        (folder / name).write_text(name)
    return folder


def read(text: str | bytes, heads: Path, sounds: Path) -> tuple[list[Pair], list[str]]:
    table, lines = heads.parent / "table.csv", []
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        return read_pairs(table, heads_in(heads), sounds_in([sounds]), lines.append), lines
    except EGSTalkerError as error:
        return [], [*lines, str(error)]


def test_every_head_of_a_folder_says_every_sound_of_another(heads, sounds):
    there = all_pairs(heads_in(heads), sounds_in([sounds]))
    assert [(one.head.name, one.sound.name) for one in there] == [
        (head, sound) for head in ("anna", "bert.head") for sound in ("bye.MP3", "clip.mp4", "hello.wav")
    ]
    assert all(one.head.is_absolute() and one.sound.is_absolute() for one in there)


def test_a_head_by_itself_and_a_sound_whatever_it_is_called_are_taken(heads, sounds):
    assert list(heads_in(heads / "bert.head")) == ["bert"] and list(heads_in(heads / "anna")) == ["anna"]
    assert sounds_in([sounds / "notes.txt", sounds / "notes.txt"]) == [sounds / "notes.txt"]


def test_of_a_farm_those_heads_are_taken_that_are_trained(tmp_path):
    farm = Farm(str(tmp_path / "farm"))
    farm.take_settings(Settings())
    farm.add(sorted(make_videos(tmp_path / "videos", anna={}, bert={}).iterdir()))
    farm.write_receipt("bert", Receipt("train", 1.0))
    assert heads_in(tmp_path / "farm") == {"bert": tmp_path / "farm/heads/bert/model"}


def test_what_holds_no_head_or_no_sound_is_one_line(tmp_path, heads, sounds):
    with pytest.raises(EGSTalkerError, match="there is no head in"):
        heads_in(sounds)
    with pytest.raises(EGSTalkerError, match="gone does not exist"):
        heads_in(tmp_path / "gone")
    with pytest.raises(EGSTalkerError, match="there is no sound in"):
        sounds_in([heads])
    with pytest.raises(EGSTalkerError, match="gone does not exist"):
        sounds_in([tmp_path / "gone"])


@pytest.mark.parametrize(
    "text",
    [
        "head,sound,name\nanna,hello.wav,first\nheads/bert.head,sounds/bye.MP3,\n",
        "\ufeffSound ; note;HEAD;name\r\n\r\nhello.wav;x;anna;first\r\nsounds/bye.MP3;;heads/bert.head\r\n",
    ],
)
def test_a_table_names_heads_and_sounds_by_name_or_by_path_from_its_own_folder(heads, sounds, text):
    found, lines = read(text, heads, sounds)
    assert lines == []
    assert found == [
        Pair(heads / "anna", sounds / "hello.wav", "first"),
        Pair(heads / "bert.head", sounds / "bye.MP3"),
    ]


def test_without_folders_a_table_says_it_all(heads, sounds):
    table = heads.parent / "table.csv"
    table.write_text(f"head,sound\n{heads}/anna,{sounds}/hello.wav\n")
    assert read_pairs(table, {}, [], print) == [Pair(heads / "anna", sounds / "hello.wav")]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("carl,hello.wav,", "there is no head 'carl'"),
        ("anna,gone.wav,", "there is no sound 'gone.wav'"),
        ("anna,heads,", "there is no sound 'heads'"),
        (",hello.wav,", "it has no head"),
        ("anna", "it has no sound"),
        ("anna,hello.wav,a/b", "its name 'a/b' is not up to 80 letters"),
        ("anna,hello.wav,..", "its name '..' is not"),
        ("anna,hello.wav,THE-FIRST", "the same film is in an earlier row"),
        ("anna,bye.MP3,the-first", "the same film is in an earlier row"),
        ('"an\nna",hello.wav,', "its head is no name of a file: 'an na'"),
        ("anna,hel\x00lo.wav,", ""),
        ("anna,hel\x1b[31mlo.wav,", "its sound is no name of a file"),
        (f"anna,{'x' * 5000},", "its sound is no name of a file"),
        (f"anna,{'x' * 300},", "what it names cannot be looked at: File name too long"),
    ],
)
def test_each_row_that_will_not_do_is_told_in_one_line(heads, sounds, row, said):
    found, lines = read(f"head,sound,name\nanna,hello.wav,the-first\n{row}\nbert,bye.MP3\n", heads, sounds)
    assert found == []
    assert said in lines[0] and all(line.isprintable() for line in lines)
    if said:
        assert len(lines) == 2 and ", row " in lines[0]
        assert lines[1] == f"1 of 3 rows of {heads.parent}/table.csv will not do; no film was made"


def test_all_wrong_rows_are_told_up_to_a_number(heads, sounds):
    _, lines = read("head,sound\n" + "x,y\n" * 50, heads, sounds)
    assert len(lines) == pairs.MOST_LINES + 1 and lines[-1].startswith("50 of 50 rows")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no column 'head'"),
        ("head;file\nanna;hello.wav\n", "has no column 'sound'"),
        ("head,sound\n", "has 0 rows of pairs"),
        ("head,sound,sound\nanna,hello.wav,bye.MP3\n", "has two columns of one name"),
        ("head,sound\nänna,hello.wav\n".encode("latin-1"), "is no text in UTF-8"),
        (b"\xff\xfeh\x00e\x00", "is no text in UTF-8"),
        ("head,sound\n" + "y" * 200_000, "is no csv table"),
    ],
)
def test_what_is_no_table_of_pairs_is_one_line(heads, sounds, text, said):
    _, lines = read(text, heads, sounds)
    assert len(lines) == 1 and said in lines[0]


def test_tables_that_are_too_large_or_not_there_are_refused(heads, sounds, monkeypatch):
    monkeypatch.setattr(pairs, "MOST_ROWS", 2)
    assert "give 1 to 2" in read("head,sound\n" + "anna,hello.wav\n" * 3, heads, sounds)[1][0]
    monkeypatch.setattr(pairs, "LARGEST", 10)
    assert "is too large" in read("head,sound\nanna,hello.wav\n", heads, sounds)[1][0]
    with pytest.raises(EGSTalkerError, match="there is no table"):
        read_pairs(heads, {}, [], print)
