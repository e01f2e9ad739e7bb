"""Least squares whose unknowns keep within bounds, row by row: one frame costs no more alone than among others, so that it can be done live."""

import numpy as np
from numba import njit

_SETTLED = 1e-5
"""Change of a sweep after which a row is solved; weights are 0 to 1."""


def bounded_least_squares(gram: np.ndarray, right: np.ndarray, lower: np.ndarray, upper: np.ndarray, sweeps: int = 400) -> np.ndarray:
    """x [T, C] that minimise x' gram x / 2 - right' x within bounds, for many right-hand sides [T, C] at once.

    What has no bounds is eliminated; the rest goes by coordinate descent from the clipped unbounded solution, and only in the rows
    that break a bound.

    Args:
        gram: [C, C] positive definite.
        right: [T, C].
        lower: [C], -inf where there is no bound.
        upper: [C].
        sweeps: at most, over all coordinates.
    """
    x = np.linalg.solve(gram, right.T).T
    held = np.isfinite(lower) | np.isfinite(upper)
    broken = np.flatnonzero(((x < lower - 1e-9) | (x > upper + 1e-9)).any(axis=1))
    if not len(broken):
        return x
    eliminated = np.linalg.solve(gram[np.ix_(~held, ~held)], np.c_[gram[np.ix_(~held, held)], right[broken][:, ~held].T])
    across, alone = eliminated[:, : held.sum()], eliminated[:, held.sum() :]
    reduced = np.ascontiguousarray(gram[np.ix_(held, held)] - gram[np.ix_(held, ~held)] @ across)
    goal = np.ascontiguousarray((right[broken][:, held].T - gram[np.ix_(held, ~held)] @ alone).T)
    y = np.ascontiguousarray(np.clip(x[broken][:, held], lower[held], upper[held]))
    _descend(reduced, goal, lower[held], upper[held], y, sweeps)
    x[np.ix_(broken, held)] = y
    x[np.ix_(broken, ~held)] = (alone - across @ y.T).T
    return x


@njit(cache=True, nogil=True)
def _descend(gram: np.ndarray, right: np.ndarray, low: np.ndarray, high: np.ndarray, x: np.ndarray, sweeps: int) -> None:
    """Coordinate descent on each row of x [T, C], in place: every coordinate goes to its best place within its bounds, until none moves."""
    for row in range(len(x)):
        for _ in range(sweeps):
            change = 0.0
            for index in range(len(gram)):
                slope = right[row, index]
                for other in range(len(gram)):
                    slope -= gram[index, other] * x[row, other]
                new = min(max(x[row, index] + slope / gram[index, index], low[index]), high[index])
                change = max(change, abs(new - x[row, index]))
                x[row, index] = new
            if change < _SETTLED:
                break
