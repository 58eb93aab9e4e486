"""The clock that everything runs on: pictures and samples a second, wherever they come from and go to."""

FPS = 25  # video frames a second, of datasets, audio features and films
SAMPLE_RATE = 16_000  # Hz, of the sound that datasets hold and extractors take
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS


def timestamp(seconds: float) -> str:
    """A time as a person looks it up: minutes, seconds and tenths, "1:15.4"."""
    minutes, tenths = divmod(round(seconds * 10), 600)
    return f"{minutes}:{tenths / 10:04.1f}"
