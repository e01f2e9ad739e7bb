"""What an avatar is: head model, motion, Gaussians bound to the head, posing, rasterizers, files, command line."""

__version__ = "0.1.0"
