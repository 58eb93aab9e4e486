"""WHIP (RFC 9725): a session goes to a streaming service or a media server by WebRTC.

Offer and answer are one POST; what the service calls the stream is deleted at the end.
"""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from contextlib import suppress
from urllib.parse import urljoin, urlsplit

import numpy as np
from aiortc import RTCPeerConnection, RTCSessionDescription

from arguments.errors import EGSTalkerError, one_line
from live.moment import Moment
from live.webrtc import PictureTrack, SoundTrack
from media.outlet import Outlet

OPEN_SECONDS = 20.0  # for the answer, and for the connection after it
LONGEST_SECONDS = 5.0  # of sound that has not gone, after which the receiver is lost
_LARGEST = 1 << 20  # bytes of an answer


class WhipOutput:
    """One way out, with the calls of :class:`live.output_process.OutputProcess`. All of it is for the event loop.

    Args:
        outlet: where to; its option ``authorization`` is a bearer token.
        size: height and width of the pictures; they say so themselves.
    """

    def __init__(self, outlet: Outlet, size: tuple[int, int]) -> None:
        self._outlet = outlet
        self._peer, self._sound, self._pictures = RTCPeerConnection(), SoundTrack(), PictureTrack()
        self._peer.addTrack(self._pictures)
        self._peer.addTrack(self._sound)
        for transceiver in self._peer.getTransceivers():
            transceiver.direction = "sendonly"
        self._peer.on("connectionstatechange", self._changed)
        self._decided = asyncio.Event()
        self._resource: str | None = None
        self._ending: asyncio.Future[None] | None = None

    async def open(self) -> None:
        """Connect. Raises EGSTalkerError where the service does not answer, or will not have it."""
        await self._peer.setLocalDescription(await self._peer.createOffer())
        try:
            answer = await asyncio.to_thread(self._post, self._peer.localDescription.sdp)
            await self._peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            await asyncio.wait_for(self._decided.wait(), OPEN_SECONDS)
        except (TimeoutError, asyncio.TimeoutError):
            raise EGSTalkerError(f"{self._outlet.shown} cannot be opened: no connection comes about") from None
        except urllib.error.HTTPError as error:
            raise EGSTalkerError(f"{self._outlet.shown} cannot be opened: HTTP {error.code}") from error
        except Exception as error:  # aiortc raises whatever it stumbles over in a foreign text
            why = one_line(getattr(error, "reason", None) or error)
            raise EGSTalkerError(f"{self._outlet.shown} cannot be opened: {why:.100}") from error
        if self._peer.connectionState != "connected":
            raise EGSTalkerError(f"{self._outlet.shown} cannot be opened: no connection comes about")

    async def write(self, frame: int, sound: np.ndarray, picture: np.ndarray | None) -> None:
        """Send one frame's time. Raises EGSTalkerError where the receiver is gone, or takes nothing."""
        if self._peer.connectionState != "connected":
            raise EGSTalkerError(f"{self._outlet.shown} was lost: the connection has ended")
        rgb = None if picture is None else np.ascontiguousarray(picture[..., :3])
        moment = Moment(frame, sound, rgb, None, ())
        self._sound.put(moment)
        self._pictures.put(moment)
        if self._sound.waiting * 0.04 > LONGEST_SECONDS:
            raise EGSTalkerError(f"{self._outlet.shown} takes nothing for {LONGEST_SECONDS:.0f} s")

    async def close(self) -> None:
        """End the stream."""
        self.kill()
        if self._ending is not None:
            await self._ending

    def kill(self) -> None:
        """End it without waiting."""
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._end())

    async def _end(self) -> None:
        self._sound.end()
        self._pictures.end()
        await self._peer.close()
        if self._resource is not None:
            with suppress(OSError):
                await asyncio.to_thread(self._delete, self._resource)

    def _changed(self) -> None:
        if self._peer.connectionState not in ("new", "connecting"):
            self._decided.set()

    def _post(self, offer: str) -> str:
        request = self._request("POST", self._outlet.target, offer.encode())
        with urllib.request.urlopen(request, timeout=OPEN_SECONDS) as response:
            place = urljoin(self._outlet.target, response.headers.get("Location", ""))
            if urlsplit(place).scheme in ("http", "https") and place != self._outlet.target:
                self._resource = place
            return str(response.read(_LARGEST).decode())

    def _delete(self, resource: str) -> None:
        with urllib.request.urlopen(self._request("DELETE", resource), timeout=2):
            pass

    def _request(self, method: str, address: str, body: bytes | None = None) -> urllib.request.Request:
        request = urllib.request.Request(address, body, method=method)
        if body is not None:
            request.add_header("Content-Type", "application/sdp")
        same_host = urlsplit(address).netloc == urlsplit(self._outlet.target).netloc
        if "authorization" in self._outlet.options and same_host:
            request.add_unredirected_header("Authorization", f"Bearer {self._outlet.options['authorization']}")
        return request
