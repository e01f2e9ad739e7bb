import sys

import pytest

from avatar3d.errors import UserError
from driver.curves import curves


def test_without_a_folder_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with curves(None) as tell:
        tell(1, {"flow": 1.0})
    assert not list(tmp_path.iterdir())


def test_curves_can_be_read_again(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with curves(tmp_path / "new" / "run") as tell:
        for step in range(3):
            tell(100 * step, {"flow": 1 / (step + 1), "lip": 2.0})
    read = EventAccumulator(str(tmp_path / "new" / "run"))
    read.Reload()
    assert [(event.step, event.value) for event in read.Scalars("flow")] == [(0, 1.0), (100, 0.5), (200, pytest.approx(1 / 3))]
    assert len(read.Scalars("lip")) == 3


def test_a_missing_tensorboard_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError, match=r"pip install 'avatar3d\[tensorboard\]'"), curves(tmp_path):
        pass
