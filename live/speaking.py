"""What is said: utterances that wait, the frames between hearing and playing, and what the mouth does meanwhile.

Every step takes in one frame, of an utterance or of silence, and plays the one that it took in 160 ms before, whose
code has become known with it. Where an utterance's sound comes late, silence is taken in instead and the sound goes on
when it is there: sound and mouth can only be late together.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int16
from torch import Tensor

from arguments.clock import SAMPLES_PER_FRAME
from arguments.errors import EGSTalkerError
from live.codes import Spoken
from live.hearing import DELAY, Hearing
from live.moment import Event
from live.utterance import SILENCE, Frame, Utterance
from live.voice_tracker import VoiceTracker
from motion.speech_model import CALM, SpeechModel

LONGEST_SECONDS = 600  # of speech that waits
CLOSING = 4  # frames in which a mouth that is interrupted comes to rest
_ASLEEP = CALM + DELAY + 1  # frames of silence after which nothing that was heard matters


@dataclass(frozen=True)
class Said:
    """One frame of it."""

    sound: Int16[np.ndarray, "1920"]
    spoken: Spoken
    utterance: int | None
    events: tuple[Event, ...]


class Speaking:
    """Utterances, one after the other.

    Args:
        model: what says the codes.
        voice: whose sound it is.

    Raises:
        EGSTalkerError: the model learnt with features that need the whole recording.
    """

    def __init__(self, model: SpeechModel, voice: VoiceTracker) -> None:
        self._model, self._voice = model, voice
        self._rest = Spoken(model.rest, model.rest)
        self._hearing: Hearing | None = None
        self._silent = 0
        self._next: tuple[Frame, Utterance | None, Spoken] | None = None  # taken in before its time
        self._line: deque[tuple[Frame, Utterance | None]] = deque([(SILENCE, None)] * DELAY)
        self._utterances: deque[Utterance] = deque()  # that are not over
        self._events: list[Event] = []
        self._count = 0
        self._shown = self._rest.code
        self._closing: tuple[Tensor, int] | None = None
        unheard = np.zeros((DELAY + 1) * SAMPLES_PER_FRAME, np.float32)
        Hearing(model, VoiceTracker()).push(unheard)  # or the first utterance would wait for what that loads

    def add(self, samples: Float32[np.ndarray, "T"], rate: int) -> int:
        """More of the utterance that has not ended, or the first of a new one; returns its number, from 1 on.

        Raises:
            EGSTalkerError: more than ten minutes would wait, or the utterance has another rate.
        """
        waiting = sum(one.waiting / one.rate for one in self._utterances) + len(samples) / rate
        if waiting > LONGEST_SECONDS:
            raise EGSTalkerError(
                f"{waiting:.0f} s of speech would wait to be said, and {LONGEST_SECONDS} may: give it later, in pieces"
            )
        if not self._utterances or self._utterances[-1].ended:
            if not len(samples):
                return self._count + 1
            self._count += 1
            self._utterances.append(Utterance(self._count, rate))
        current = self._utterances[-1]
        if current.rate != rate:
            raise EGSTalkerError(f"utterance {current.number} has {current.rate} Hz, not {rate}: end it first")
        if len(samples):
            current.add(samples)
        return current.number

    def end(self) -> None:
        """The utterance is complete."""
        if self._utterances:
            self._utterances[-1].ended = True

    def interrupt(self) -> None:
        """Say no more of what was given."""
        self._events += [Event("interrupted", one.number, round(one.played)) for one in self._utterances]
        self._utterances.clear()
        self._line = deque([(SILENCE, None)] * DELAY)
        self._closing = self._shown, 0
        self._hearing = self._next = None

    def prepare(self) -> None:
        """Take in the next frame now, if it is there: the step that needs it is quicker then, and the same."""
        if self._next is None and any(one.waiting for one in self._utterances):
            self._listening()
            frame, utterance = self._take(ahead=True)
            if utterance is not None:
                self._next = frame, utterance, self._hear(frame)

    def step(self) -> Said:
        """The next frame."""
        if self._next is None:
            frame, utterance = self._take()
            self._next = frame, utterance, self._hear(frame)
        (taken, owner, spoken), self._next = self._next, None
        self._line.append((taken, owner))
        frame, utterance = self._line.popleft()
        if self._closing is not None:
            spoken = self._closed(*self._closing, spoken)
        self._shown = spoken.code
        if utterance is not None:
            if not utterance.has_started:
                self._events.append(Event("started", utterance.number, 0))
            utterance.has_started = True
            utterance.under_way -= 1
            utterance.played += frame.milliseconds
        while self._utterances and self._utterances[0].is_over:
            over = self._utterances.popleft()
            self._events.append(Event("finished", over.number, round(over.played)))
        events, self._events = tuple(self._events), []
        return Said(frame.sound, spoken, None if utterance is None else utterance.number, events)

    def _take(self, *, ahead: bool = False) -> tuple[Frame, Utterance | None]:
        for utterance in self._utterances:
            frame = utterance.take(ahead=ahead)
            if frame is not None:
                utterance.under_way += 1
                return frame, utterance
            if not utterance.ended:  # the next one has to wait for the rest of this one
                break
        return SILENCE, None

    def _hear(self, frame: Frame) -> Spoken:
        """The code of the frame that is played now, when this one is taken in."""
        self._silent = self._silent + 1 if frame is SILENCE else 0
        if self._hearing is None and frame is SILENCE:
            return self._rest
        (spoken,) = self._listening().push(frame.heard)
        if self._silent > _ASLEEP:
            self._hearing = None
        return spoken

    def _listening(self) -> Hearing:
        if self._hearing is None:
            self._hearing = Hearing(self._model, self._voice)
            self._hearing.push(np.zeros(DELAY * SAMPLES_PER_FRAME, np.float32))  # the line's
        return self._hearing

    def _closed(self, begun: Tensor, steps: int, spoken: Spoken) -> Spoken:
        """On the way from the code of the interruption to what follows it."""
        shares = [min((steps + later) / CLOSING, 1.0) for later in (1, 2)]
        self._closing = None if shares[0] == 1.0 else (begun, steps + 1)
        now, following = (
            torch.lerp(begun, code, share) for code, share in zip((spoken.code, spoken.following), shares, strict=True)
        )
        return Spoken(now, following)
