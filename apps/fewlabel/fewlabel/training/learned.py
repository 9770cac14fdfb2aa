"""Which labels a training had learned when it came to rest, so that the server knows when to start it again."""

from __future__ import annotations

from pathlib import Path

from fewlabel.training.arrivals import Known
from fewlabel.workspace import read_json, remove_file, write_json


class Learned:
    """The labels that a resting training has learned; the training writes them, the server reads them.

    The file exists only while the training rests: the next one removes it at its start.

    Args:
        file: in the workspace.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def labels(self) -> Known | None:
        """The labels that were learned; None where no training rests."""
        labels = read_json(self.file)
        return labels if isinstance(labels, dict) else None

    def write(self, labels: Known) -> None:
        """Remember these labels.

        Raises:
            Refusal: (507) the file cannot be written.
        """
        write_json(self.file, labels)

    def clear(self) -> None:
        """Forget them.

        Raises:
            Refusal: (507) the file cannot be removed.
        """
        remove_file(self.file)
