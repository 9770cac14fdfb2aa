"""One planted fault: a text of the package, what stands there instead, and the test that must fail then."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class FaultNotPlanted(RuntimeError):
    """A fault does not fit today's source; the message says which and what to do."""


class Fault(NamedTuple):
    """A mistake that somebody could make.

    Attributes:
        name: says what is wrong, in a few words; unique.
        file: within the package ``fewlabel``; one of the panel begins with its library's name, ``FewLabelLib``.
        old: text that stands there exactly once.
        new: what replaces it.
        test: node id of the test that must catch it, from the top of the repository.
    """

    name: str
    file: str
    old: str
    new: str
    test: str

    @property
    def of_panel(self) -> bool:
        """Whether it is planted in the panel's library, not in the app's package."""
        return self.file.startswith("FewLabelLib/")

    @property
    def called(self) -> str:
        """Its file, with the package's name."""
        return self.file if self.of_panel else f"fewlabel/{self.file}"

    def planted(self, source: str) -> str:
        """The source of the file with the fault in it.

        Raises:
            FaultNotPlanted: the text is not found exactly once.
        """
        found = source.count(self.old)
        if found != 1:
            raise FaultNotPlanted(
                f"'{self.name}': its text is found {found} times in {self.called} and must be found once. "
                "Bring the fault up to date with the source."
            )
        return source.replace(self.old, self.new)

    def plant(self, package: Path) -> None:
        """Change the file in a copy of the package, or of the panel's folder. Raises as ``planted``."""
        path = package / self.file
        if not path.is_file():
            raise FaultNotPlanted(f"'{self.name}': there is no file {self.called}. Name the file that has it now.")
        path.write_text(self.planted(path.read_text(encoding="utf-8")), encoding="utf-8")
