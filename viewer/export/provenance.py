"""What every file says of itself: that it is synthetic, of whom, and with what consent."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version

from avatar3d.avatar import Avatar
from avatar3d.mp4 import SYNTHETIC


@dataclass(frozen=True)
class Provenance:
    """The facts that go into a file's metadata, each one line."""

    synthetic: str
    """That no camera recorded it."""
    subject: str
    """Whose head it is."""
    consent: str
    """What that person agreed to."""
    licence: str
    """What others may do with it."""
    generator: str
    """The program and its version."""

    @property
    def title(self) -> str:
        """For files that have one."""
        return f"avatar3d: {self.subject}"

    @property
    def sentence(self) -> str:
        """All of it, for files that have room for one text."""
        return f"{self.synthetic} Subject: {self.subject}. Consent: {self.consent}."

    def fields(self) -> dict[str, str]:
        """By name, for files that hold pairs."""
        return asdict(self)


FACTS = tuple(field.name for field in fields(Provenance))
"""Names under which files hold them."""


def ascii_lines(facts: dict[str, str]) -> list[str]:
    """`name: text` lines for headers that hold ASCII only; what is not is escaped as in Python."""
    return [f"{name}: {text}".encode("ascii", "backslashreplace").decode() for name, text in facts.items()]


def provenance(avatars: Avatar | Sequence[Avatar], kind: str = "video") -> Provenance:
    """What a file of these avatars says of itself.

    Args:
        avatars: whom it shows.
        kind: what the file is, in a word that follows "synthetic": video, picture, scene, motion.
    """
    shown = [avatars] if isinstance(avatars, Avatar) else avatars

    def of_all(name: str, otherwise: str) -> str:
        return ", ".join(" ".join(str(avatar.metadata.get(name) or otherwise).split()) for avatar in shown)

    return Provenance(
        synthetic=SYNTHETIC.replace("video", kind),
        subject=of_all("subject", "a captured person"),
        consent=of_all("consent", "not recorded"),
        licence=of_all("licence", "not recorded"),
        generator=f"avatar3d {program_version()}",
    )


def program_version() -> str:
    """Of this program, or "from a checkout"."""
    try:
        return version("avatar3d")
    except PackageNotFoundError:
        return "from a checkout"
