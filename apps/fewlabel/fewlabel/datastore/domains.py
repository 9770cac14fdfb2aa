"""Finds out which domain (scanner, site, protocol) each image of a study comes from."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fewlabel.datastore.ids import id_of
from fewlabel.errors import Refusal
from fewlabel.files import ReadAgain
from fewlabel.volumes.reading import split_extension

FILE = "domains.csv"
_COLUMNS = ("id", "domain")
_LONGEST = 64  # characters of a domain's name
_EXAMPLES = 3  # names in a message
_FORM = 'It needs a first line "id,domain" and then one line for each scan, such as "case_001,scanner A".'
_LAYOUT = re.compile(r"images(tr|ts|va|val)", re.IGNORECASE)
"""Names of image folders of nnU-Net and the Medical Segmentation Decathlon: they say nothing about a scan."""


@dataclass(frozen=True)
class Domains:
    """The domains of a study.

    Attributes:
        of: domain by image id; images whose domain is not known are not in it.
        source: where the domains come from, a phrase; "" where there are none.
        notes: sentences about scans without a domain and entries without a scan.
    """

    of: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The domains in alphabetical order."""
        return sorted(set(self.of.values()))

    def count(self, cases: Iterable[str]) -> dict[str, int]:
        """How many of these cases each domain has; cases without a domain are not counted."""
        counts = dict.fromkeys(self.names, 0)
        for case in cases:
            if case in self.of:
                counts[self.of[case]] += 1
        return counts


class DomainFinder:
    """Finds domains, in this order: in ``domains.csv``, by a pattern in the ids, by the names of subfolders.

    Args:
        studies: folder of the images, and of ``domains.csv``.
        pattern: regular expression that is searched in each id; its first group is the domain, without a group all
            that it matches. None: no pattern.
    """

    def __init__(self, studies: Path, pattern: str | None) -> None:
        self._file, self._pattern = studies / FILE, pattern
        self._listed: ReadAgain[dict[str, str] | None] = ReadAgain(read_domains, lambda: None)

    def __call__(self, folders: Mapping[str, str]) -> Domains:
        """The domains as the files are now.

        Args:
            folders: folder of each image, by id, relative to the studies, parts separated by "/"; "" or "." for none.

        Raises:
            Refusal: (422) ``domains.csv`` cannot be used; the message says why and what to do.
        """
        listed = self._listed(self._file)
        if listed is not None:
            return _from_file(listed, folders)
        if self._pattern is not None:
            found = {case: domain for case in folders if (domain := matched(self._pattern, case))}
            hint = f"the pattern {self._pattern} finds none in the id"
            return Domains(found, f"the pattern {self._pattern} in the ids", _without(folders, found, hint))
        return _from_folders(folders)


def read_domains(path: Path) -> dict[str, str]:
    """Domains by id, or by path relative to the folder of the scans, as a CSV file lists them.

    Comma, semicolon or tab separate the columns, of which there may be others; UTF-8.

    Raises:
        Refusal: (422) the file cannot be used; the message says why, in which line, and what to do.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(f"{path} is not text in UTF-8: save it as CSV UTF-8.", 422) from error
    except OSError as error:
        raise Refusal(f"{path} cannot be read ({error.strerror}): make it readable, or remove it.", 422) from error
    head = text.partition("\n")[0]
    delimiter = next((sign for sign in ";\t" if sign in head), ",")
    rows = csv.reader(text.splitlines(), delimiter=delimiter, strict=True)
    found: dict[str, str] = {}
    try:
        columns = _columns(path, next(rows, []))
        for row in rows:
            if any(cell.strip() for cell in row):
                case, domain = _entry(path, rows.line_num, row, columns)
                if found.setdefault(case, domain) != domain:
                    both = f"both '{found[case]}' and '{domain}'"
                    raise Refusal(f"{path}, line {rows.line_num}: '{case}' is in {both}. Remove one of them.", 422)
    except csv.Error as error:
        raise Refusal(f"{path}, line {rows.line_num}: {error}. {_FORM}", 422) from error
    if not found:
        raise Refusal(f"{path} names no scan. {_FORM} Or remove the file.", 422)
    return found


def _columns(path: Path, head: list[str]) -> tuple[int, int]:
    """Numbers of the columns of the id and of the domain."""
    names = [name.strip().casefold() for name in head]
    for name in _COLUMNS:
        if names.count(name) != 1:
            how = "twice" if name in names else "not"
            raise Refusal(f"The first line of {path} has the column '{name}' {how}. {_FORM}", 422)
    return names.index(_COLUMNS[0]), names.index(_COLUMNS[1])


def _entry(path: Path, line: int, row: list[str], columns: tuple[int, int]) -> tuple[str, str]:
    values = [row[column].strip() if column < len(row) else "" for column in columns]
    for name, value in zip(_COLUMNS, values, strict=True):
        if not value:
            raise Refusal(f"{path}, line {line}: the {name} is missing. Write one, or remove the line.", 422)
    if len(values[1]) > _LONGEST or not values[1].isprintable():
        raise Refusal(
            f"{path}, line {line}: the domain must be a name of at most {_LONGEST} printable characters. Shorten it.",
            422,
        )
    return values[0], values[1]


def matched(pattern: str, case: str) -> str:
    """The domain that a pattern finds in an id; "" for none."""
    found = re.search(pattern, case)
    return "" if found is None else (found[1] if found.re.groups else found[0]) or ""


def _from_file(listed: Mapping[str, str], folders: Mapping[str, str]) -> Domains:
    found, unknown = {}, []
    for name, domain in listed.items():
        case = name if name in folders else id_of(split_extension(name)[0] or name)
        if case in folders:
            found[case] = domain
        else:
            unknown.append(name)
    notes = list(_without(folders, found, f"add them to {FILE}"))
    if unknown:
        notes.append(f"{FILE} names {_some(unknown)}, which this study does not have: check the ids.")
    return Domains(found, FILE, tuple(notes))


def _from_folders(folders: Mapping[str, str]) -> Domains:
    """The uppermost subfolders in which the scans differ, unless there are so many that each is one patient's."""
    paths = {case: _parts(folder) for case, folder in folders.items()}
    while paths and len({parts[:1] for parts in paths.values()}) == 1 and next(iter(paths.values())):
        paths = {case: parts[1:] for case, parts in paths.items()}
    found = {case: parts[0] for case, parts in paths.items() if parts}
    names = set(found.values())
    if len(names) < 2 or 2 * len(names) > len(found):
        return Domains()
    return Domains(found, "the names of subfolders", _without(folders, found, "they lie beside the subfolders"))


def _parts(folder: str) -> tuple[str, ...]:
    return tuple(part for part in folder.split("/") if part not in ("", ".") and not _LAYOUT.fullmatch(part))


def _without(folders: Collection[str], found: Collection[str], what: str) -> tuple[str, ...]:
    """A note about the scans without a domain, if there are any."""
    missing = sorted(set(folders) - set(found))
    return (f"No domain is known of {_some(missing)}: {what}.",) if missing else ()


def _some(names: list[str]) -> str:
    """``a, b, c and 4 more``."""
    more = f" and {len(names) - _EXAMPLES} more" if len(names) > _EXAMPLES else ""
    return ", ".join(names[:_EXAMPLES]) + more
