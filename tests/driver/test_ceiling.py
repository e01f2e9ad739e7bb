"""The reference of real speech is near exact truth, and no nearer than it is."""

import numpy as np
import pytest

from driver.ceiling import ceiling
from driver.channels import NUM_CHANNELS
from driver.figures import ruler_of


def test_alignment_finds_most_of_what_the_exact_times_say(head, lips):
    pytest.importorskip("pocketsphinx")
    pytest.importorskip("espeakng_loader")
    row, aligned = ceiling(ruler_of(head, lips, np.ones(NUM_CHANNELS, np.float32)), count=4)
    assert 2 <= aligned <= 4
    assert 0.7 < row["jaw_r"][0] < 1 and 0.6 < row["rounding_r"][0] < 1
    assert 0.2 < row["lve_mm"][0] < 2.5 and row["closure_recall"][0] > 0.7
