"""What viewers show as epochs of a training that goes on, and its notes."""

from __future__ import annotations

from fewlabel.training.ongoing_progress import ROUND, OngoingProgress


def test_what_is_said_of_the_labels_is_true_of_the_present_ones_alone(tmp_path):
    progress = OngoingProgress(tmp_path / "progress.json", notes=["All 3 labels."])
    progress.note("Went on.")
    progress.note_labels("All 3 labels.")
    assert progress.snapshot()["notes"] == ["All 3 labels.", "Went on."]
    for number in (4, 5):
        progress.note_labels(f"All {number} labels.")
    assert progress.snapshot()["notes"] == ["Went on.", "All 5 labels."]
    progress.note_labels("1 of 6 validates.")
    progress.note_labels("")
    assert progress.snapshot()["notes"] == ["Went on."]


def test_epochs_are_rounds_that_begin_anew_and_are_never_zero(tmp_path):
    progress = OngoingProgress(tmp_path / "progress.json")
    shown = []
    for share in (0.0, 0.5, 1.0, 0.0, 0.3):
        progress.update(share)
        shown.append((progress.snapshot()["epoch"], progress.snapshot()["total_epochs"]))
    assert shown == [(1, ROUND), (50, ROUND), (100, ROUND), (1, ROUND), (30, ROUND)]


def test_an_update_between_two_steps_moves_nothing(tmp_path):
    progress = OngoingProgress(tmp_path / "progress.json")
    progress.update(0.4)
    progress.update(phase="scoring cases")
    assert progress.snapshot()["epoch"] == 40


def test_only_the_last_notes_are_kept(tmp_path):
    progress = OngoingProgress(tmp_path / "progress.json")
    for number in range(100):
        progress.note(str(number))
    assert progress.snapshot()["notes"][-1] == "99"
    assert len(progress.snapshot()["notes"]) < 20
    progress.note("95")
    assert progress.snapshot()["notes"].count("95") == 1
    assert progress.snapshot()["notes"][-1] == "95"
