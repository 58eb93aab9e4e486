"""MediaPipe's FaceMesh with iris: the 478 points of every face in a picture.

Model and point numbering: Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs"
(2019) and Ablavatski et al., "Real-time Pupil Tracking from Monocular Video for Digital Puppetry" (2020).
"""

from __future__ import annotations

import contextlib
from types import TracebackType

import numpy as np
from jaxtyping import Float32, UInt8

from data_utils.quiet import import_mediapipe, quiet_stderr

NUM_POINTS = 478


class FaceMesh:
    """MediaPipe's FaceMesh with iris over consecutive frames: tracks, and detects anew where the track is lost.

    Use as a context manager; one instance serves one sequence of frames.
    """

    def __init__(self, *, max_faces: int = 1, tracking: bool = True) -> None:
        mediapipe = import_mediapipe()
        with quiet_stderr():
            self._model = mediapipe.solutions.face_mesh.FaceMesh(
                static_image_mode=not tracking, max_num_faces=max_faces, refine_landmarks=True
            )
            self._model.process(np.zeros((64, 64, 3), np.uint8))  # the graph starts, and talks, at its first image
        self._attempts = 2 if tracking else 1
        self._has_seen_a_face = False

    def __enter__(self) -> FaceMesh:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._model.close()

    def faces(self, image: UInt8[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "F 478 3"]:
        """All faces of one RGB image, pixels; F is possibly 0."""
        image = np.ascontiguousarray(image)
        for _ in range(self._attempts):  # where the track is lost in this frame, the second attempt detects
            with contextlib.nullcontext() if self._has_seen_a_face else quiet_stderr():
                detected = self._model.process(image).multi_face_landmarks or ()
            if detected:
                break
        self._has_seen_a_face |= len(detected) > 0
        height, width = image.shape[:2]
        faces = [[(p.x, p.y, p.z) for p in face.landmark] for face in detected]
        return np.asarray(faces, np.float32).reshape(-1, NUM_POINTS, 3) * np.array((width, height, width), np.float32)
