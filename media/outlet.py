"""Where pictures and sound can go while they are made: an address says which container and which encoders it takes.

| address | what it is |
|---|---|
| ``rtmp://``, ``rtmps://`` | a streaming service or a media server: FLV with H.264 and AAC |
| ``https://``, ``http://`` | WHIP (RFC 9725), WebRTC's way in |
| ``udp://``, ``tcp://``, ``srt://`` | MPEG-TS with H.264 and AAC; SRT where FFmpeg was built with it |
| ``/dev/videoN`` | a virtual camera of v4l2loopback: pictures alone |
| ``alsa:NAME`` | a sound card, or snd-aloop's virtual one: sound alone |
| ``NAME.ts``, ``.mkv``, ``.mp4`` | a file that can be played while it grows |
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from arguments.errors import EGSTalkerError

_X264 = {"preset": "veryfast", "tune": "zerolatency", "crf": "20", "maxrate": "3000k", "bufsize": "3000k", "g": "50"}
_TS = {"flush_packets": "1"}
WHIP = "whip"  # of live.whip; FFmpeg's muxer of that name is not used
_FILE = "file:"  # or x:y.ts would be a protocol of FFmpeg


@dataclass(frozen=True)
class Outlet:
    """What an address takes."""

    target: str
    """The address, as FFmpeg has it."""
    shown: str
    """The address, as it may be shown: without what gives access to it."""
    container: str
    """FFmpeg's name of the muxer."""
    video: str | None = "libx264"
    """Encoder of the pictures; None: it takes none."""
    audio: str | None = "aac"
    """Encoder of the sound; None: it takes none."""
    channels: str = "mono"
    """Layout of the sound."""
    video_options: dict[str, str] = field(default_factory=lambda: dict(_X264))
    """Of the encoder."""
    options: dict[str, str] = field(default_factory=dict)
    """Of the muxer."""
    is_network: bool = False
    """Whether somebody receives it who may go away and come back."""

    def numbered(self, number: int) -> Outlet:
        """The outlet of another session, from the second on: a file of a name of its own, all else again.

        Example:
            >>> outlet_of("talk.mkv").numbered(2).shown
            'talk-2.mkv'
        """
        if number < 2 or not self.target.startswith(_FILE):
            return self
        path = Path(self.shown)
        name = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
        return replace(self, target=_FILE + name, shown=name)


def outlet_of(address: str, token: str | None = None) -> Outlet:
    """What an address is.

    Args:
        address: one of the table above.
        token: that a WHIP server asks for.

    Raises:
        EGSTalkerError: it is none of them.

    Example:
        >>> outlet_of("rtmp://live.example/app/secret-key").shown
        'rtmp://live.example/...'
    """
    scheme, separator, _ = address.partition("://")
    if separator:
        return _network(address, scheme.lower(), token)
    if re.fullmatch(r"/dev/video\d+", address):
        return Outlet(address, address, "v4l2", video="rawvideo", audio=None, video_options={})
    if address.startswith("alsa:"):
        name = address.removeprefix("alsa:") or "default"
        return Outlet(name, f"alsa:{name}", "alsa", video=None, audio="pcm_s16le", channels="stereo")
    container, options = {
        ".ts": ("mpegts", _TS),
        ".mkv": ("matroska", {"flush_packets": "1"}),
        ".mp4": ("mp4", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    }.get(Path(address).suffix.lower(), ("", {}))
    if not container:
        raise EGSTalkerError(
            f"nothing can be sent to {address!r:.60}; give rtmp://, https:// (WHIP), udp://, srt:// or tcp://, "
            "/dev/videoN, alsa:NAME, or a file that ends in .ts, .mkv or .mp4"
        )
    return Outlet(_FILE + address, address, container, options=options)


def _network(address: str, scheme: str, token: str | None) -> Outlet:
    try:
        parts = urlsplit(address)
        shown = f"{scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}/..."
    except ValueError as error:
        raise EGSTalkerError(f"an address of {scheme}:// is not understood: {error!s:.60}") from error
    if not parts.hostname:
        raise EGSTalkerError(f"an address of {scheme}:// needs a host")
    if scheme in ("rtmp", "rtmps"):
        return Outlet(address, shown, "flv", options={"flush_packets": "1"}, is_network=True)
    if scheme in ("udp", "tcp", "srt"):
        return Outlet(address, shown, "mpegts", options=_TS, is_network=True)
    if scheme in ("http", "https"):
        return Outlet(address, shown, WHIP, options={"authorization": token} if token else {}, is_network=True)
    raise EGSTalkerError(f"nothing can be sent to {scheme!r:.20}://; give rtmp, rtmps, https (WHIP), udp, srt or tcp")
