"""The driver's weights as files: safetensors with what one must know about them in the header."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save, save_file
from torch import Tensor

from avatar3d.avatar_file import MAX_DRIVER_BYTES
from avatar3d.data import data_path
from avatar3d.errors import UserError
from avatar3d.files import atomic_path, read_bounded
from avatar3d.head.model import HeadModel
from driver.channels import CHANNELS
from driver.conditions import WIDTHS
from driver.features import NUM_FEATURES
from driver.model import Config, DriverNet

SCHEMA = 3
"""A weights file larger than this is refused."""
LICENCE = "Apache-2.0"
_EXACT = ("mean", "std", "usual_style", "lips_apart")
"""Kept in float32."""


def save_weights(path: Path, state: dict[str, Tensor], config: Config, head: HeadModel, made: str, **more: str) -> None:
    """Write a weights file (`weights_file`).

    Raises:
        UserError: the file cannot be written.
    """
    content = weights_file(state, config, head, made, **more)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def weights_file(state: dict[str, Tensor], config: Config, head: HeadModel, made: str, **more: str) -> bytes:
    """The content of a weights file, with the weights as float16.

    Args:
        state: of the network.
        config: its sizes.
        head: that it was trained for.
        made: how, in a line.
        more: what else its header shall say.
    """
    metadata = {
        "schema": str(SCHEMA),
        "config": json.dumps(config.as_dict()),
        "channels": json.dumps(CHANNELS),
        "features": str(NUM_FEATURES),
        "conditions": json.dumps(WIDTHS),
        "head": head.fingerprint,
        "licence": LICENCE,
        "made": made,
        **more,
    }
    half = {name: (value if name in _EXACT else value.detach().half()).cpu().contiguous() for name, value in state.items()}
    return save(half, metadata)


def load_weights(path: Path | None = None) -> DriverNet:
    """The network of a weights file, by default the one that ships, ready to sample.

    Raises:
        UserError: missing, damaged, or made for other channels or features than this version's.
    """
    path = Path(path) if path is not None else data_path("driver", "driver.safetensors")
    content = read_bounded(path, MAX_DRIVER_BYTES, "give the weights that train-driver wrote, or leave them out for the default ones")
    return network_of(content, str(path))


def network_of(content: bytes, name: str, remedy: str = "make one with `avatar3d train-driver`") -> DriverNet:
    """The network of the content of a weights file, ready to sample.

    Args:
        content: of the file.
        name: what to call it in errors.
        remedy: what to do where it cannot be used.

    Raises:
        UserError: it is damaged, or made for other channels or features than this version's.
    """
    try:
        state = {name: value.float() for name, value in load(content).items()}
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{name}: is not a weights file of the driver; {remedy}") from error
    try:
        if int(metadata["schema"]) != SCHEMA:
            raise UserError(f"{name}: was written by another version of avatar3d; use that version, or {remedy}")
        if (
            tuple(json.loads(metadata["channels"])) != CHANNELS
            or int(metadata["features"]) != NUM_FEATURES
            or json.loads(metadata["conditions"]) != WIDTHS
        ):
            raise UserError(f"{name}: was trained for other channels or features than this version's; {remedy}")
        config = Config(**json.loads(metadata["config"]))
        if not 0 <= config.codes <= 8192:
            raise ValueError("codes out of range")
        if not (0 < config.width <= 2048 and 0 < config.layers <= 64 and config.heads > 0 and config.width % config.heads == 0):
            raise ValueError("sizes out of range")
        net = DriverNet(config)
        net.load_state_dict(state)
        if not all(torch.isfinite(value).all() for value in net.state_dict().values()):
            raise ValueError("values that are not numbers")
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise UserError(f"{name}: is not a complete weights file of the driver; {remedy}") from error
    return net.eval().requires_grad_(False)


def save_checkpoint(
    path: Path, net: DriverNet, average: dict[str, Tensor], optimizer: torch.optim.Optimizer, step: int, spent: float, training: str
) -> None:
    """Everything that training needs to go on; `training` says which training it is."""
    tensors = {f"net.{name}": value for name, value in net.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    metadata = {"step": str(step), "spent": str(spent), "training": training}
    with atomic_path(path) as temporary:
        save_file({name: value.cpu().clone().contiguous() for name, value in tensors.items()}, temporary, metadata)


def load_checkpoint(path: Path, net: DriverNet, average: dict[str, Tensor], optimizer: torch.optim.Optimizer, training: str) -> tuple[int, float]:
    """Restore a checkpoint in place: its step and the seconds spent.

    Raises:
        UserError: it is damaged, or of another training.
    """
    try:
        with safe_open(path, framework="pt") as archive:
            metadata = archive.metadata()
            if metadata["training"] != training:
                raise UserError(f"{path}: is of a training with other options; repeat those, give another -o, or remove it to start again")
            tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
        net.load_state_dict({name[4:]: value for name, value in tensors.items() if name.startswith("net.")})
        for name, value in average.items():
            value.copy_(tensors[f"average.{name}"])
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, index, field = name.split(".")
                state.setdefault(int(index), {})[field] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        return int(metadata["step"]), float(metadata["spent"])
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise UserError(f"{path}: is no checkpoint of this training; remove it to start again") from error
