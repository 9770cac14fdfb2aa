"""The advice to stop labelling, on played rounds whose end is known."""

import pytest

from experiments.rounds import stopping
from experiments.rounds.simulate import Annotation
from experiments.rounds.stopping import judge, stopping_table
from fewlabel.workspace import write_json

SIZES = tuple(range(2, 25, 2))
ROW = Annotation("random", "bcp", 0, SIZES, seconds=9.0, measured=SIZES)


def played(dice_of, seed=0):
    """An outcome whose proposals and test cases have this Dice with so many labels."""
    names = [f"c{number}" for number in range(SIZES[-1])]
    rounds = [{"labels": size, "labelled": names[:size], "dice": dice_of(size)} for size in SIZES]
    history = [
        {"case": case, "first": True, "labels": n, "mean": dice_of(n) if n else None, "kind": "corrected"}
        for number, case in enumerate(names)
        for n in [number // 2 * 2]
    ]
    return {"row": {**ROW.to_dict(), "seed": seed}, "rounds": rounds, "history": history, "whole": True}


def steep(size):
    return 0.95 - 0.9 * size**-0.5  # five labels more are worth 0.02 even in the end


def flat(size):
    return 0.85 if size >= 4 else 0.8


def test_no_advice_comes_while_labels_still_help():
    found = judge("data", played(steep))
    assert found.stop is None
    assert found.last == 24


def test_where_labels_no_longer_help_the_rest_would_have_been_saved():
    found = judge("data", played(lambda size: 0.85))
    assert 8 <= found.stop < 24
    assert found.lost == 0
    assert found.enough == 2


def test_what_would_have_been_enough_never_falls_behind_later():
    dip = {2: 0.85, 4: 0.85, 6: 0.7}
    assert judge("data", played(lambda size: dip.get(size, 0.85))).enough == 8
    assert judge("data", played(flat)).enough == 4


def test_the_advice_knows_only_the_labels_of_its_round(monkeypatch):
    seen = []

    def recorded(entries):
        seen.append(len(entries))
        return {}

    monkeypatch.setattr(stopping, "expected_gain", recorded)
    judge("data", played(steep))
    assert seen == list(SIZES[:-1])


@pytest.fixture
def folder(tmp_path):
    write_json(tmp_path / "experiment.json", {"data": "/somewhere/hippocampus"})
    for seed, curve in enumerate((steep, lambda size: 0.85)):
        write_json(tmp_path / "outcomes" / f"{seed}.json", played(curve, seed))
    return tmp_path


def test_the_table_counts_runs_and_one_sentence_sums_up(folder):
    table, sentence = stopping_table([folder]).split("\n\n")
    lines = table.splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[-1].startswith("| hippocampus | bcp, random | 2 | 1 | 1 |")
    assert sentence.startswith("In 2 runs the advice to stop came before the end in 1, 1 of these within 0.005 Dice")


def test_where_nobody_was_advised_to_stop_it_says_so(folder):
    (folder / "outcomes" / "1.json").unlink()
    assert "saved nothing and cost nothing" in stopping_table([folder])


def test_rounds_that_are_not_over_do_not_count(folder):
    for file in (folder / "outcomes").iterdir():
        file.unlink()
    write_json(folder / "outcomes" / "half.json", {**played(steep), "whole": False})
    assert "There is no run that is over" in stopping_table([folder])
