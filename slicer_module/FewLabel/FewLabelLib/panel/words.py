"""The panel's sentences, made from the session. No widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Optional

from ..errors import LoginNeeded, NotReachable, WrongServer
from ..session.case import Submitted
from ..texts import training as texts

if TYPE_CHECKING:
    from ..session.connection import Connection
    from ..session.loading import Case
    from ..session.training import Progress

NOT_CONNECTED = "Not connected. Type the address of a MONAI Label server and press Connect."
SHOWN = {
    "model": "The segments are the model's proposal: correct them, then submit.",
    "label": "The segments are the submitted label.",
    "draft": "The segments are your own edits, which were not submitted yet.",
    "": "There is no proposal: paint the segments, then submit.",
}
BYTES = 1024.0


def count(number: int, noun: str) -> str:
    """``1 case``, ``2 cases``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: Optional[float]) -> str:
    """``about 3 minutes``; "" where it is not known."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def size(number: float) -> str:
    """The size of a file, in words."""
    for unit in ("bytes", "KiB", "MiB"):
        if number < BYTES:
            return f"{number:.0f} {unit}"
        number /= BYTES
    return f"{number:.1f} GiB"


def number(value: Optional[float]) -> str:
    """A Dice or a score as text; "" where there is none."""
    return "" if value is None else f"{value:.3f}"


def connection(connection: Connection, training: bool) -> str:
    """State of the connection."""
    url = connection.client.url if connection.client is not None else ""
    if connection.connecting:
        return f"Connecting to {url} ..."
    if connection.capabilities is None:
        return _why_not(connection.trouble)
    if connection.lost:
        return f"Not reachable: {url}. It is tried again automatically; you can go on editing."
    return _online(connection.capabilities, url, training)


def _why_not(trouble: Optional[Exception]) -> str:
    if trouble is None:
        return NOT_CONNECTED
    for kind, called in ((NotReachable, "Not reachable"), (WrongServer, "Wrong server"), (LoginNeeded, "Login needed")):
        if isinstance(trouble, kind):
            return f"{called}. {trouble}"
    return f"Not connected. {trouble}"


def _online(capabilities: Any, url: str, training: bool) -> str:
    if training:
        state = "training"
    elif capabilities.no_scans:
        state = "no usable scan"
    elif capabilities.problem:
        state = "the model cannot be used"
    else:
        state = "ready" if capabilities.trained else "not trained yet"
    counts = capabilities.counts
    parts = [f"Connected to {capabilities.study or capabilities.name or 'server'} at {url}: {state}"]
    if counts.get("cases"):
        parts.append(f"{count(counts['cases'], 'case')}, {counts.get('completed', 0):,} with a label")
    model = capabilities.model
    if model:
        parts.append(f"model version {model.get('version')} ({model.get('method')})")
    return "; ".join(parts) + "." + _quality(model)


def _quality(model: Optional[Dict[str, Any]]) -> str:
    """The server's sentence about its model: the Dice, the number of cases, and a warning if needed."""
    return f" {model['quality']}" if model and model.get("quality") else ""


def case(case: Optional[Case]) -> str:
    """The current case, and where its segments come from."""
    if case is None:
        return "No case is open."
    return f"{case.id}. {SHOWN[case.shown]}" if case.ready else f"{case.id} ..."


def reason(case: Optional[Case]) -> str:
    """Why it was chosen."""
    if case is None:
        return ""
    return case.reason or "You opened it yourself." if case.ready else ""


def slices(case: Optional[Case]) -> str:
    """The slices worth looking at."""
    found = [] if case is None else [(axis, numbers) for axis, numbers in case.slices.items() if numbers]
    parts = [f"{axis} {', '.join(str(each) for each in numbers)}" for axis, numbers in found]
    return f"Slices worth looking at: {'; '.join(parts)}." if parts else ""


def submitted(result: Submitted) -> str:
    """The server's response to a label, flags first."""
    lines = [f"Please check: {flag}" for flag in result.flags]
    if result.correction is None:
        lines.append(f"'{result.case}' is submitted.")
    else:
        by_class = ", ".join(f"{name} {number(value)}" for name, value in result.by_class.items() if value is not None)
        dice = number(result.correction)
        agreed = f"'{result.case}' is submitted. Dice of the model's proposal and your label: {dice}"
        lines.append(f"{agreed} ({by_class})." if by_class else f"{agreed}.")
    if result.kind == "accepted":
        lines.append("It is the model's unchanged proposal: it is used for training, but not for validation.")
    return "\n".join([*lines, *result.notes])


def training(progress: Progress, starting: bool = False) -> str:
    """Progress of the training."""
    if starting:
        return "Starting ..."
    line = str(progress.state.get("line") or "")
    if line:  # continuous training: the line comes from the server
        return f"{line[:1].upper()}{line[1:]}."
    if not progress.running:
        if progress.error:
            return f"Failed. {progress.error}"
        return f"Last training: {progress.phase}." if progress.state else "No training has run yet."
    parts = [progress.phase[:1].upper() + progress.phase[1:] if progress.phase else "Running"]
    left = duration(progress.seconds_left)
    if left:
        parts.append(f"{left} left")
    elif progress.share >= 1 and progress.phase == "training":
        parts.append(texts.MEASURING)
    if progress.state.get("to_score") and progress.phase == "scoring cases":
        parts.insert(1, f"{progress.state.get('scored') or 0:,} of {count(progress.state['to_score'], 'case')}")
    if progress.dice:
        kind = "validation cases" if progress.state.get("validation_cases") else "training labels"
        parts.append(f"Dice {number(progress.dice)} on {kind}")
    return "; ".join(parts) + "."


def training_details(state: Dict[str, Any]) -> str:
    """Method, device, memory and numbers of cases; then the server's notes."""
    parts = [str(state[name]) for name in ("method", "network") if state.get(name)]
    if state.get("device"):
        parts.append(f"on {state['device']}")
    if isinstance(state.get("memory"), (int, float)) and state["memory"]:
        parts.append(f"{size(state['memory'])} of memory")
    if state.get("step"):
        parts.append(f"step {state['step']:,}{_of(state)}")
    if state.get("labelled") is not None:
        parts.append(f"{state['labelled']} labelled, {state.get('unlabelled', 0)} unlabelled")
    lines = [", ".join(parts)] if parts else []
    lines += [str(note) for note in state.get("notes") or []]
    problems = [each for each in state.get("problems") or [] if isinstance(each, dict)]
    lines += [f"{each.get('id')}: {each.get('reason')}" for each in problems]
    return "\n".join(lines)


def _of(state: Dict[str, Any]) -> str:
    """The total of the steps, unless it contradicts the bar: a training that ends by time never takes all of them."""
    steps = state.get("steps")
    if not steps or round(100 * state["step"] / steps) != round(100 * float(state.get("progress") or 0.0)):
        return ""
    return f" of {steps:,}"


def outlook(history: Dict[str, Any]) -> str:
    """The server's sentence about the gain from more labels."""
    return str((history.get("stopping") or {}).get("advice") or "")


def pool(state: Dict[str, Any]) -> str:
    """Progress of *Label all*; then where the expected Dice comes from."""
    done, of = state.get("done") or 0, state.get("of") or 0
    if state.get("state") == "running":
        left = f", about {duration(state['seconds_left'])} left" if state.get("seconds_left") is not None else ""
        return f"Label all: {done:,} of {count(of, 'scan')}{left}."
    if not done:
        return ""
    without = f" {count(state['left_out'], 'scan')} could not be read." if state.get("left_out") else ""
    have = f"{done:,} of {count(of, 'unlabelled scan')} have a proposal.{without}"
    return f"{have}\n{state.get('calibration') or ''}".strip()


def export(state: Dict[str, Any], running: bool) -> str:
    """Progress of the export, and the result of the verification."""
    name = state.get("state", "none")
    if name == "running":
        left = duration(state.get("seconds_left"))
        step = str(state.get("step") or "started").rstrip(".")
        return f"The server is exporting: {step}{f'; {left} left' if left else ''}."
    if name == "failed":
        return f"Failed. {state.get('error') or ''}".strip()
    if name != "done":
        return ""
    if running:
        return "The file is being downloaded."
    version, formats = state.get("model_version"), ", ".join(state.get("formats") or [])
    what = f"Model version {version}" if version else "The study"
    message = f"{what} was exported{f' as {formats}' if formats else ''}."
    rows = state.get("results") or [each for each in [state.get("verified")] if each]
    if not rows:
        return f"{message} It was not verified."
    return "\n".join([f"{message} Verified:", *_compared(rows)])


def _compared(rows: List[Dict[str, Any]]) -> List[str]:
    """A line for each format: in how many voxels it differs from the study, over how many comparisons."""
    lines = []
    for name in dict.fromkeys(row.get("format") or "" for row in rows):
        own = [row for row in rows if (row.get("format") or "") == name]
        worst = max(own, key=lambda row: row.get("voxels_differing") or 0)
        voxels = f"{worst.get('voxels_differing')} of {worst.get('of')} voxels differ at most"
        lines.append(f"{f'{name}: ' if name else ''}{voxels}, in {count(len(own), 'comparison')}.")
    return lines
