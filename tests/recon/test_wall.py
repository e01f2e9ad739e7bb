import numpy as np

from recon.wall import learn_wall
from tests.recon.filmed_disc import filmed_disc


def _looks(film) -> np.ndarray:
    return np.stack([np.dstack([film.image(i), film.matte(i)]) for i in range(len(film))])


def test_the_wall_is_what_was_seen_beside_the_person():
    film = filmed_disc()
    wall = learn_wall(_looks(film))
    known = wall[..., 3] > 0
    np.testing.assert_allclose(wall[known][:, :3].astype(int), film.wall[known], atol=1)
    # It is known beside the disc, behind it where it has passed, and not where it always was.
    assert known[20, 20] and known[128, 60]
    assert not known[128, 125]


def test_a_camera_that_moves_has_no_wall():
    assert not learn_wall(_looks(filmed_disc(shake=7))).any()
