"""Sentences about edits: what is kept, what is asked first, what is locked."""

from __future__ import annotations

from typing import Sequence

KEPT = "Your label is kept as a draft on this computer; nothing is lost."
NO_CASE = "No case is open."
SUBMITTING = "The label is just being submitted: wait a moment."
NOT_CONNECTED = "There is no connection to a server: connect first."
NOTHING_TO_UNDO = "There is no submission that could be taken back."
STAYS = "The case stays open. Try again, or press Discard my edits."


NO_PROPOSAL_LEFT = "There is no other proposal to look at: press Label all, or wait for it."
NOT_ACCEPTABLE = "Only an unchanged proposal of Label all can be accepted: submit the label instead."
REJECTED = "the proposal was rejected"


def kept(case: str) -> str:
    """Said when another case is loaded over edits."""
    return f"Your edits of '{case}' are kept on this computer. Double-click '{case}' in the list of cases to go on."


def not_kept(why: str) -> str:
    """Said when edits could not be written."""
    return f"The edits could not be kept as a draft. {why}"


def discard(case: str) -> str:
    """Asked before edits are removed."""
    return f"Discard your edits of '{case}'? The case is loaded again without them. This cannot be undone."


def discarded(case: str) -> str:
    """Said after edits were removed."""
    return f"Your edits of '{case}' were discarded."


def not_discarded(case: str) -> str:
    """Said when the case could not be loaded again as it was."""
    return f"Your edits of '{case}' were not discarded: open the case again to see them."


def nothing_of(classes: Sequence[str]) -> str:
    """Asked before a label without any voxel is submitted."""
    return f"Nothing of {', '.join(classes)} in this scan?"


def taken_back(case: str, state: str, shown: bool) -> str:
    """Said after a submission was taken back."""
    back = " Your segments are as you submitted them." if shown else ""
    return f"The last submission of '{case}' was taken back; it is {state}.{back}"


def locked(names: Sequence[str], put_back: Sequence[str]) -> str:
    """Which segments are locked, and what the last edit would have changed in them."""
    if not names:
        return ""
    text = f"Locked: {', '.join(names)}. Editing other segments does not change {'it' if len(names) == 1 else 'them'}."
    if put_back:
        text += f"\nYour last edit reached into {', '.join(put_back)}: those voxels were put back."
    return text


def lock(name: str, is_locked: bool) -> str:
    """The button for the selected segment."""
    return f"{'Unlock' if is_locked else 'Lock'} {name}" if name else "Lock"
