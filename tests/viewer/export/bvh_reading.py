"""A BVH reader that shares nothing with the writer: hierarchy and frames to joint transforms."""

import math
import re
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Node:
    """A joint, or the end of a bone."""

    name: str
    offset: list[float] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    parent: "Node | None" = None


def read_bvh(text: str) -> tuple[list[Node], np.ndarray, float]:
    """Joints in the order of the file, numbers [T, channels] and seconds of a frame."""
    head, motion = text.split("MOTION\n")
    words, nodes, open_nodes = head.split()[1:], [], []
    at = 0
    while at < len(words):
        word = words[at]
        if word in ("ROOT", "JOINT", "End"):
            node = Node(words[at + 1], parent=open_nodes[-1] if open_nodes else None)
            nodes += [] if word == "End" else [node]
            at += 2
        elif word == "{":
            open_nodes.append(node)
            at += 1
        elif word == "}":
            open_nodes.pop()
            at += 1
        elif word == "OFFSET":
            open_nodes[-1].offset = [float(value) for value in words[at + 1 : at + 4]]
            at += 4
        elif word == "CHANNELS":
            count = int(words[at + 1])
            open_nodes[-1].channels = words[at + 2 : at + 2 + count]
            at += 2 + count
        else:
            raise ValueError(f"unexpected {word}")
    assert not open_nodes
    count = int(re.search(r"Frames: (\d+)", motion)[1])
    seconds = float(re.search(r"Frame Time: (\S+)", motion)[1])
    rows = np.array([[float(value) for value in line.split()] for line in motion.splitlines()[2:]])
    assert rows.shape == (count, sum(len(node.channels) for node in nodes))
    return nodes, rows, seconds


def transforms(nodes: list[Node], row: np.ndarray) -> dict[str, np.ndarray]:
    """World transform [4, 4] of every joint in one frame: offset or position, then the rotations in the channels' order."""
    world, at = {}, 0
    for node in nodes:
        T = np.eye(4)
        T[:3, 3] = node.offset
        for channel in node.channels:
            value, axis = row[at], "XYZ".index(channel[0])
            at += 1
            step = np.eye(4)
            if channel.endswith("position"):
                T[axis, 3] = value
                continue
            c, s = math.cos(math.radians(value)), math.sin(math.radians(value))
            i, j = (axis + 1) % 3, (axis + 2) % 3
            step[i, i], step[i, j], step[j, i], step[j, j] = c, -s, s, c
            T = T @ step
        world[node.name] = T if node.parent is None else world[node.parent.name] @ T
    return world
