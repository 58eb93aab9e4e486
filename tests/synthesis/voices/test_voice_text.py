"""Texts before they are spoken: what is refused, where sentences end, what films are called."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from arguments.errors import EGSTalkerError
from synthesis.voices.text import LONGEST, checked, film_name, passages, read_text, sentences


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"), (" \n\t ", "empty"), ("\ufeff\u200b", "empty"), ("a\x07b", r"U\+0007"), ("a\0b", r"U\+0000"),
        ("\x1b[31mred", r"U\+001B"), ("a\udce9b", "not UTF-8"), ("a" * (LONGEST + 1), "50,001 characters"),
    ],
)  # fmt: skip
def test_what_cannot_be_spoken_is_refused(text: str, said: str) -> None:
    with pytest.raises(EGSTalkerError, match=said):
        checked(text)


def test_a_text_keeps_its_words_and_loses_what_is_neither_seen_nor_heard() -> None:
    assert checked("\ufeff Well,\r\nso\u00adme\u200b thing\u00a0new\t… ") == "Well,\nsome thing new …"
    assert checked("-5 degrees") == "-5 degrees"
    assert len(checked("a" * LONGEST)) == LONGEST


@pytest.mark.parametrize(
    ("raw", "said"),
    [(b"caf\xe9", "not UTF-8 text .byte 3"), ("a\0".encode("utf-16"), "not UTF-8"), (b"", "empty")],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, raw: bytes, said: str) -> None:
    (tmp_path / "t.txt").write_bytes(raw)
    with pytest.raises(EGSTalkerError, match=said):
        read_text(tmp_path / "t.txt")


def test_no_more_of_a_file_is_read_than_can_be_spoken(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(EGSTalkerError, match="50,000 are spoken at most"):
        read_text(tmp_path / "huge")
    with pytest.raises(EGSTalkerError, match="cannot be read: Is a directory"):
        read_text(tmp_path)
    (tmp_path / "bom.txt").write_bytes("\ufeffHéllo\r\n".encode())
    assert read_text(tmp_path / "bom.txt") == "Héllo"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three? Four… Five", ["One.", "Two!", "Three?", "Four…", "Five"]),
        ('He said "No." Then he left.', ['He said "No."', "Then he left."]),
        ("Dr. Smith of St. Ives, e.g. No. 5, left. So did J. R. Tolkien. And I. Yes.",
         ["Dr. Smith of St. Ives, e.g. No. 5, left.", "So did J. R. Tolkien.", "And I.", "Yes."]),
        ("It costs 3.14. At 5 p.m. we left. No. Never.", ["It costs 3.14.", "At 5 p.m. we left.", "No.", "Never."]),
        ("A title\n\nIts text\ngoes on.", ["A title", "Its text goes on."]),
        ("你好。再见！", ["你好。", "再见！"]),
    ],
)  # fmt: skip
def test_sentences_end_where_they_end(text: str, parts: list[str]) -> None:
    assert list(sentences(text, 240)) == parts


def test_long_sentences_are_cut_at_their_best_places_and_lose_nothing() -> None:
    text = "so it went on, " * 40 + "x" * 500
    parts = list(sentences(text, 100))
    assert max(map(len, parts)) <= 100
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(part.endswith(",") for part in parts[:5])


def test_passages_begin_with_one_sentence_and_then_fill_up() -> None:
    assert list(passages("A b. " * 9, 13)) == ["A b.", "A b. A b.", "A b. A b.", "A b. A b.", "A b. A b."]
    assert list(passages("A b.", 14)) == ["A b."]


@pytest.mark.parametrize("text", ["." * LONGEST, "A. " * 16_000, '."' * 25_000, "\n \n" * 16_000 + "a"])
def test_no_text_takes_long_to_cut(text: str) -> None:
    begin = time.monotonic()
    list(passages(text, 1000))
    assert time.monotonic() - begin < 2  # what takes quadratic time takes minutes


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Hello there, how are you?", "hello_there_how_are_you"), ("../../etc/passwd", "etc_passwd"),
        ("-rf *", "rf"), ("Don't!", "dont"), ("...", "speech"), ("Größe 5", "größe_5"), ("x" * 500, "x" * 40),
        ("a b c d e f g h i j", "a_b_c_d_e_f_g_h"), ("CON\nNUL:", "con_nul"),
    ],
)  # fmt: skip
def test_a_film_is_called_by_the_first_words_as_any_file_system_takes_them(text: str, name: str) -> None:
    assert film_name(text) == name
