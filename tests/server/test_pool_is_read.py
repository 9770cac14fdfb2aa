"""What the training child really opens: seen by an audit hook in every process of a real server."""

import json
from pathlib import Path

import pytest

from fewlabel.methods import METHODS

HOOK = Path(__file__).parent / "audit"


@pytest.fixture(scope="module")
def trained(serve, volumes, truncated, tmp_path_factory):
    """After one training: (server, rows of the audit log)."""
    folder = tmp_path_factory.mktemp("audit")
    studies = volumes.study(folder / "studies", 6)
    truncated(volumes.write(folder / "whole.nii.gz", volumes.image(7)), studies / "scan_9.nii.gz")
    for number in (2, 3, 4, 5):  # labels of unlabelled cases that nobody may look at
        path = studies / "labels" / "original" / f"scan_{number}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"garbage")
    log = folder / "audit.tsv"
    server = serve(
        studies,
        {"labels": "organ,tumour", "max_steps": "12"},
        {"PYTHONPATH": str(HOOK), "AUDIT_LOG": str(log)},
    )
    for number in (0, 1):
        server.put_label(f"scan_{number}", volumes.truth(studies, number), ["organ", "tumour"])
    server.train()
    assert server.wait_for_training()["status"] == "DONE", server.tail()
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    return server, [(kind, mode, Path(path)) for _, kind, mode, path in rows]


@pytest.fixture(scope="module")
def opened(trained):
    """(mode, path) of what the training child opened."""
    return {(mode, path) for kind, mode, path in trained[1] if kind == "train"}


@pytest.fixture(scope="module")
def stats(trained):
    return trained[0].info()["train_stats"]["fewlabel"]


def test_the_hook_sees_what_the_server_and_its_child_open(trained, opened):
    studies = trained[0].studies
    kinds = {kind for kind, _, path in trained[1] if path.is_relative_to(studies)}
    assert kinds == {"train", "other"}
    for number in (0, 1):
        assert ("read", studies / "labels" / "final" / f"scan_{number}.nii.gz") in opened


def test_every_unlabelled_image_is_read_in_training(trained, opened, stats):
    for number in (2, 3, 4, 5):
        assert ("read", trained[0].studies / f"scan_{number}.nii.gz") in opened
    assert stats["unlabelled"] in (4, 5)  # the damaged one is no case any more where the features met it first
    assert stats["unlabelled_read"] == 4
    known = METHODS[stats["method"]].labelled_terms
    assert any(weight > 0 for term, weight in stats["weights"].items() if term not in known)
    assert stats["published"] is True


def test_no_label_of_an_unlabelled_case_is_opened_in_training(trained, opened):
    labels = trained[0].studies / "labels"
    allowed = {labels / "final" / "scan_0.nii.gz", labels / "final" / "scan_1.nii.gz"}
    assert {path for _, path in opened if path.is_relative_to(labels)} == allowed
    sidecars = trained[0].studies / ".fewlabel" / "labels"
    assert {path.stem for _, path in opened if path.is_relative_to(sidecars)} <= {"scan_0", "scan_1"}


def test_a_damaged_volume_of_the_pool_is_named_whoever_met_it_first_and_the_rest_is_used(trained, stats):
    assert {problem["id"] for problem in stats["problems"]} <= {"scan_9"}
    assert all(problem["reason"].startswith("scan_9.nii.gz is cut short") for problem in stats["problems"])
    (sentence,) = trained[0].info()["scans"]["sentences"]
    assert "scan_9.nii.gz" in sentence
    assert trained[0].info()["scans"]["usable"] == 6


def test_the_child_writes_neither_images_nor_labels_nor_the_list_of_the_datastore(trained, opened):
    studies = trained[0].studies
    written = {path for mode, path in opened if mode == "write" and path.is_relative_to(studies)}
    assert written, "the child writes its progress, so writing is seen"
    own = studies / ".fewlabel"
    assert {path for path in written if not path.is_relative_to(own)} == set()
    assert json.loads((studies / "datastore_v2.json").read_text())["objects"]["scan_0"]["labels"]["final"]
