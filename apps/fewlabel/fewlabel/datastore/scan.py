"""Finds the cases among the files of a study's folder and its subfolders, without segmentations beside scans."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fewlabel.datastore.catalogue import name_fault
from fewlabel.datastore.choices import Choices, serves_subfolders
from fewlabel.datastore.companions import companions
from fewlabel.datastore.damaged import Damaged
from fewlabel.datastore.found import COMPANION, NAMED, SUBFOLDER, FolderLog, Found, sum_up
from fewlabel.datastore.headers import Headers
from fewlabel.datastore.ids import id_of
from fewlabel.datastore.walk import REPEATED, File, Passed, Walk
from fewlabel.files import Stamp
from fewlabel.volumes.damage import listen
from fewlabel.volumes.detached import HEADERS
from fewlabel.volumes.inspect import SEGMENTATION, UNREADABLE, Fault
from fewlabel.volumes.reading import EXTENSIONS
from fewlabel.workspace import Workspace

_KINDS = (*EXTENSIONS, *HEADERS)
"""Order of the formats: of two files with the same id, the one with the earlier format is used."""

_PATIENCE = 3.0
"""Seconds for reading headers before the rest is read in the background."""


@dataclass
class Cases:
    """The files of a study, sorted.

    Attributes:
        files: of the cases, by id.
        unusable: (file, reason as a sentence) of scans that cannot be used, by id.
        passed: files that are not served, unusable scans included.
        pending: files, with their ids, whose headers are still to be read.
    """

    files: dict[str, File] = field(default_factory=dict)
    unusable: dict[str, tuple[File, str]] = field(default_factory=dict)
    passed: list[Passed] = field(default_factory=list)
    pending: list[tuple[File, str]] = field(default_factory=list)

    def extensions(self) -> dict[str, str]:
        """Extensions of the files that viewers download, by id."""
        return {case: ".nrrd" if file.is_header else file.extension for case, file in self.files.items()}


class FolderScan:
    """Searches the folder of one study; thread-safe, one thread sorts at a time.

    Args:
        studies: the folder.
        workspace: of the study.
        opened_before: the study has a list of its cases already.
        choices: which files are served.
        read_only: for child processes: write and log nothing.
        never: folders that are not entered, besides workspaces and exports, which are recognised by their content.
    """

    def __init__(
        self, studies: Path, workspace: Workspace, opened_before: bool, choices: Choices, read_only: bool, never: Path
    ) -> None:
        self.studies, self.choices, self._read_only = studies, choices, read_only
        self.cases = Cases()
        self._found: tuple[Cases, Found] | None = None
        self._headers = Headers(studies, workspace.scans, workspace.converted, read_only)
        self._damaged = Damaged(workspace.damaged)
        listen(self)
        self._never = {workspace.folder.resolve(), never.resolve()}
        self._below: Walk | None = None
        self._log = FolderLog()
        self._looking = threading.Lock()
        self.deep = serves_subfolders(choices.subfolders, workspace, opened_before, read_only)

    def sort(self, known: Collection[str], labelled: Collection[str]) -> Cases:
        """Find the files that are cases now.

        Args:
            known: ids that are cases already: they stay, whatever their names.
            labelled: ids with a submitted label: they stay, even if they can no longer be read.
        """
        self._damaged.read()
        walk = self._walk()
        cases = Cases(passed=list(walk.passed))
        named = self._named(walk.files, cases)
        if not self.deep:
            named = list(self._without_subfolders(named, labelled, cases))
        named = list(_without_twins(named, known, cases))
        beside = set() if self.choices.companions else companions(file for file, _ in named)
        for file, case in named:
            self._judge(file, case, file.path in beside, case in known, case in labelled, cases)
        self.cases = cases
        return cases

    def damaged(self, path: Path, seen: Stamp, message: str) -> None:
        """A scan of this study turned out to be damaged when this process read it; other files do not matter."""
        for case, file in self.cases.files.items():
            if file.stamp == seen and os.path.samefile(self.studies / file.path, path):
                self._damaged.put(case, file, message)

    @property
    def has_news(self) -> bool:
        """Whether some process has found a damaged scan since the folder was last sorted."""
        return self._damaged.has_news()

    def look(self) -> None:
        """Read the headers of pending files for as long as a person can wait."""
        with self._looking:
            self._headers.look(self.cases.pending, _PATIENCE)

    def log(self) -> None:
        """Log what is new, and write the verdicts to the workspace."""
        cases = self.cases
        if self._read_only:
            return
        every = [*cases.files.values(), *(file for file, _ in cases.unusable.values())]
        passed = {each.path for each in cases.passed}
        with self._looking:
            self._headers.keep(
                sorted({file.path for file in every} | passed),
                [case for case, file in cases.files.items() if file.is_header],
            )
        self._damaged.keep({**cases.files, **{case: file for case, (file, _) in cases.unusable.items()}})
        self._log.add(cases.passed)
        if not cases.pending:
            self._log.total(self.found(), self.studies)

    def found(self) -> Found:
        """Description of the folder."""
        cases, known = self.cases, self._found
        if known is not None and known[0] is cases:
            return known[1]
        usable = len(cases.files.keys() - cases.unusable.keys() - {case for _, case in cases.pending})
        found = sum_up(self.studies, usable, len(cases.pending), cases.passed, self.choices.made)
        self._found = cases, found
        return found

    def may_change(self, path: str) -> bool:
        """Whether a change of this file's content may make it usable."""
        unusable = [file for file, _ in self.cases.unusable.values()]
        return any(path.endswith(file.path) or file.is_header for file in unusable)

    def file(self, case: str, extension: str) -> Path:
        """The file of a case that viewers download, even if it was added since the folder was last read."""
        file = self.cases.files.get(case)
        if file is None or (file.folder == "." and not file.is_header):
            return self.studies / (case + extension)
        return self._headers.copy_of(case) if file.is_header else self.studies / file.path

    def source(self, case: str) -> Path | None:
        """The file of a case in a subfolder, or the header of a case with two files; None for other cases."""
        file = self.cases.files.get(case)
        return None if file is None or (file.folder == "." and not file.is_header) else self.studies / file.path

    def _walk(self) -> Walk:
        if self.deep:
            return Walk(self.studies, self._never).go()
        walk = Walk(self.studies, self._never).go(deep=False)
        if self._below is None:  # counted once, since they are not served
            self._below = Walk(self.studies, self._never).go()
        flat, known = {file.path for file in walk.files}, set(walk.passed)
        walk.files += [file for file in self._below.files if "/" in file.path and file.path not in flat]
        walk.passed += [each for each in self._below.passed if "/" in each.path and each not in known]
        return walk

    def _named(self, files: list[File], cases: Cases) -> list[tuple[File, str]]:
        """Each file with its id.

        Of several files with one id, the usable one that was there first, so that a label stays with its scan; else
        one directly in the folder, and the first by format.
        """

        def rank(file: File) -> tuple:
            kind = _KINDS.index(file.extension.lower())
            return self._headers.rank(file.path), "/" in file.path, file.stem, kind, file.path

        named: dict[str, File] = {}
        for file in sorted(files, key=rank):
            case = id_of(file.stem)
            if name_fault(case):
                cases.passed.append(Passed(file.path, NAMED, name_fault(case)))
            elif case in named:
                cases.passed.append(Passed(file.path, NAMED, f"{case} is {named[case].path}"))
            else:
                named[case] = file
        return sorted(((file, case) for case, file in named.items()), key=lambda each: ("/" in each[0].path, each[1]))

    def _without_subfolders(
        self, named: Iterable[tuple[File, str]], labelled: Collection[str], cases: Cases
    ) -> Iterator[tuple[File, str]]:
        for file, case in named:
            if "/" in file.path and case not in labelled:
                cases.passed.append(Passed(file.path, SUBFOLDER))
            else:
                yield file, case

    def _judge(self, file: File, case: str, beside: bool, known: bool, labelled: bool, cases: Cases) -> None:
        """Add one file to the list that it belongs to."""
        stays = known or labelled
        if beside and not stays:
            cases.passed.append(Passed(file.path, COMPANION))
            return
        verdict = self._headers.verdict(file, case)
        if verdict is None:
            cases.pending.append((file, case))
            if stays:
                cases.files[case] = file
            return
        fault = verdict.fault
        if fault is not None and fault.kind == SEGMENTATION:
            if not stays and not self.choices.companions:
                cases.passed.append(Passed(file.path, COMPANION))
                return
            fault = None
        if fault is None and (why := self._damaged.why(case, file)):
            fault = Fault(UNREADABLE, why)
        if fault is not None:
            cases.passed.append(Passed(file.path, fault.kind))
            cases.unusable[case] = (file, fault.message)
        if fault is None or labelled:
            cases.files[case] = file


def _without_twins(named: list[tuple[File, str]], known: Collection[str], cases: Cases) -> Iterator[tuple[File, str]]:
    """Of several links to one file, the first and those that were cases before; the order is kept."""
    first: dict[tuple[int, int], str] = {}
    for file, case in sorted(named, key=lambda each: each[1] not in known):
        if file.identity[1]:
            first.setdefault(file.identity, case)
    for file, case in named:
        twin = first.get(file.identity, case)
        if twin != case and case not in known:
            cases.passed.append(Passed(file.path, REPEATED, f"the same file as {twin}"))
        else:
            if twin != case:
                cases.passed.append(Passed(file.path, REPEATED, f"the same file as {twin}; both stay cases"))
            yield file, case
