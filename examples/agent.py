#!/usr/bin/env python3
"""Makes a head that ./live.sh serves say a WAV file, as a voice agent would: ``agent.py speech.wav [ws://host:port/ws]``.

Needs the package websockets alone.
"""

import asyncio
import base64
import json
import sys
import wave

import websockets

PIECE = 0.1  # seconds of sound in a message


async def speak(path, address):
    with wave.open(path) as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            sys.exit(f"{path} is not mono 16-bit PCM")
        rate, pcm = file.getframerate(), file.readframes(file.getnframes())
    size = 2 * int(rate * PIECE)
    async with websockets.connect(address) as head:
        for start in range(0, len(pcm), size):
            audio = base64.b64encode(pcm[start : start + size]).decode()
            await head.send(json.dumps({"type": "speak", "audio": audio, "rate": rate}))
        await head.send(json.dumps({"type": "speak_end"}))  # {"type": "interrupt"} would be silent at once
        async for text in head:
            event = json.loads(text)
            print(event)
            if event["type"] in ("finished", "error", "closed"):
                return


if __name__ == "__main__":
    asyncio.run(speak(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "ws://127.0.0.1:8010/ws"))
