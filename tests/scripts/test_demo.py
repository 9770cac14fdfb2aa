"""The demo's parts that need no server: arguments, studies, Dice, progress line, report."""

import ast
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import demo
import demo_bundle
import demo_clinician
import demo_options
import demo_result
import demo_study
from demo_report import write_report
from demo_result import Choice, Comparison, DemoTrouble, Result, Round
from fewlabel.data.volumes import write_volume

SCRIPTS = Path(demo_options.__file__).parent


@pytest.fixture
def files(tmp_path):
    """Two images and their reference labels (values 1 and 3), each in a folder of its own."""
    rng = np.random.default_rng(0)
    affine = np.diag([1.5, 2.0, 3.0, 1.0])
    for name in ("a", "b"):
        label = np.zeros((12, 14, 10), np.uint8)
        label[3:8, 4:9, 2:7] = 1
        label[8:10, 4:9, 2:7] = 3
        for folder, array in (
            ("images", rng.normal(100, 20, label.shape).astype(np.float32)),
            ("truth", label),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_volume(tmp_path / folder / f"{name}.nii.gz", array, affine)
    return tmp_path


def ball(size, shift=0):
    grid = np.indices((size,) * 3) - size // 2
    grid[0] -= shift
    return (grid**2).sum(0) < (size // 3) ** 2


def test_dice_of_equal_disjoint_and_half_overlapping_maps():
    a = np.array([1, 1, 0, 0], bool)
    assert demo_result.dice(a, a) == 1.0
    assert demo_result.dice(a, ~a) == 0.0
    assert demo_result.dice(a, np.array([0, 1, 1, 0], bool)) == 0.5


def test_dice_counts_a_class_found_where_there_is_none_and_leaves_out_one_absent_from_both():
    empty = np.zeros(5, bool)
    assert demo_result.dice(empty, empty) is None
    assert demo_result.dice(~empty, empty) == 0.0
    assert demo_result.dice(empty, ~empty) == 0.0
    assert demo_result.mean([None, 0.5, 0.7]) == pytest.approx(0.6)
    assert math.isnan(demo_result.mean([None]))


def make_result():
    first = Round(2, [Choice("a", "most typical"), Choice("b", "<far>", 0.25, "strong noise")], 61.2)
    first.dice = {"a": {"liver": 0.2, "kidney": None}, "c": {"liver": 0.4, "kidney": 0.1}}
    second = Round(3, [Choice("a", "unsure", 0.5)], 62.0, {"unlabelled": 9, "notes": ["Went on."]})
    second.dice = {"c": {"liver": 0.8, "kidney": 0.6}}
    return Result(["liver", "kidney"], 4, [first, second], [Comparison("c", "s", "b", 1000, 0, True)], {"seed": "0"})


def test_only_cases_that_were_never_labelled_count():
    result = make_result()
    assert result.evaluated() == ["c"]
    assert demo_result.round_mean(result.rounds[0], ["c"], result.classes) == pytest.approx(0.25)
    rows = demo_result.table(result)
    assert rows[0][:4] == ["labels", "liver", "kidney", "mean"]
    assert rows[2][:4] == ["3", "0.800", "0.600", "0.700"]
    assert len(demo_result.print_table(rows).splitlines()) == 3


def test_a_result_makes_a_round_trip_through_its_file(tmp_path):
    result = make_result()
    result.save(tmp_path / "demo.json")
    assert Result.load(tmp_path / "demo.json") == result


def test_a_comparison_with_one_different_voxel_is_not_equal():
    assert Comparison("c", "", "", 10, 0, True).equal
    assert not Comparison("c", "", "", 10, 1, True).equal
    assert not Comparison("c", "", "", 10, 0, False).equal


def test_the_report_is_one_file_with_pictures_numbers_and_reasons(tmp_path):
    study = demo_study.generated_study(tmp_path, 3, seed=1)
    study.truth = dict(zip("abc", study.truth.values(), strict=True))
    for letter, path in zip("abc", sorted(study.images.iterdir()), strict=True):
        path.rename(study.images / f"{letter}.nii.gz")
    result = make_result()
    result.folders = {"predictions": str(tmp_path / "predictions")}
    for done in result.rounds:
        folder = tmp_path / "predictions" / f"labels_{done.labels:03d}"
        folder.mkdir(parents=True)
        (folder / "c.nii.gz").write_bytes(study.truth["c"].read_bytes())
    result.comparisons = [Comparison("c", str(folder / "c.nii.gz"), str(study.truth["c"]), 1000, 0, True)]
    page = write_report(result, study, tmp_path / "report.html").read_text()
    pictures = 1 + 1 + 3 + 1  # learning curve, the only case, the choices, the comparison
    assert page.count("data:image/png;base64,") == pictures
    assert "0.250" in page
    assert "0.700" in page
    assert "&lt;far&gt;" in page
    assert "strong noise" in page
    assert "in 1 of 1 cases" in page
    assert "src='http" not in page


def test_labels_per_round_continue_with_the_last_number():
    assert demo_options.labels_per_round(None, None) == [2, 2, 2, 2]
    assert demo_options.labels_per_round(None, [2, 2, 4]) == [2, 2, 4]
    assert demo_options.labels_per_round(5, [1, 3]) == [1, 3, 3, 3, 3]
    assert demo_options.labels_per_round(2, [2, 2, 4]) == [2, 2]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--studies", "."], "--studies and --truth go together"),
        (["--studies", "absent", "--truth", "."], "absent is not a folder"),
        (["--rounds", "0"], "--rounds 0 is too small"),
        (["--minutes", "-1"], "--minutes -1.0 is too small"),
        (["--labels-per-round", "2", "0"], "at least one label"),
        (["--seed", "-3"], "--seed -3 is below 0"),
        (["--conf", "workspace", "elsewhere"], "everything stays in --output"),
    ],
)
def test_wrong_arguments_get_a_sentence(arguments, sentence, capsys):
    with pytest.raises(SystemExit):
        demo_options.parse(arguments)
    assert sentence in capsys.readouterr().err


def test_given_images_are_copied_and_the_given_folders_stay_as_they_are(files):
    before = {path: path.read_bytes() for path in files.rglob("*.nii.gz")}
    study = demo_study.given_study(files / "out", files / "images", files / "truth", [], None, 0)
    assert sorted(path.name for path in study.images.iterdir()) == ["a.nii.gz", "b.nii.gz"]
    assert study.truth["a"] == files / "truth" / "a.nii.gz"
    assert study.classes == {"class 1": 1, "class 3": 3}
    assert {path: path.read_bytes() for path in before} == before


def test_class_names_come_from_the_command_line():
    assert demo_study.name_classes({1, 2}, ["head", "tail"]) == {"head": 1, "tail": 2}
    with pytest.raises(DemoTrouble, match="value 3; name every class"):
        demo_study.name_classes({1, 3}, ["head", "tail"])


def test_a_limit_draws_the_same_images_for_the_same_seed(files):
    drawn = [
        set(demo_study.given_study(files / f"out{n}", files / "images", files / "truth", [], 1, 5).truth)
        for n in range(2)
    ]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 1


def test_a_missing_truth_file_is_named(files):
    (files / "truth" / "b.nii.gz").unlink()
    with pytest.raises(DemoTrouble, match="no reference label for b; each image needs its own"):
        demo_study.pair_files(files / "images", files / "truth")


def test_a_folder_without_images_is_named(files, tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "notes.txt").write_text("nothing here")
    with pytest.raises(DemoTrouble, match="holds no images"):
        demo_study.pair_files(tmp_path / "none", files / "truth")


def test_two_files_of_one_case_are_named(files):
    (files / "images" / "a.nii").write_bytes(b"")
    with pytest.raises(DemoTrouble, match=r"a\.nii and a\.nii\.gz"):
        demo_study.pair_files(files / "images", files / "truth")


def test_a_truth_on_another_grid_is_named(files):
    write_volume(files / "truth" / "b.nii.gz", np.ones((12, 14, 9), np.uint8), np.eye(4))
    with pytest.raises(DemoTrouble, match="is on another grid than"):
        demo_study.check_pairs(demo_study.pair_files(files / "images", files / "truth"))


def test_a_damaged_image_and_empty_truths_are_named(files):
    pairs = demo_study.pair_files(files / "images", files / "truth")
    for name in ("a", "b"):
        write_volume(files / "truth" / f"{name}.nii.gz", np.zeros((12, 14, 10), np.uint8), np.diag([1.5, 2, 3, 1]))
    with pytest.raises(DemoTrouble, match="All reference labels are empty"):
        demo_study.check_pairs(pairs)
    (files / "images" / "a.nii.gz").write_bytes(b"no image")
    with pytest.raises(DemoTrouble, match=r"a\.nii\.gz"):
        demo_study.check_pairs(pairs)


def test_only_what_a_demo_left_is_cleared(tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("precious")
    with pytest.raises(DemoTrouble, match="not from a demo"):
        demo_study.clear_output(foreign)
    assert (foreign / "thesis.txt").exists()

    own = tmp_path / "own"
    demo_study.clear_output(own)
    (own / "images").mkdir()
    (own / "notes.txt").write_text("mine")
    demo_study.clear_output(own)
    assert not (own / "images").exists()
    assert (own / "notes.txt").exists()


def test_the_progress_line_takes_whatever_is_there():
    assert demo_clinician.describe({}) == "  training"
    line = demo_clinician.describe(
        {
            "phase": "training",
            "progress": 0.5,
            "step": 40,
            "losses": {"supervised": 0.25, "consistency": None},
            "validation": {"liver": 0.8, "kidney": None},
            "labelled": 4,
            "unlabelled": 20,
            "seconds_left": 12.4,
        }
    )
    parts = [
        "training",
        "50%",
        "step 40",
        "supervised 0.250",
        "Dice liver 0.80",
        "4 labelled + 20 unlabelled",
    ]
    assert line == "  " + " · ".join([*parts, "12 s left"])


def test_the_progress_line_counts_the_scored_cases():
    progress = {"phase": "scoring cases", "progress": 1.0, "step": 40, "scored": 3, "to_score": 22}
    assert demo_clinician.describe(progress) == "  scoring cases · 3 of 22"


def test_candidates_are_fixed_by_the_seed():
    cases = [f"case_{n}" for n in range(9)]
    assert demo_clinician.candidates(cases, 4, 1) == demo_clinician.candidates(cases[::-1], 4, 1)
    assert len(demo_clinician.candidates(cases, 20, 1)) == 9


class Server:
    """Stands in for the client: answers as the server would, one progress record after the other."""

    def __init__(self, statuses, stats):
        self.statuses, self.stats = iter(statuses), stats

    def train_start(self, model, params):
        return {"id": "new"}

    def train_status(self):
        return {"id": "new", "status": next(self.statuses), "details": ["some line", "last line"]}

    def info(self):
        return {"train_stats": {"fewlabel": self.stats}}

    def next_sample(self, strategy, params):
        return {"id": "a", "reason": "it is new", "path": "/images/a.nii.gz"}

    def save_label(self, case, file, params):
        self.saved = (case, file, params)


def clinician(server, files):
    study = demo_study.Study(files / "images", {"a": files / "truth" / "a.nii.gz"}, {"head": 1, "tail": 3})
    return demo_clinician.Clinician(server, study, files / "predictions")


def test_labelling_sends_the_truth_with_names_and_values(files):
    server = Server([], {})
    choice = clinician(server, files).label_next()
    assert choice == Choice("a", "it is new")
    names = [{"name": "head", "idx": 1}, {"name": "tail", "idx": 3}]
    assert server.saved == ("a", str(files / "truth" / "a.nii.gz"), {"label_info": names})


def test_training_is_followed_to_its_end(files, monkeypatch):
    monkeypatch.setattr(demo_clinician, "POLL", 0.0)
    server = Server(["SUBMITTED", "RUNNING", "DONE"], {"phase": "done", "step": 7})
    assert clinician(server, files).train({})["step"] == 7


def test_a_failed_training_is_told_with_the_servers_reason(files, monkeypatch):
    monkeypatch.setattr(demo_clinician, "POLL", 0.0)
    with pytest.raises(DemoTrouble, match="ERROR: no label can be read"):
        clinician(Server(["ERROR"], {"error": "no label can be read"}), files).train({})
    with pytest.raises(DemoTrouble, match="ERROR: last line"):
        clinician(Server(["ERROR"], {}), files).train({})


def test_predictions_are_compared_by_class_name(files):
    """The server may number its classes otherwise than the truth files do."""
    label = np.zeros((12, 14, 10), np.uint8)
    label[3:8, 4:9, 2:7] = 1
    label[8:10, 4:9, 2:7] = 2
    write_volume(files / "predicted.nii.gz", label, np.diag([1.5, 2.0, 3.0, 1.0]))
    same = clinician(Server([], {}), files).compare("a", files / "predicted.nii.gz", {"head": 1, "tail": 2})
    assert same == {"head": 1.0, "tail": 1.0}
    without = clinician(Server([], {}), files).compare("a", files / "predicted.nii.gz", {"head": 1})
    assert without == {"head": 1.0, "tail": 0.0}
    write_volume(files / "predicted.nii.gz", label, np.eye(4))
    with pytest.raises(DemoTrouble, match="another grid"):
        clinician(Server([], {}), files).compare("a", files / "predicted.nii.gz", {"head": 1, "tail": 2})


def test_bundle_and_server_are_compared_voxel_for_voxel(files):
    truth = files / "truth" / "a.nii.gz"
    outputs = files / "outputs" / "a"
    outputs.mkdir(parents=True)
    with pytest.raises(DemoTrouble, match="no label map for a"):
        demo_bundle.compare("a", truth, files / "outputs")
    (outputs / "a_pred.nii.gz").write_bytes(truth.read_bytes())
    assert demo_bundle.compare("a", truth, files / "outputs").equal
    changed = ball(12)[:, :, :10]
    write_volume(outputs / "a_pred.nii.gz", np.pad(changed, ((0, 0), (0, 2), (0, 0))).astype(np.uint8), np.eye(4))
    assert not demo_bundle.compare("a", truth, files / "outputs").equal


def test_a_failing_command_is_told_with_its_last_words():
    with pytest.raises(DemoTrouble, match=r"(?s)The export failed \(exit code 3\).*no model yet"):
        demo_bundle.run([sys.executable, "-c", "print('no model yet'); raise SystemExit(3)"], "The export")


@pytest.mark.parametrize(
    ("ending", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "Stopped."),
        (DemoTrouble("The server refused to train: it is tired."), 1, "it is tired"),
    ],
)
def test_the_server_is_stopped_however_the_demo_ends(ending, code, words, tmp_path, monkeypatch, capsys):
    servers = []

    def start_server(options, images, port, log):
        log.write_text("a line of the log")
        servers.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True))
        return servers[0]

    def end(*_):
        raise ending

    monkeypatch.setattr(demo, "make_study", lambda options: demo_study.Study(tmp_path, {}, {}))
    monkeypatch.setattr(demo, "start_server", start_server)
    monkeypatch.setattr(demo.serve, "wait_until_ready", end)
    assert demo.main(demo_options.parse(["--output", str(tmp_path)])) == code
    assert servers[0].poll() is not None
    printed = capsys.readouterr().err
    assert words in printed
    assert ("a line of the log" in printed) == (code == 1)


@pytest.mark.parametrize("name", ["demo.py", "demo_options.py"])
def test_an_old_python_can_parse_the_entry(name):
    """So that it gets a sentence about its version and not a SyntaxError."""
    ast.parse((SCRIPTS / name).read_text(encoding="utf-8"), feature_version=(3, 6))


def test_help_needs_nothing_installed():
    command = [sys.executable, "-S", str(SCRIPTS / "demo.py"), "--help"]  # -S: no site-packages
    bare = subprocess.run(command, capture_output=True, text=True, check=False)
    assert bare.returncode == 0, bare.stderr
    assert "--truth" in bare.stdout
