"""A text to be spoken: whether it can be, its sentences, and what a film of it is called."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from arguments.errors import EGSTalkerError

LONGEST = 50_000
"""Characters of a text: about an hour of speech."""

_SPACES = "\t\n\v\f\r\x85"
_LONGEST_NAME, _WORDS_OF_A_NAME = 40, 8
_END = re.compile(r"""(?<![.!?…])[.!?…]+["'”’)\]]*(?=\s)|[。！？]+["'”’」』]*|\n[ \t]*\n""")
_TITLES = ("adm", "capt", "col", "dr", "gen", "gov", "lt", "mr", "mrs", "ms", "mt", "mx", "prof", "rep", "rev", "sen")
_ABBREVIATIONS = (*_TITLES, "cf", "e.g", "i.e", "sgt", "st", "vs")
_BEFORE_NUMBERS = ("approx", "fig", "no", "nos", "p", "pp", "vol")
_CUTS = (";", ":", ",", "—", " ")  # of a sentence that is too long, the best first


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, of which no more is read than can be spoken.

    Raises:
        EGSTalkerError: it cannot be read, is not UTF-8, or is none of :func:`checked`.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(4 * LONGEST + 4)
    except OSError as error:
        raise EGSTalkerError(f"{path} cannot be read: {error.strerror}") from error
    if len(raw) > 4 * LONGEST:
        raise EGSTalkerError(_too_long("more than "))
    try:
        return checked(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise EGSTalkerError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error


def checked(text: str) -> str:
    """A text without the characters that are neither seen nor heard, and with plain white space.

    Raises:
        EGSTalkerError: it is empty, longer than :data:`LONGEST`, or holds control characters or what is not UTF-8.
    """
    if len(text) > LONGEST:
        raise EGSTalkerError(_too_long(f"{len(text):,} "))
    text = text.replace("\r\n", "\n")
    for character in sorted(set(text) - set(_SPACES)):
        kind = unicodedata.category(character)
        if kind == "Cc":
            raise EGSTalkerError(f"the text holds a control character (U+{ord(character):04X}): take it out")
        if kind == "Cs":
            raise EGSTalkerError("the text is not UTF-8")
        if kind == "Cf":
            text = text.replace(character, "")
    text = re.sub(r"[^\S\n]", " ", re.sub("[\v\f\r\x85\u2028\u2029]", "\n", text)).strip()
    if not text:
        raise EGSTalkerError("the text is empty: there is nothing to say")
    return text


def film_name(text: str) -> str:
    """The first words of a text as the name of a file, without a suffix: letters, digits and underscores.

    Example:
        >>> film_name("Hello there, how are you?")
        'hello_there_how_are_you'
    """
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text[:400].lower().replace("'", "").replace("’", "")))
    name = ""
    for word in words[:_WORDS_OF_A_NAME]:
        longer = f"{name}_{word}" if name else word
        if name and len(longer) > _LONGEST_NAME:
            break
        name = longer[:_LONGEST_NAME]
    return name or "speech"


def sentences(text: str, longest: int) -> Iterator[str]:
    """The sentences of a text, each on one line; one of more than ``longest`` characters in parts.

    A sentence ends with its mark and white space, or with an empty line; not with the full stop of an abbreviation.

    Example:
        >>> list(sentences("Dr. No is here. Who? He, of course!", 12))
        ['Dr. No is', 'here.', 'Who?', 'He, of', 'course!']
    """
    start = 0
    for end in _END.finditer(text):
        if not _is_abbreviation(text, start, end):
            yield from _parts(text[start : end.end()], longest)
            start = end.end()
    yield from _parts(text[start:], longest)


def passages(text: str, longest: int) -> Iterator[str]:
    """The first sentence of a text, so that speech begins soon, then as many at once as ``longest`` characters hold."""
    held = ""
    for number, sentence in enumerate(sentences(text, longest)):
        if held and (number == 1 or len(held) + 1 + len(sentence) > longest):
            yield held
            held = ""
        held = f"{held} {sentence}" if held else sentence
    if held:
        yield held


def _is_abbreviation(text: str, start: int, end: re.Match[str]) -> bool:
    if end[0] != ".":
        return False
    word = re.split(r"[\s\"'“‘(\[]", text[max(start, end.start() - 12) : end.start()])[-1]
    follows = text[end.end() : end.end() + 8].lstrip()
    if len(word) == 1 and word.isupper() and word != "I":
        return True
    return (
        word.lower() in _ABBREVIATIONS
        or (word.lower() in _BEFORE_NUMBERS and follows[:1].isdigit())
        or follows[:1].islower()
    )


def _parts(sentence: str, longest: int) -> Iterator[str]:
    left = " ".join(sentence.split())
    while len(left) > longest:
        # Not in the first half: a part of two words is worse than one that ends at a space.
        places = (left.rfind(cut, longest // 2, longest) for cut in _CUTS)
        place = next((place for place in places if place >= 0), longest - 1) + 1
        yield left[:place].rstrip()
        left = left[place:].lstrip()
    if left:
        yield left


def _too_long(size: str) -> str:
    return f"the text has {size}characters; {LONGEST:,} are spoken at most (about an hour): make several films of it"
