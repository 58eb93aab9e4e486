"""What others have written, as it is shown in a line of ours."""

from __future__ import annotations

from arguments.foreign_text import last_words, printable


def test_of_what_a_program_says_its_last_line_is_told_without_what_a_terminal_obeys() -> None:
    assert last_words(b"first\n\x1b[2J\x1b[31mno \x07voice\x1b[0m\n  \n") == "no  voice"
    assert last_words(b"\xff\xfe") == "\ufffd\ufffd" and last_words(b"") == ""
    assert len(last_words(b"a" * 10**6)) == 201


def test_a_text_is_one_line_that_a_terminal_only_shows() -> None:
    assert printable(" no \r\n such\x1b[2J\tfile\x07 Größe 5 ") == "no such [2J file  Größe 5"
    assert printable("") == "" and len(printable("a" * 10**4)) == 500
