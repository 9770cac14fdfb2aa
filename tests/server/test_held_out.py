"""Through a real training process: the scans and labels of a held-out domain are never opened."""

from pathlib import Path

import pytest

HOOK = Path(__file__).parent / "audit"
SOUTH = (1, 4, 5)  # of six scans; 1 has a label


@pytest.fixture(scope="module")
def opened(serve, volumes, tmp_path_factory):
    """After a training with the south held out: (the studies' folder, paths that the training process opened)."""
    folder = tmp_path_factory.mktemp("held_out")
    studies = volumes.study(folder / "studies", 6)
    domains = [f"scan_{number},{'south' if number in SOUTH else 'north'}" for number in range(6)]
    (studies / "domains.csv").write_text("\n".join(["id,domain", *domains]))
    log = folder / "audit.tsv"
    asked = {"setting": "generalisation", "target": "south", "labels": "organ,tumour", "max_steps": "12"}
    server = serve(studies, asked, {"PYTHONPATH": str(HOOK), "AUDIT_LOG": str(log)})
    for number in (0, 1):
        server.put_label(f"scan_{number}", volumes.truth(studies, number), ["organ", "tumour"])
    server.train()
    assert server.wait_for_training()["status"] == "DONE", server.tail()
    stats = server.info()["train_stats"]["fewlabel"]
    assert (stats["labelled"], stats["unlabelled"], stats["problems"]) == (1, 2, [])
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    return studies, {Path(path) for _, kind, _, path in rows if kind == "train"}


def test_scans_and_labels_of_the_other_domains_are_opened(opened):
    studies, paths = opened
    assert {studies / f"scan_{number}.nii.gz" for number in (0, 2, 3)} <= paths
    assert studies / "labels" / "final" / "scan_0.nii.gz" in paths


def test_no_scan_and_no_label_of_the_held_out_domain_is_opened(opened):
    names = {f"scan_{number}" for number in SOUTH}
    assert not {path for path in opened[1] if path.name.split(".")[0] in names}
