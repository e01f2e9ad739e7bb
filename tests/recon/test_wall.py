import numpy as np

from recon.wall import learn_background
from tests.recon.filmed_disc import filmed_disc


def test_the_wall_is_what_was_seen_beside_the_person():
    film = filmed_disc()
    background = learn_background(film, 0, len(film))
    assert background is not None
    known = background.known > 0
    np.testing.assert_allclose(background.rgb[known], film.wall[known], atol=1)
    # It is known beside the disc, behind it where it has passed, and not where it always was.
    assert known[20, 20] and known[128, 60]
    assert not known[128, 125]


def test_a_camera_that_moves_has_no_background():
    assert learn_background(filmed_disc(shake=7), 0, 24) is None
