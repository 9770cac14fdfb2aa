"""Renames a class: in the labels, in all other files of a study, and in its models.

The renaming is written to a file first. Every step after that can be repeated, so that a renaming that was killed is
finished when the study is opened.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fewlabel.datastore.catalogue import label_paths
from fewlabel.datastore.classes import StoredLabel, stored_labels
from fewlabel.datastore.submission import assumed
from fewlabel.errors import Refusal
from fewlabel.labels import InvalidNames, UnknownClass, check_names, named_values
from fewlabel.published import save_tensors
from fewlabel.volumes.segments import with_other_names
from fewlabel.workspace import Workspace, read_json, replace_bytes, write_json

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Renaming:
    """An old and a new class name, compared without case."""

    old: str
    new: str

    def __call__(self, name: str) -> str:
        return self.new if _key(name) == _key(self.old) else name

    def keys(self, values: Any) -> Any:
        """A dictionary with the name changed among its keys."""
        return {self(key): value for key, value in values.items()} if isinstance(values, dict) else values

    def named(self, info: Any) -> Any:
        """The info of a label with the name changed where its values are named."""
        if not isinstance(info, dict):
            return info
        changed = {**info, **{key: self.keys(info[key]) for key in ("label_names",) if key in info}}
        if isinstance(info.get("params"), dict):  # of a stored proposal of a model
            changed["params"] = self.named(info["params"])
        if isinstance(info.get("label_info"), list):
            entries = [{**each, "name": self(str(each.get("name")))} for each in info["label_info"]]
            changed["label_info"] = entries
            if info.get("assumed"):
                changed["notes"] = [assumed([each["name"] for each in entries])]
        return changed


def _key(name: str) -> str:
    return name.strip().casefold()


def start_renaming(studies: Path, workspace: Workspace, old: str, new: str) -> None:
    """Check a renaming and write it to a file; :func:`finish_renaming` does it.

    Raises:
        Refusal: (404) neither a class nor a label has the old name; (409) the new one is used already; (400) it is not
            valid; (507) it cannot be written.
    """
    classes, renaming = workspace.classes(), Renaming(old.strip(), new.strip())
    known, same = {_key(name) for name in classes}, _key(old) == _key(new)
    labels = stored_labels(studies, workspace)
    of_labels = {case: _names(label) for case, label in labels.items()}
    if _key(old) not in known and not any(_key(old) in names for names in of_labels.values()):
        there = ", ".join(classes) or "none"
        raise Refusal(f"No class and no label of this study is called {old!r}. Its classes: {there}.", 404)
    if _key(old) in known and _key(new) in known and not same:
        raise Refusal(f"{new!r} is a class of this study already. Two classes cannot be made one.", 409)
    both = [case for case, names in of_labels.items() if not same and {_key(old), _key(new)} <= names]
    if both:
        raise Refusal(f"The label of '{both[0]}' has {old!r} and {new!r}. Two classes cannot be made one.", 409)
    try:
        check_names([renaming(name) for name in classes] or [renaming.new])
        check_names([renaming.new])
    except InvalidNames as error:
        raise Refusal(str(error), 400) from error
    write_json(workspace.renaming, {"old": renaming.old, "new": renaming.new})


def _names(label: StoredLabel) -> set[str]:
    try:
        return {_key(name) for name in named_values(label.named).values()}
    except UnknownClass:
        return set()


def finish_renaming(studies: Path, workspace: Workspace) -> list[str]:
    """Do the renaming that was written to a file; nothing where there is none.

    Returns:
        Lines about what was changed.

    Raises:
        Refusal: (507) something cannot be written; the next call continues.
    """
    asked = read_json(workspace.renaming)
    if not isinstance(asked, dict) or not {"old", "new"} <= asked.keys():
        workspace.renaming.unlink(missing_ok=True)
        return []
    renaming = Renaming(asked["old"], asked["new"])
    said = [*_in_labels(studies, workspace, renaming), *_in_list(studies, workspace, renaming)]
    said += [*_in_state(workspace, renaming), *_in_models(workspace, renaming)]
    classes = workspace.classes()
    changed = [renaming(name) for name in classes]
    if changed != classes:
        workspace.set_classes(changed)
        said.append(f"classes of the study: {', '.join(changed)}")
    workspace.renaming.unlink(missing_ok=True)
    return said


def _in_labels(studies: Path, workspace: Workspace, renaming: Renaming) -> Iterator[str]:
    """Rename in each label, its description, and the label that taking it back would restore."""
    for case, label in stored_labels(studies, workspace).items():
        try:
            before = label.path.read_bytes()
            after = with_other_names(before, renaming)
            _in_undo(workspace.undo / f"{case}.json", renaming, before, after)
        except (EOFError, OSError, ValueError) as error:
            yield f"NOT changed: {label.path}, which cannot be read ({error})"
            continue
        if after != before:
            replace_bytes(label.path, after)
            yield f"label of {case}: {label.path}"


def _in_undo(path: Path, renaming: Renaming, before: bytes, after: bytes) -> None:
    kept = read_json(path)
    if not isinstance(kept, dict):
        return
    changed = dict(kept)
    if kept.get("replaced_by") == hashlib.sha256(before).hexdigest():
        changed["replaced_by"] = hashlib.sha256(after).hexdigest()
    if kept.get("content"):
        content = with_other_names(base64.b64decode(kept["content"]), renaming)
        changed |= {"content": base64.b64encode(content).decode("ascii"), "info": renaming.named(kept.get("info"))}
    changed["sidecar"] = _described(kept.get("sidecar"), renaming)
    if changed != {"sidecar": None, **kept}:
        write_json(path, changed)


def _described(sidecar: Any, renaming: Renaming) -> Any:
    """A label's sidecar; the client's original parameters are not changed."""
    if not isinstance(sidecar, dict):
        return sidecar
    changed = {**sidecar, "info": renaming.named(sidecar.get("info"))}
    return {**changed, "classes": renaming.keys(sidecar["classes"])} if "classes" in sidecar else changed


def _in_list(studies: Path, workspace: Workspace, renaming: Renaming) -> Iterator[str]:
    path = studies / label_paths(studies, workspace.folder)[1]
    listed = read_json(path)
    if not isinstance(listed, dict):
        return
    changed = 0
    for entry in listed.get("objects", {}).values():
        for label in entry.get("labels", {}).values():
            info = renaming.named(label.get("info"))
            changed += info != label.get("info")
            label["info"] = info
    if changed:
        content = json.dumps(listed).encode()
        replace_bytes(path, content)
        yield f"list of cases, {changed} labels: {path}"


def _in_state(workspace: Workspace, renaming: Renaming) -> Iterator[str]:
    """Rename in sidecars, proposals, plan, scores and the history of corrections."""
    for path in sorted(workspace.labels.rglob("*.json")):
        sidecar = read_json(path)
        yield from _write(path, sidecar, _described(sidecar, renaming))
    for path in sorted(workspace.proposals.glob("*.json")):
        handed_out = read_json(path)
        if isinstance(handed_out, dict) and isinstance(handed_out.get("proposals"), list):
            renamed = [_proposal(each, renaming) for each in handed_out["proposals"]]
            yield from _write(path, handed_out, {**handed_out, "proposals": renamed})
    plan, scores, history = (read_json(path) for path in (workspace.plan, workspace.scores, workspace.history))
    if isinstance(plan, dict) and isinstance(plan.get("classes"), list):
        yield from _write(workspace.plan, plan, {**plan, "classes": [renaming(name) for name in plan["classes"]]})
    if isinstance(scores, dict) and isinstance(scores.get("cases"), dict):
        cases = {case: _score(said, renaming) for case, said in scores["cases"].items()}
        yield from _write(workspace.scores, scores, {**scores, "cases": cases})
    if isinstance(history, dict) and isinstance(history.get("entries"), list):
        entries = [{**entry, "dice": renaming.keys(entry.get("dice"))} for entry in history["entries"]]
        yield from _write(workspace.history, history, {**history, "entries": entries})


def _proposal(said: Any, renaming: Renaming) -> Any:
    if not isinstance(said, dict) or not isinstance(said.get("classes"), list):
        return said
    return {**said, "classes": [renaming(str(name)) for name in said["classes"]]}


def _score(said: Any, renaming: Renaming) -> Any:
    if not isinstance(said, dict):
        return said
    by_class = {key: renaming.keys(said[key]) for key in ("classes", "parts") if key in said}
    ranks = {key: _score(said[key], renaming) for key in ("standing", "before") if key in said}
    return {**said, **by_class, **ranks}


def _write(path: Path, before: Any, after: Any) -> Iterator[str]:
    if after != before:
        write_json(path, after)
        yield str(path)


def _in_models(workspace: Workspace, renaming: Renaming) -> Iterator[str]:
    """Rename in the published model, the models put aside, and the checkpoint."""
    for path in (workspace.model, *sorted(workspace.replaced.glob("*.pt")), workspace.checkpoint):
        if not path.exists():
            continue
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            changed = _in_checkpoint(content, renaming) if "identity" in content else _in_model(content, renaming)
        except Exception as error:  # damaged, or of another version: reported where it is used
            yield f"NOT changed: {path}, which cannot be read ({str(error).splitlines()[0][:100]})"
            continue
        if changed:
            save_tensors(path, content)
            yield str(path)


def _in_model(content: dict[str, Any], renaming: Renaming) -> bool:
    plan, card = json.loads(content["plan"]), json.loads(content["card"])
    after = {**plan, "classes": [renaming(name) for name in plan["classes"]]}
    card["validation"] = renaming.keys(card.get("validation"))
    content["plan"], content["card"] = json.dumps(after), json.dumps(card)
    return after != plan


def _in_checkpoint(content: dict[str, Any], renaming: Renaming) -> bool:
    plan = content["identity"]["plan"]
    before, plan["classes"] = plan["classes"], [renaming(name) for name in plan["classes"]]
    return before != plan["classes"]
