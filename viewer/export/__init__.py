"""Writing avatars and motions for other programs."""
