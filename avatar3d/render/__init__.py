"""Drawing Gaussians."""

from avatar3d.render.rasterizer import Rendered, rasterize

__all__ = ["Rendered", "rasterize"]
