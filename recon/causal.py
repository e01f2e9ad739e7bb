"""Smoothness without looking ahead: what the frames so far say about the next.

The batch tracker expects small second differences over time. Of the same costs this is the part that reaches back: the
Gaussian belief about the last two frames, all older ones integrated out, which is a Kalman filter (Kalman 1960). At
the last frame its estimate is that of the batch over all frames up to it, so fast motion is followed without delay.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Belief:
    """What is known of the last K = 0, 1 or 2 frames, P parameters each; the newest last."""

    mean: np.ndarray
    """[K, P] float64."""
    covariance: np.ndarray
    """[K P, K P] float64."""


def nothing(size: int) -> Belief:
    """Before the first frame of a shot, for `size` parameters."""
    return Belief(np.zeros((0, size)), np.zeros((0, 0)))


def predict(belief: Belief, curvature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [P] and precision [P, P] of the next frame; the precision is zero before there are two frames.

    Args:
        belief: about the frames so far.
        curvature: [P] inverse variance of the second difference.
    """
    K, P = belief.mean.shape
    if K < 2:
        return (belief.mean[-1] if K else np.zeros(P)), np.zeros((P, P))
    return 2 * belief.mean[1] - belief.mean[0], np.linalg.inv(_next_covariance(belief, curvature)[P:, P:])


def update(belief: Belief, curvature: np.ndarray, estimate: np.ndarray, information: np.ndarray) -> Belief:
    """The belief after another frame.

    Args:
        belief: before it.
        curvature: [P] as for `predict`.
        estimate: [P] of the frame, with what was predicted taken into account.
        information: [P, P] inverse covariance of what the frame alone shows; positive definite.
    """
    K, P = belief.mean.shape
    own = np.linalg.inv(information)
    if K == 0:
        return Belief(estimate[None], own)
    if K == 1:
        joint = np.zeros((2 * P, 2 * P))
        joint[:P, :P], joint[P:, P:] = belief.covariance, own
        return Belief(np.stack([belief.mean[0], estimate]), joint)
    before = _next_covariance(belief, curvature)
    predicted = 2 * belief.mean[1] - belief.mean[0]
    # The newer of the two frames is corrected by what its successor turned out to be.
    back = np.linalg.solve(before[P:, P:], before[P:, :P]).T
    gain = np.linalg.solve(before[P:, P:] + own, before[P:]).T
    after = before - gain @ before[P:]
    return Belief(np.stack([belief.mean[1] + back @ (estimate - predicted), estimate]), 0.5 * (after + after.T))


def _next_covariance(belief: Belief, curvature: np.ndarray) -> np.ndarray:
    """[2 P, 2 P] of the newest frame and the one to come."""
    P = belief.mean.shape[1]
    old, cross, new = belief.covariance[:P, :P], belief.covariance[:P, P:], belief.covariance[P:, P:]
    out = np.empty((2 * P, 2 * P))
    out[:P, :P] = new
    out[P:, :P] = 2 * new - cross
    out[:P, P:] = out[P:, :P].T
    out[P:, P:] = 4 * new + old - 2 * (cross + cross.T) + np.diag(1 / curvature)
    return out
