"""A study whose truth is known: what a played clinician labels from."""

from dataclasses import dataclass, field
from pathlib import Path

from fewlabel.volumes.reading import split_extension


@dataclass
class Study:
    """One study on disk.

    Attributes:
        images: folder that is given to the server.
        truth: case -> file of its reference label.
        classes: class name -> its value in the truth files.
        hard: case -> what makes it hard (generated scans only).
    """

    images: Path
    truth: dict[str, Path]
    classes: dict[str, int]
    hard: dict[str, str] = field(default_factory=dict)

    def image(self, case: str) -> Path:
        """File of a case's image."""
        return next(path for path in self.images.iterdir() if split_extension(path.name)[0] == case)
