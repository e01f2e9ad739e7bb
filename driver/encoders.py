"""Networks that were trained on much speech without labels (wav2vec2, HuBERT), as ears beside the built-in features.

They are brought by the user and loaded through `transformers` (extra `encoders`). The built-in features are causal; these
are not: a frame's code depends on up to `BLOCK + CONTEXT` seconds of sound after it, so that they serve files, not streams.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from avatar3d.errors import UserError
from driver.features import FPS, RATE, SAMPLES, framed, num_frames

BLOCK, CONTEXT = 20, 4
"""Seconds of sound that are encoded at once, and that are heard before and after them."""
_STRIDE, _WINDOW = 320, 400
"""Samples from code to code, and that the first layers see for one: the same in wav2vec2, HuBERT and WavLM."""
_PER_FRAME = SAMPLES // _STRIDE


@dataclass(frozen=True, eq=False)
class Encoder:
    """A network that hears."""

    name: str
    """Folder, or name on the Hugging Face hub."""
    model: nn.Module
    width: int
    """Numbers of a code."""
    silent: Tensor
    """[width] normalised code of silence, which is subtracted: codes of silence are zero."""

    def codes(self, sound: np.ndarray) -> np.ndarray:
        """Codes [num_frames, width] of a 16 kHz sound [samples]: the last layer's, normalised, the mean of the two of a motion frame."""
        frames, padded = num_frames(len(sound)), framed(sound).ravel()
        # As they were trained: zero mean, unit variance.
        padded = (padded - padded.mean()) / np.sqrt(padded.var() + 1e-7)
        parts = []
        for first in range(0, frames, BLOCK * FPS):
            last = min(first + BLOCK * FPS, frames)
            begin, end = max(first - CONTEXT * FPS, 0), min(last + CONTEXT * FPS, frames)
            heard = _normalised(self.model, torch.from_numpy(padded[begin * SAMPLES : end * SAMPLES]).to(self.silent.device)) - self.silent
            parts.append(heard[first - begin : last - begin])
        return torch.cat(parts).cpu().numpy()

    def beside(self, features: np.ndarray, sound: np.ndarray) -> np.ndarray:
        """Features [T, NUM_FEATURES] of a 16 kHz sound with its codes beside them, [T, NUM_FEATURES + width]."""
        return np.concatenate([features, self.codes(sound)], axis=1)


@torch.inference_mode()
def _normalised(model: nn.Module, sound: Tensor) -> Tensor:
    """Normalised codes [T, width] of whole motion frames of sound."""
    margin = (_WINDOW - _STRIDE) // 2
    hidden = model(F.pad(sound, (margin, margin))[None]).last_hidden_state[0]
    return F.layer_norm(hidden, hidden.shape[-1:]).unflatten(0, (-1, _PER_FRAME)).mean(1).clone()


@cache
def load_encoder(name: str, device: str = "cpu") -> Encoder:
    """A wav2vec2, HuBERT or WavLM network, loaded once.

    Args:
        name: folder with its config.json and .safetensors weights, or name on the Hugging Face hub, from where it is downloaded once.
        device: where it hears.

    Raises:
        UserError: `transformers` is not installed, or the network is absent, cannot be downloaded or is of another kind.
    """
    try:
        from transformers import AutoConfig, AutoModel
        from transformers.utils import logging
    except ImportError as error:
        raise UserError(f"encoder {name}: needs transformers; `pip install 'avatar3d[encoders]'`") from error
    logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(name)
        stride = int(np.prod(config.conv_stride))
        # Safetensors only: other formats are pickles, which run what is in them.
        model = AutoModel.from_pretrained(name, config=config, use_safetensors=True).to(device).eval().requires_grad_(False)
    except (OSError, ValueError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"encoder {name}: is not here and cannot be downloaded, or is no wav2vec2, HuBERT or WavLM network with .safetensors weights "
            f"({reason}); give its folder"
        ) from error
    if stride != _STRIDE:
        raise UserError(f"encoder {name}: makes a code every {stride} samples, expected {_STRIDE}; give wav2vec2, HuBERT or WavLM")
    quiet = _normalised(model, torch.zeros(2 * RATE, device=device)).mean(0)
    return Encoder(name, model, len(quiet), quiet)
