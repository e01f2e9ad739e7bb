"""The expressions of a head as a panel lists them: in groups, left and right together."""

from collections.abc import Sequence
from dataclasses import dataclass

GROUPS = (("Brows", "brow"), ("Eyes", "eye"), ("Cheeks and nose", ("cheek", "nose")), ("Jaw", "jaw"), ("Mouth", "mouth"), ("Tongue", "tongue"))
"""Title, and how the names in it begin."""


@dataclass(frozen=True)
class Entry:
    """One expression."""

    index: int
    """Among the head's expressions."""
    name: str
    partner: int | None
    """Index of the same on the other side of the face."""


def grouped(names: Sequence[str], count: int) -> dict[str, list[Entry]]:
    """Entries by title of their group, in the head's order.

    Args:
        names: of the expressions; empty where the head does not name them.
        count: of expressions.
    """
    if not names:
        return {"Expression components": [Entry(index, f"component {index + 1}", None) for index in range(count)]}
    groups: dict[str, list[Entry]] = {}
    for index, name in enumerate(names):
        title = next((title for title, beginning in GROUPS if name.startswith(beginning)), "Other")
        groups.setdefault(title, []).append(Entry(index, name, _partner(name, names)))
    order = [title for title, _ in GROUPS if title in groups]
    return {title: groups[title] for title in (*order, *(title for title in groups if title not in order))}


def _partner(name: str, names: Sequence[str]) -> int | None:
    for here, there in (("Left", "Right"), ("Right", "Left"), ("_l", "_r"), ("_r", "_l")):
        stem = name.removesuffix(here)
        # jawLeft and mouthLeft say where to, not which side.
        if stem == name or stem in ("jaw", "mouth"):
            continue
        # Eyes look the same way together: one of them towards the nose, the other one away from it.
        stem = stem.replace("LookIn", "LookOut") if "LookIn" in stem else stem.replace("LookOut", "LookIn")
        return list(names).index(stem + there) if stem + there in names else None
    return None


def readable(name: str) -> str:
    """mouthSmileLeft -> "smile left": what the group's title does not say already."""
    words, word = [], ""
    for letter in name:
        if letter.isupper() and word:
            words.append(word)
            word = ""
        word += letter.lower()
    words.append(word)
    return " ".join(words[1:] or words)
