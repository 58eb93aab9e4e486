"""The clock that everything runs on: pictures and samples a second, wherever they come from and go to."""

FPS = 25  # video frames a second, of datasets, audio features and films
SAMPLE_RATE = 16_000  # Hz, of the sound that datasets hold and extractors take
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
