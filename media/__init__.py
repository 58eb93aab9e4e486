"""Pictures, video and sound, in and out: PyAV and OpenCV's codecs are used here and nowhere else."""
