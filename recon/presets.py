"""How long and how large a fit is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FitPreset:
    """Numbers of a fit; the learning rates are Adam's, in the units of the parameters."""

    gaussians: int
    """On the mesh."""
    loose: int
    """Off the mesh, on carriers: hair and clothes."""
    bases: int
    """Of what follows the head."""
    steps: int
    torso_bases: int = 3
    """Of what follows the torso."""
    batch: int = 4
    half_share: float = 0.4
    """Share of the steps that are taken at half the resolution."""
    free_share: float = 0.05
    """Share of the steps before the bases join in."""
    position_rate: float = 2e-4
    rotation_rate: float = 5e-3
    log_scale_rate: float = 1e-2
    opacity_logit_rate: float = 5e-2
    colour_rate: float = 1e-2
    position_basis_rate: float = 2e-5
    rotation_basis_rate: float = 1e-3
    colour_basis_rate: float = 2e-3
    network_rate: float = 1e-3
    surface: float = 3e-3
    """How strongly Gaussians are held to the mesh: loss, if all were `ON_SURFACE` away from it, times two."""
    refined_from: float = 0.45
    """Share of the steps from which on the tracked motion is corrected along; 1 for never."""
    relocations: tuple[float, ...] = (0.42, 0.5, 0.58, 0.66, 0.74)
    """Shares of the steps at which Gaussians are moved to where most error is left."""
    relocated: float = 0.06
    """Share of the Gaussians that are moved each time."""
    settling: float = 0.1
    """Share of the way by which a Gaussian that no frame shows is drawn to its neighbours, each time."""
    input_noise: float = 0.1
    """Standard deviation added to the normalised inputs of the network, so that unseen poses find it smooth."""


PRESETS: dict[str, FitPreset] = {
    "fast": FitPreset(gaussians=16000, loose=2000, bases=9, steps=1100),
    "balanced": FitPreset(gaussians=20000, loose=2500, bases=9, steps=1800, input_noise=0.2),
    "quality": FitPreset(gaussians=30000, loose=4000, bases=12, torso_bases=4, steps=4000, input_noise=0.2),
}
