"""The DICOM code of a class: of SNOMED CT if its name is known there, else one of our own scheme."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

SCHEME = "99FEWLABEL"
"""Coding scheme of classes that SNOMED does not know; DICOM reserves names that begin with 99 for private schemes."""

LONGEST = 64
"""Largest number of characters of a code's meaning and of a segment's label in DICOM."""

# Context groups of DICOM part 16, the first that has a name wins: types of segments -> their category.
_GROUPS = {
    7192: Code("123037004", "SCT", "Anatomical Structure"),
    7194: Code("49755003", "SCT", "Morphologically Abnormal Structure"),
    7191: Code("85756007", "SCT", "Tissue"),
    7197: Code("91720002", "SCT", "Body Substance"),
    7193: Code("260787004", "SCT", "Physical object"),
}
_UNKNOWN = Code("85756007", "SCT", "Tissue")  # Slicer's category of unknown segments
_SIDES = {"left": Code("7771000", "SCT", "Left"), "right": Code("24028007", "SCT", "Right")}
_SPELLINGS = {"tumour": "neoplasm", "tumor": "neoplasm", "oesophagus": "esophagus", "oedema": "edema"}


@dataclass(frozen=True)
class Term:
    """How a segment is coded.

    Attributes:
        category: such as Anatomical Structure.
        type: such as Kidney.
        side: left or right, of a type that has no code of its own for it; else None.

    Examples:
        >>> term("right lung").category.meaning
        'Anatomical Structure'
    """

    category: Code
    type: Code
    side: Code | None = None


def term(name: str) -> Term:
    """The code of a class.

    Args:
        name: of the class; case, blanks, a plural and the usual British spellings do not matter.

    Examples:
        >>> term("left kidney").type.meaning, term("left kidney").side.meaning
        ('Kidney', 'Left')
        >>> term("Left atrium").type.value, term("left atrium").side
        ('82471001', None)
        >>> term("blob").type.scheme_designator
        '99FEWLABEL'
    """
    words = [_SPELLINGS.get(word, word) for word in _words(name)]
    known = _known(words)
    if known:
        return Term(*known)
    for side, rest in ((words[:1], words[1:]), (words[-1:], words[:-1])):
        known = _known(rest) if side and side[0] in _SIDES else None
        if known:
            return Term(*known, _SIDES[side[0]])
    code = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:16]
    return Term(_UNKNOWN, Code(code, SCHEME, name[:LONGEST]))


def _known(words: list[str]) -> tuple[Code, Code] | None:
    """Category and type of a name, in the singular if that alone is known."""
    key = "".join(words)
    return _dictionary().get(key) or _dictionary().get(key.removesuffix("s"))


@lru_cache
def _dictionary() -> dict[str, tuple[Code, Code]]:
    """Name in lower case without blanks -> category and type."""
    found: dict[str, tuple[Code, Code]] = {}
    for number, category in _GROUPS.items():
        group = getattr(codes, f"cid{number}")
        for keyword in group.dir():
            code = getattr(group, keyword, None)  # a keyword with several codes is not used
            if code is not None and code.scheme_designator == "SCT":
                for name in (keyword, code.meaning):
                    found.setdefault("".join(_words(name)), (category, code))
    return found


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name.casefold())
