"""What the routes say about a study and its cases."""

import os
import shutil
import sys

import pytest

from fewlabel.export.table import EXPORTS
from fewlabel.methods import METHODS
from fewlabel.quality import quality
from fewlabel.selection.leases import LEASE
from fewlabel.service import overview, routes
from fewlabel.service.colours import colour
from fewlabel.study import DEFAULT_STRATEGY
from fewlabel.workspace import write_json

# --- the study


def test_a_new_study_is_described_before_there_is_anything(service):
    answer = service.get("study")
    assert {key: answer[key] for key in ("version", "name", "classes", "model", "problem", "training")} == {
        "version": 1,
        "name": "studies",
        "classes": [],
        "model": None,
        "problem": None,
        "training": None,
    }
    assert answer["counts"] == {"cases": 5, "submitted": 0, "validation": 0, "in_work": 0, "unlabelled": 5}
    assert [each["name"] for each in answer["methods"]] == list(METHODS)
    assert all(each["description"] for key in ("methods", "strategies", "exports") for each in answer[key])
    assert answer["default_method"] in METHODS
    assert answer["strategies"][0]["name"] == DEFAULT_STRATEGY
    assert [each["name"] for each in answer["exports"]] == list(EXPORTS)
    assert answer["device"] in answer["devices"]


def test_domains_are_in_the_description_and_in_the_list_of_cases(service):
    assert service.get("study")["domains"] is None
    assert {case["domain"] for case in service.cases().values()} == {None}
    listed = service.study.studies / "domains.csv"
    listed.write_text("id,domain\na,north\nb,south\nc,south\n")
    service.submit("b")
    answer = service.get("study")["domains"]
    assert answer["domains"] == [
        {"name": "north", "scans": 1, "labelled": 0},
        {"name": "south", "scans": 2, "labelled": 1},
    ]
    assert (answer["source"], answer["problem"]) == ("domains.csv", "")
    assert answer["notes"] == ["No domain is known of d, e: add them to domains.csv."]
    domains = {name: case["domain"] for name, case in service.cases().items()}
    assert domains == {"a": "north", "b": "south", "c": "south", "d": None, "e": None}
    info = service.study.describe_scans({"description": "what it does"})
    assert info["domains"] == answer
    assert "north (1 scan, 0 with a label)" in info["description"]


def test_a_file_of_domains_that_breaks_later_is_a_sentence_and_the_rest_is_answered(service):
    (service.study.studies / "domains.csv").write_text("id\na\n")
    assert "has the column 'domain' not" in service.get("study")["domains"]["problem"]
    assert service.cases()["a"]["domain"] is None
    assert "has the column 'domain' not" in service.study.describe_scans({})["description"]


def test_the_published_model_is_described_and_read_again_only_when_it_changed(service, monkeypatch):
    read, times = overview.read_card, []
    monkeypatch.setattr(overview, "read_card", lambda path: (times.append(path), read(path))[1])
    service.publish()
    for _ in range(3):
        model = service.get("study")["model"]
    assert model.pop("time") > 0
    assert model.pop("quality") == quality(service.card).sentence
    assert model.pop("doubtful")
    assert model == {key: service.card[key] for key in model}
    assert len(times) == 1
    service.publish(version=4)
    assert service.get("study")["model"]["version"] == 4


def test_a_damaged_model_is_reported_and_the_rest_is_answered(service):
    service.workspace.model.write_bytes(b"no model")
    answer = service.get("study")
    assert answer["model"] is None
    assert "cannot be loaded" in answer["problem"]
    service.publish(labelled=None)
    assert "train again" in service.get("study")["problem"]


def test_a_training_is_reported_as_in_info(service):
    write_json(service.workspace.progress, {"phase": "done", "epoch": 3, "losses": {"dice": 0.4}})
    assert service.get("study")["training"] == {"phase": "done", "epoch": 3, "losses": {"dice": 0.4}}


def test_colours_are_distinct_and_stay_when_classes_are_added(open_service):
    few = open_service("few", {"labels": "liver,spleen"}).get("study")["classes"]
    more = open_service("more", {"labels": "liver,spleen,tumour"}).get("study")["classes"]
    assert few == more[:2]
    assert [(each["name"], each["value"]) for each in more] == [("liver", 1), ("spleen", 2), ("tumour", 3)]
    many = [colour(index) for index in range(150)]
    assert len(set(many)) == 150
    assert all(0 <= part <= 255 for each in many for part in each)


# --- the cases


def test_every_state_is_shown_and_the_counts_agree(service):
    for name in "ab":
        service.submit(name)
    write_json(service.workspace.pools, {"validation": ["b", "e"], "trained": ["a"]})
    service.study.leases.give(["c", "a"])
    cases = service.cases()
    states = {"a": "submitted", "b": "validation", "c": "in_work", "d": "unlabelled", "e": "unlabelled"}
    assert {name: case["state"] for name, case in cases.items()} == states
    assert service.counts() == {"cases": 5, "submitted": 1, "validation": 1, "in_work": 1, "unlabelled": 2}
    assert cases["b"]["file"] == "b.nrrd"
    assert cases["a"]["submitted"] == service.store.get_label_info("a", "final")["ts"]
    assert (cases["c"]["served"], cases["d"]["served"], cases["d"]["submitted"]) == (1e9, None, None)
    service.now += LEASE + 1
    assert service.cases()["c"]["state"] == "unlabelled"


def test_the_kind_of_each_submitted_label_is_shown(service):
    for name, kind in (("a", "accepted"), ("b", None)):
        service.submit(name, kind=kind)
    path = service.store.get_label_uri("a", "final")
    shutil.copyfile(path, os.path.join(os.path.dirname(path), "c.nii.gz"))
    service.store.save_label("d", path, "original", {})
    service.store.refresh()
    found = {name: (case["kind"], case["kind_unknown"]) for name, case in service.cases().items()}
    expected = {"a": ("accepted", False), "b": ("drawn", False), "c": ("drawn", True)}
    assert found == expected | dict.fromkeys("de", (None, False))


def test_without_a_model_no_case_has_a_score(service):
    answer = service.get("cases")
    assert answer["model_version"] is None
    for case in answer["cases"]:
        assert {case[key] for key in ("score", "uncertain_class", "rank", "slices", "correction")} == {None}
        assert case["flags"] == []


def test_scores_are_shown_with_their_rank_among_the_cases_without_a_label(service):
    scored = {name: {"score": score, "classes": {"organ": 0.1, "tumour": score}} for name, score in
              zip("abcd", (0.9, 0.3, 0.7, 0.3), strict=True)}  # fmt: skip
    scored["c"]["slices"] = {"axial": [3, 5], "coronal": [], "sagittal": [1]}
    write_json(service.workspace.scores, {"version": 7, "done": 4, "of": 5, "cases": scored})
    service.submit("a")
    answer, cases = service.get("cases"), service.cases()
    assert answer["model_version"] == 7
    assert {name: case["rank"] for name, case in cases.items()} == {"a": None, "b": 2, "c": 1, "d": 2, "e": None}
    assert (cases["a"]["score"], cases["e"]["score"]) == (0.9, None)
    assert cases["c"]["uncertain_class"] == "tumour"
    assert cases["c"]["slices"] == {"axial": [3, 5], "coronal": [], "sagittal": [1]}


def test_damaged_files_of_the_workspace_leave_the_list_of_cases_as_it_is(service):
    for path in (service.workspace.pools, service.workspace.scores):
        for content in ("[1]", "no json"):
            path.write_text(content)
            assert len(service.get("cases")["cases"]) == 5


@pytest.fixture
def opened():
    """Paths of the files that are opened from now on; a hook cannot be removed again, only be switched off."""
    paths, watching = [], [True]

    def note(event, arguments):
        if watching and event == "open":
            paths.append(str(arguments[0]))

    sys.addaudithook(note)
    yield paths
    watching.clear()


def test_ten_thousand_cases_are_listed_without_opening_their_files(service, opened):
    objects = service.store.entries.objects
    service.submit("a")
    write_json(service.workspace.scores, {"version": 1, "cases": {"a": {"score": 0.5}}})
    entry = objects["b"]
    service.store.entries.replace({**service.store.entries.objects, **{f"x{n}": entry for n in range(10_000)}})
    service.get("cases")
    opened.clear()
    assert len(service.get("cases")["cases"]) == 10_005
    assert service.counts()["cases"] == 10_005
    number, names = (
        len(opened),
        {os.path.basename(path) for path in opened if path.startswith(str(service.study.studies))},
    )
    assert "pools.json" in names, "opening is seen"
    assert names <= {"pools.json", "scores.json", "progress.json", "classes.json", "training.json"}
    assert number < 20


# --- the history


def test_before_any_submission_there_is_no_history(service):
    assert service.get("history")["entries"] == []


def test_what_the_review_said_is_reported_with_the_case(service, monkeypatch):
    said = [
        {"case": "a", "time": "2026-01-01T10:00:00Z", "first": True, "mean": 0.81, "flags": []},
        {"case": "a", "time": "2999-01-01T10:00:00Z", "first": False, "mean": 0.9, "flags": [{"reason": "Swapped."}]},
        {"case": "b", "time": "2999-01-01T10:00:00Z", "first": True, "mean": 0.5, "flags": [{"kind": "shifted"}]},
    ]
    monkeypatch.setattr(service.study.reviewer.history, "entries", lambda: said)
    monkeypatch.setattr(overview, "Outlook", lambda path: lambda: {"advice": "Go on."})
    service.client.app.router.routes.clear()
    service.client.app.include_router(routes.make_router(service.study))
    service.submit("a")
    assert service.get("history") == {"entries": said, "stopping": {"advice": "Go on."}}
    cases = service.cases()
    assert (cases["a"]["correction"], cases["a"]["flags"]) == (0.81, ["Swapped."])
    assert (cases["b"]["correction"], cases["b"]["flags"]) == (None, []), "it has no label any more"


def test_the_history_is_shown_as_a_picture(service):
    answer = service.client.get("/fewlabel/history.png")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content.startswith(b"\x89PNG")


def test_a_scan_that_cannot_be_used_stands_in_the_list_with_its_reason(service):
    (service.study.studies / "f.nii.gz").write_bytes(b"damaged")
    (service.study.studies / "a.seg.nrrd").write_bytes((service.study.studies / "b.nrrd").read_bytes())
    service.store.refresh()
    rows = {row["id"]: row for row in service.get("cases")["cases"]}
    assert list(rows) == list("abcdef")
    assert (rows["f"]["state"], rows["f"]["file"], rows["f"]["rank"]) == ("unusable", "f.nii.gz", None)
    assert rows["f"]["flags"][0].startswith("f.nii.gz ")
    study = service.get("study")
    assert study["counts"]["cases"] == 5
    assert study["scans"]["usable"] == 5
    assert study["scans"]["passed"] == {"companion": 1, "unreadable": 1}
    assert len(study["scans"]["sentences"]) == 2
