"""A session: utterances go in when they are there, moments come out one by one, 25 for each second.

Nothing here knows the time: a moment is made when it is asked for, and :mod:`live.clock` asks. What is given ahead
waits as sound, never as pictures, so an interruption drops it at once. Nothing that was made waits in a session: what
is not asked for is not made.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from data_utils.audio_features.voice_scale import VoiceScale
from live.moment import Moment
from live.pcm import check_rate, mono
from live.performer import Look, Performer
from live.speaking import Said, Speaking
from live.voice_tracker import VoiceTracker


@dataclass(frozen=True)
class Step:
    """A moment whose picture is not made."""

    frame: int
    said: Said
    look: Look

    def moment(self, picture: UInt8[np.ndarray, "H W C"] | None) -> Moment:
        """The moment with its picture, or without."""
        return Moment(self.frame, self.said.sound, picture, self.said.utterance, self.said.events)


class Session:
    """One person in conversation. All methods may be called from any thread; :meth:`step` from one at a time.

    Args:
        performer: who is shown.
        seed: of everything random: the same gives the same.
        voice: scale of the voice that it speaks with, of an earlier session; the usual one unless given.

    Raises:
        EGSTalkerError: the speech model learnt with features that need the whole recording.
    """

    def __init__(self, performer: Performer, *, seed: int = 0, voice: VoiceScale | None = None) -> None:
        self._performer, self._life = performer, performer.life(seed)
        self._voice = VoiceTracker(voice)
        self._speaking = Speaking(performer.speech, self._voice)
        self._lock = threading.Lock()
        self._frame = 0
        before = performer.window // 2
        self._past = deque([performer.speech.rest] * before, maxlen=before)

    @property
    def voice(self) -> VoiceScale:
        """What is known of the voice by now; another session may begin with it."""
        return self._voice.scale

    def speak(self, pcm: object, rate: object, channels: object = 1) -> int:
        """Say this, after what was given before.

        Args:
            pcm: sound, of any length (:data:`live.pcm.Pcm`); nothing is fine.
            rate: of it, Hz (:data:`live.pcm.RATES`); the same for all of an utterance.
            channels: of it, where its samples come in turn.

        Returns:
            the number of the utterance, from 1 on.

        Raises:
            EGSTalkerError: it is no such sound, or more than ten minutes would wait. The session goes on.
        """
        samples, checked = mono(pcm, channels), check_rate(rate)
        with self._lock:
            return self._speaking.add(samples, checked)

    def end(self) -> None:
        """The utterance is complete; what is given from now on is another one."""
        with self._lock:
            self._speaking.end()

    def interrupt(self) -> None:
        """Be silent: no sound from the next moment on, and the mouth is closed with the fourth.

        A moment that is just being made on another thread is still one of before.
        """
        with self._lock:
            self._speaking.interrupt()

    def prepare(self) -> None:
        """Do now what the next step would have to do and can be done already.

        It changes nothing but how long that takes, and that an interruption leaves the voice known from a frame more.
        """
        with self._lock:
            self._speaking.prepare()

    def step(self, *, picture: bool = True) -> Moment:
        """The next moment.

        Args:
            picture: whether there is time for one; its sound and its number are the same without.
        """
        step = self.advance()
        return step.moment(self._performer.pictures([step.look])[0] if picture else None)

    def advance(self) -> Step:
        """The next moment, whose picture is to be made with those of other sessions."""
        with self._lock:
            said = self._speaking.step()
        step = Step(self._frame, said, self._look(said))
        self._frame += 1
        return step

    def skip(self, moments: int) -> None:
        """Let so many moments pass unseen: what is said waits, and the next one's number is later."""
        self._frame += moments

    def _look(self, said: Said) -> Look:
        idle = torch.from_numpy(next(self._life.idle)).to(said.spoken.code)
        code, following = (self._with_idle(one, idle) for one in (said.spoken.code, said.spoken.following))
        after = self._performer.window - 1 - len(self._past)
        codes = torch.stack([*self._past, code, *[following] * after])
        self._past.append(code)
        pose, body = next(self._life.poses)
        return Look(codes, next(self._life.blinks), pose, body)

    def _with_idle(self, code: Tensor, idle: Tensor) -> Tensor:
        return torch.where(self._performer.wandering, idle, code)
