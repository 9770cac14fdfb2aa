"""One run of a task in the real worker: which files of the target it opens, counted and by their absence."""

import json

import pytest

from experiments.domains import command


@pytest.fixture(autouse=True)
def no_task_is_dropped(monkeypatch):
    """Whatever the references come to in two steps."""
    monkeypatch.setattr(command, "LEAST_GAP", -2.0)


@pytest.fixture
def outcome(tmp_path):
    """Callable (task, key) giving the cases that were measured; removes the outcome, so that it is made again."""

    def read(task, key):
        file = tmp_path / "out" / task / "outcomes" / f"{key}.json"
        cases = json.loads(file.read_text())["cases"]
        file.unlink()
        return cases

    return read


def files(tmp_path, kind, *cases):
    return [tmp_path / "out" / "data" / "vendors" / kind / f"{case}.nii.gz" for case in cases]


def test_adaptation_never_reads_a_label_of_the_target(options, here, loaders, run, outcome, tmp_path):
    given = options("bcp", "--tasks", "vendor-adaptation")
    run(given)
    first = outcome("vendor-adaptation", "bcp-all-0")
    *references, adapted = loaders
    assert [loader.labelled.read for loader in references] == [{"a_01", "a_02"}, {"d_01", "d_02"}]
    assert not any(loader.unlabelled.records for loader in references)
    assert adapted.labelled.read == {"a_01", "a_02"}
    assert adapted.unlabelled.read == {"d_01", "d_02"}
    assert adapted.sampling.pairs
    for label in files(tmp_path, "labels", "d_01", "d_02"):
        label.write_bytes(b"no label")
    run(given)
    assert outcome("vendor-adaptation", "bcp-all-0") == first


def test_generalisation_opens_no_file_of_the_target_but_to_measure(options, here, loaders, run, outcome, tmp_path):
    given = options("bcp", "--tasks", "vendor-generalisation")
    run(given)
    first = outcome("vendor-generalisation", "bcp-all-0")
    method = loaders[-1]
    assert method.labelled.read == {"a_01", "b_01", "c_01"}
    assert method.unlabelled.read <= {"a_02", "b_02", "c_02"}
    assert method.sampling.pairs
    for path in [path for kind in ("images", "labels") for path in files(tmp_path, kind, "d_01", "d_02")]:
        path.write_bytes(b"not opened")
    run(given)
    assert outcome("vendor-generalisation", "bcp-all-0") == first
