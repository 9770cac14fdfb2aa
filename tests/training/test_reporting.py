"""Progress only reports: a training does the same with a reporter that forgets everything."""

from __future__ import annotations

import pytest
import torch

from fewlabel.published import read_card
from fewlabel.training import continuous as continuous_module
from fewlabel.training import run as run_module
from fewlabel.training.continuous import ContinuousRun
from fewlabel.training.ongoing_progress import OngoingProgress
from fewlabel.training.progress import Progress
from fewlabel.training.run import Run
from fewlabel.workspace import read_json


class Forgetful:
    """Takes everything and keeps nothing; nobody can ask it for what was reported."""

    def put(self, **fields):
        """Forget these values."""

    def update(self, progress=None, **fields):
        """Forget these values."""

    def fit(self, dice):
        """Forget this Dice."""

    def problem(self, case, reason):
        """Forget this problem."""

    def note(self, text):
        """Forget this sentence."""

    def snapshot(self):
        return dict.fromkeys(("published", "candidate", "phase", "problems", "notes", "learned"))


class ForgetfulProgress(Forgetful, Progress):
    """For a training on request."""


class ForgetfulOngoingProgress(Forgetful, OngoingProgress):
    """For a continuous training."""


def outcome(study):
    """What a training leaves behind that others act on."""
    card, scores = read_card(study.workspace.model), read_json(study.workspace.scores)
    kept = {key: card[key] for key in ("candidate", "validated", "labelled", "method")}
    return kept, sorted(scores["cases"]), read_json(study.workspace.learned) is not None


@pytest.mark.parametrize("kind", [Run, ContinuousRun])
def test_a_training_does_the_same_with_a_reporter_that_forgets_everything(
    make_study, tmp_path_factory, monkeypatch, kind
):
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)  # of this process, for good
    training = "continuous" if kind is ContinuousRun else "on_request"

    def train(forgets):
        study = make_study(3) if not forgets else type(remembered)(tmp_path_factory.mktemp("studies"), 3)
        study.label("a")
        with monkeypatch.context() as patched:
            if forgets:
                patched.setattr(run_module, "Progress", ForgetfulProgress)
                patched.setattr(continuous_module, "OngoingProgress", ForgetfulOngoingProgress)
            settings = study.settings(training=training, publish_minutes=0.01, scoring_minutes=5.0, method="bcp")
            kind(study.workspace, settings, study.store)()
        return study

    remembered = train(False)
    assert outcome(remembered) == outcome(train(True))
    assert outcome(remembered)[1:] == (["b", "c"], kind is ContinuousRun)
