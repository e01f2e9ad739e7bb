"""MediaPipe's face mesh as the landmark detector of the build."""

import numpy as np


def mediapipe_detector():
    """A function from a picture [H, W, 3] uint8 RGB to landmarks [478, 2] in pixels, or None."""
    import mediapipe

    mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True, max_num_faces=1, min_detection_confidence=0.3)

    def detect(image: np.ndarray) -> np.ndarray | None:
        result = mesh.process(np.ascontiguousarray(image))
        if not result.multi_face_landmarks:
            return None
        points = np.array([[point.x, point.y] for point in result.multi_face_landmarks[0].landmark])
        return points * [image.shape[1], image.shape[0]]

    return detect
