"""The panel's sentences."""

from types import SimpleNamespace

import pytest

from FewLabelLib.errors import LoginNeeded, NotReachable, Refused, WrongServer
from FewLabelLib.net.capabilities import Capabilities
from FewLabelLib.panel import words
from FewLabelLib.session.case import Submitted
from FewLabelLib.session.loading import Case
from FewLabelLib.session.training import Progress


def server(**state):
    known = {"connecting": False, "capabilities": None, "lost": False, "trouble": None}
    return SimpleNamespace(client=SimpleNamespace(url="http://one"), **{**known, **state})


@pytest.mark.parametrize(
    ("trouble", "begins"),
    [
        (None, "Not connected. Type the address"),
        (NotReachable("Nothing listens there."), "Not reachable. Nothing listens there."),
        (WrongServer("That is a printer."), "Wrong server. That is a printer."),
        (LoginNeeded("Log in."), "Login needed. Log in."),
        (Refused("The server failed.", 500), "Not connected. The server failed."),
    ],
)
def test_why_there_is_no_connection(trouble, begins):
    assert words.connection(server(trouble=trouble), False).startswith(begins)


def test_what_is_there_when_connected():
    fresh = Capabilities(study="liver", counts={"cases": 12, "completed": 1})
    assert words.connection(server(capabilities=fresh), False) == (
        "Connected to liver at http://one: not trained yet; 12 cases, 1 with a label."
    )
    card = {"version": 3, "method": "bcp", "quality": "Dice 0.10 on 1 validation case: do not use it yet."}
    trained = Capabilities(study="liver", segmentation="fewlabel", model=card)
    assert words.connection(server(capabilities=trained), False) == (
        "Connected to liver at http://one: ready; model version 3 (bcp). "
        "Dice 0.10 on 1 validation case: do not use it yet."
    )
    assert words.connection(server(capabilities=trained), True).startswith("Connected to liver at http://one: training")
    assert "go on editing" in words.connection(server(capabilities=trained, lost=True), False)
    assert words.connection(server(connecting=True), False) == "Connecting to http://one ..."
    empty = Capabilities(study="liver", no_scans="There is no usable scan in /studies.")
    assert words.connection(server(capabilities=empty), False).startswith(
        "Connected to liver at http://one: no usable scan"
    )
    broken = Capabilities(study="liver", problem="It is of another version.")
    assert words.connection(server(capabilities=broken), False).startswith(
        "Connected to liver at http://one: the model cannot be used"
    )


def test_a_case_its_reason_and_its_slices():
    chosen = Case("a", "", "", {"reason": "It is unsure.", "slices": {"axial": [3, 6], "coronal": []}}, ready=True)
    assert words.reason(chosen) == "It is unsure."
    assert words.slices(chosen) == "Slices worth looking at: axial 3, 6."
    opened = Case("b", "", "", ready=True, shown="label")
    assert words.case(opened) == "b. The segments are the submitted label."
    assert words.reason(opened) == "You opened it yourself."
    assert words.slices(opened) == words.reason(None) == words.slices(None) == ""


def test_what_came_of_a_submission_flags_first():
    message = words.submitted(
        Submitted("a", 0.9123, {"liver": 0.95, "tumour": None}, ["Left and right."], ["Resampled."])
    )
    assert message.splitlines() == [
        "Please check: Left and right.",
        "'a' is submitted. Dice of the model's proposal and your label: 0.912 (liver 0.950).",
        "Resampled.",
    ]
    assert words.submitted(Submitted("a")) == "'a' is submitted."
    assert "unchanged proposal" in words.submitted(Submitted("a", 1.0, kind="accepted"))


def test_how_far_a_training_is():
    state = {"validation_cases": ["x"], "step": 1200, "method": "bcp", "device": "cpu", "memory": 3 * 2**30}
    running = Progress(running=True, phase="training", seconds_left=200, dice=0.81, state=state)
    assert words.training(running) == "Training; 3 min left; Dice 0.810 on validation cases."
    assert words.training_details(state) == "bcp, on cpu, 3.0 GiB of memory, step 1,200"
    assert words.training(Progress()) == "No training has run yet."
    assert words.training(Progress(), starting=True) == "Starting ..."
    assert words.training(Progress(state=state, phase="done")) == "Last training: done."
    assert words.training(Progress(error="No memory.")) == "Failed. No memory."
    noted = {"notes": ["Started from scratch."], "problems": [{"id": "c", "reason": "Empty."}]}
    assert words.training_details(noted) == "Started from scratch.\nc: Empty."


@pytest.mark.parametrize(
    ("progress", "said"), [(0.53, "step 7"), (0.0035, "step 7 of 2,000"), (None, "step 7 of 2,000"), (0.01, "step 7")]
)
def test_the_steps_of_a_training_never_contradict_its_bar(progress, said):
    assert words.training_details({"step": 7, "steps": 2000, "progress": progress}) == said


def test_how_far_the_cases_are_measured():
    scoring = Progress(
        running=True, phase="scoring cases", share=1.0, seconds_left=65, state={"scored": 2, "to_score": 9}
    )
    assert words.training(scoring) == "Scoring cases; 2 of 9 cases; 65 s left."
    measuring = Progress(running=True, phase="training", share=1.0, state={"step": 5})
    assert words.training(measuring) == "Training; the validation cases are measured."


def test_how_far_an_export_is_and_what_was_verified():
    assert words.export({}, False) == ""
    assert words.export({"state": "running", "step": "It is packed."}, True) == "The server is exporting: It is packed."
    left = {"state": "running", "step": "bundle: it is written.", "seconds_left": 130}
    assert words.export(left, True) == "The server is exporting: bundle: it is written; 2 min left."
    rows = [
        {"format": "bundle", "case": case, "voxels_differing": number, "of": 120}
        for case, number in (("a", 0), ("b", 3))
    ]
    rows.append({"format": "msd", "case": "a (scan)", "voxels_differing": 0, "of": 960})
    done = {"state": "done", "model_version": 2, "formats": ["bundle", "msd"], "results": rows}
    assert words.export(done, True) == "The file is being downloaded."
    assert words.export(done, False).splitlines() == [
        "Model version 2 was exported as bundle, msd. Verified:",
        "bundle: 3 of 120 voxels differ at most, in 2 comparisons.",
        "msd: 0 of 960 voxels differ at most, in 1 comparison.",
    ]
    of_before = {"state": "done", "model_version": 2, "verified": {"case": "a", "voxels_differing": 0, "of": 120}}
    assert words.export(of_before, False).splitlines()[1] == "0 of 120 voxels differ at most, in 1 comparison."
    assert words.export({"state": "done"}, False) == "The study was exported. It was not verified."
    assert words.export({"state": "failed", "error": "Disk full."}, False) == "Failed. Disk full."


def test_numbers_in_words():
    assert [words.duration(seconds) for seconds in (None, 0.2, 60, 600, 9000)] == ["", "1 s", "60 s", "10 min", "2.5 h"]
    assert [words.size(number) for number in (12, 3 * 2**20, 5 * 2**30)] == ["12 bytes", "3 MiB", "5.0 GiB"]
    assert [words.count(number, "case") for number in (1, 1200)] == ["1 case", "1,200 cases"]
    assert words.outlook({"stopping": {"advice": "Go on."}}) == "Go on."
    assert words.outlook({"stopping": None}) == words.outlook({}) == ""


def test_of_a_training_that_goes_on_the_server_s_own_line_is_shown():
    state = {"line": "learning from 5 labels and 80 scans since 14:02; still improving", "training": "continuous"}
    shown = words.training(Progress(running=True, phase="training", state=state))
    assert shown == "Learning from 5 labels and 80 scans since 14:02; still improving."
    failed = {**state, "line": "learnt from 5 labels and 80 scans; stopped by an error: The disk is full"}
    shown = words.training(Progress(running=False, state=failed, error="The disk is full."))
    assert shown == "Learnt from 5 labels and 80 scans; stopped by an error: The disk is full."
