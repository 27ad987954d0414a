import numpy as np

from talkface.inference.panel import face_window
from talkface.landmarks.mean_face import MEAN_FACE


def test_window_is_square_even_inside_and_holds_the_face():
    for height, width, scale, centre in [
        (512, 512, 100, (256, 200)),
        (301, 999, 90, (60, 150)),
        (120, 80, 40, (40, 50)),
    ]:
        landmarks = (scale * MEAN_FACE + centre).astype(np.float32)
        rows, columns = face_window((height, width), landmarks)
        side = rows.stop - rows.start
        assert side == columns.stop - columns.start and side % 2 == 0
        assert rows.start >= 0 and columns.start >= 0 and rows.stop <= height and columns.stop <= width
        mouth = landmarks[48:68]
        assert (mouth[:, 0] >= columns.start).all() and (mouth[:, 0] < columns.stop).all()
