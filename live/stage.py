"""A stage: one person in several sessions at once, whose pictures are rendered together, in a process of its own.

All sessions of a stage share one clock and one batch of pictures. A session that nobody watches is heard, but not
rendered.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

from arguments.errors import EGSTalkerError
from live.clock import Clock
from live.moment import Moment
from live.performer import Performer
from live.picture_ring import PictureRing
from live.session import Session
from live.wire import Kind, Message, of_moment, packed, unpacked

Moments = list[tuple[int, Moment]]
"""Of sessions, by their numbers."""


class Stage:
    """The sessions of a performer. Methods may be called from any thread; :meth:`step` from one at a time.

    Args:
        performer: who is shown.
        most: sessions at once.
    """

    def __init__(self, performer: Performer, most: int) -> None:
        self._performer, self._most = performer, most
        self._sessions: dict[int, Session] = {}
        self._watched: set[int] = set()
        self._lock = threading.Lock()

    def open(self, number: int, seed: int) -> None:
        """Begin a session. Raises EGSTalkerError where the stage is full."""
        with self._lock:
            if len(self._sessions) >= self._most:
                raise EGSTalkerError(f"full: {len(self._sessions)} of {self._most} sessions are open; try again later")
            self._sessions[number] = Session(self._performer, seed=seed)

    def close(self, number: int) -> None:
        """End a session, if it is there."""
        with self._lock:
            self._sessions.pop(number, None)
            self._watched.discard(number)

    def watch(self, number: int, *, wanted: bool) -> None:
        """Whether somebody looks at a session."""
        with self._lock:
            (self._watched.add if wanted else self._watched.discard)(number)

    def session(self, number: int) -> Session:
        """One that is open. Raises EGSTalkerError where there is none."""
        with self._lock:
            if number not in self._sessions:
                raise EGSTalkerError(f"there is no session {number}")
            return self._sessions[number]

    def prepare(self) -> None:
        """As :meth:`Session.prepare`, of all."""
        for session in self._all().values():
            session.prepare()

    def step(self, *, picture: bool = True) -> Moments:
        """The next moment of every session."""
        steps = {number: session.advance() for number, session in self._all().items()}
        with self._lock:
            shown = [number for number in steps if picture and number in self._watched]
        pictures = dict(zip(shown, self._performer.pictures([steps[number].look for number in shown]), strict=True))
        return [(number, one.moment(pictures.get(number))) for number, one in steps.items()]

    def skip(self, moments: int) -> None:
        """As :meth:`Session.skip`, of all."""
        for session in self._all().values():
            session.skip(moments)

    def _all(self) -> dict[int, Session]:
        with self._lock:
            return dict(self._sessions)


def run_stage(connection: Connection, make: Callable[[], Performer], most: int) -> None:
    """The whole of a stage's process: it ends when it is told to, or when the server is gone.

    Args:
        connection: to the server.
        make: the performer; called here, for it is not to be sent.
        most: sessions at once.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server's to answer
    sending = threading.Lock()

    def send(message: Message) -> None:
        with sending, suppress(BrokenPipeError, OSError):  # the server has gone: reading ends as well
            connection.send_bytes(packed(message))

    try:
        performer = make()
        stage = Stage(performer, most)
        height, width = performer.size
        ring = PictureRing.create(height * width * 4)
    except EGSTalkerError as error:
        send(Message(Kind.FAILED, about={"why": str(error)}))
        return

    def give(moments: Moments) -> None:
        for number, moment in moments:
            send(of_moment(number, moment, ring))

    clock = Clock(stage, give)
    clock.start()
    send(Message(Kind.READY, about={"width": width, "height": height, "ring": ring.name, "bytes": ring.size}))
    while clock.is_running:
        try:
            if not connection.poll(1.0):
                continue
            message = unpacked(connection.recv_bytes())
        except (EOFError, OSError):
            break
        if message.kind == Kind.STOP:
            break
        try:
            _obey(stage, message)
        except EGSTalkerError as error:
            send(Message(Kind.REFUSED, message.session, {"why": str(error)}))
    if clock.error is not None:
        send(Message(Kind.FAILED, about={"why": f"the renderer failed: {clock.error}"}))


def _obey(stage: Stage, message: Message) -> None:
    number = message.session
    if message.kind == Kind.OPEN:
        stage.open(number, message.about["seed"])
    elif message.kind == Kind.CLOSE:
        stage.close(number)
    elif message.kind == Kind.WATCH:
        stage.watch(number, wanted=message.about["wanted"])
    elif message.kind == Kind.SPEAK:
        stage.session(number).speak(message.body, message.about["rate"])
    elif message.kind == Kind.END:
        stage.session(number).end()
    elif message.kind == Kind.INTERRUPT:
        stage.session(number).interrupt()
