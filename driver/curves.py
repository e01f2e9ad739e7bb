"""Curves of a training for TensorBoard."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from avatar3d.errors import UserError
from avatar3d.files import check_output

Tell = Callable[[int, Mapping[str, float]], None]
"""Takes a step and what was measured at it, by name."""


@contextmanager
def curves(folder: Path | None) -> Iterator[Tell]:
    """Somebody to tell the figures of each step; they are in the folder when the block ends, and on the way every two minutes.

    Args:
        folder: for `tensorboard --logdir`; a run that goes on adds to what is there. None, and nothing is kept.

    Raises:
        UserError: TensorBoard is not installed, or the folder cannot be made.
    """
    if folder is None:
        yield lambda step, values: None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError("--tensorboard: needs TensorBoard; `pip install 'avatar3d[tensorboard]'`, or leave it out") from error
    check_output(folder / "events")
    with SummaryWriter(str(folder)) as writer:

        def tell(step: int, values: Mapping[str, float]) -> None:
            for name, value in values.items():
                writer.add_scalar(name, value, step)

        yield tell
