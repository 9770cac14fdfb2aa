"""The command line of exports."""

import dataclasses
import json
import os

import pytest

import export
from experiments.exporting import Progress
from fewlabel.export.comparing import Comparison
from fewlabel.export.table import EXPORTS


@pytest.fixture(autouse=True)
def _is_set_up(monkeypatch):
    monkeypatch.setattr(export, "ensure_environment", lambda: None)


def run(tmp_path, *more, output="out"):
    return export.main(["--studies", str(tmp_path / "study"), "--output", str(tmp_path / output), *more])


def verified(folder):
    return json.loads((folder / "verification.json").read_text(encoding="utf-8"))["verified"]


@pytest.fixture
def quick(monkeypatch):
    """A format of the model that is quickly run: it gives what the server gave before; what it was run on."""

    class Asked(list):
        differing = 0

    asked = Asked()

    def write(model, folder):
        (folder / "fewlabel.json").write_text(json.dumps({"fewlabel": model.card}), encoding="utf-8")

    def compared(source, folder, run, images, like):
        asked.append([case for case, _ in images])
        return [Comparison(case, 960, asked.differing, 0.5, {"organ": 0.9}, 0.25) for case, _ in images]

    monkeypatch.setattr("fewlabel.export.base.compare_runs", compared)
    monkeypatch.setitem(EXPORTS, "quick", dataclasses.replace(EXPORTS["bundle"], write=write, card="fewlabel.json"))
    return asked


def test_without_formats_the_bundle_is_the_output_and_replaces_an_earlier_one(publish, tmp_path, capsys):
    publish()
    assert run(tmp_path) == run(tmp_path) == 0
    assert (tmp_path / "out" / "models" / "model.pt").is_file()
    printed = capsys.readouterr().out
    assert str(tmp_path / "out") in printed
    assert "not verified" in printed, "there is no scan to run it on"


def test_another_workspace_can_be_named(publish, tmp_path):
    publish().folder.rename(tmp_path / "elsewhere")
    assert run(tmp_path, "--workspace", str(tmp_path / "elsewhere"), "--no-check") == 0


def test_where_there_is_no_study_it_says_so_and_creates_nothing(tmp_path, capsys):
    (tmp_path / "study").mkdir()
    assert run(tmp_path) == 1
    assert "there is no FewLabel study" in capsys.readouterr().err
    assert list((tmp_path / "study").iterdir()) == []


def test_a_refusal_is_one_sentence_and_no_traceback(publish, tmp_path, capsys):
    publish().model.unlink()
    assert run(tmp_path) == 1
    assert capsys.readouterr().err == "There is no model to export yet: submit labels, train, and export then.\n"


def test_formats_go_into_folders_of_their_names_and_are_verified(labelled_study, tmp_path, capsys, quick):
    labelled_study()
    assert run(tmp_path, "--formats", "quick", "nnunet") == 0
    assert sorted(os.listdir(tmp_path / "out")) == ["nnunet", "quick"]
    assert [sorted(cases) for cases in quick] == [["holes", "left", "plain"]], "the three smallest that have a label"
    assert [row["case"] for row in verified(tmp_path / "out" / "quick")] == quick[0]
    printed = capsys.readouterr()
    assert "holes: 0 of 960 voxels differ, probabilities by 0.25 at most, 0.5 s" in printed.out
    assert "verified: 9 files read back, 0 not as in the study" in printed.out
    assert "nnunet: it is written" in printed.err


def test_progress_is_printed_once_a_second_with_the_time_left(capsys):
    now = [0.0]
    tell = Progress(lambda: now[0])
    for seconds, share, words, left in (
        *((0.0, 0.0, "quick: it is written", None), (0.5, 0.1, "quick: not printed", None)),
        *(
            (0.6, 0.5, "msd: a is written", 0.6),
            (1.5, 0.6, "msd: not printed", 9.0),
            (1.7, 0.7, "msd: c is written", 150.0),
        ),
    ):
        now[0] = seconds
        tell(share, words, left)
    assert capsys.readouterr().err.splitlines() == [
        "[  0 %] quick: it is written",
        "[ 50 %] msd: a is written, about 1 s left",
        "[ 70 %] msd: c is written, about 2 min left",
    ]


def test_scans_to_check_are_named_by_id_or_file(labelled_study, volume, tmp_path, quick):
    labelled_study()
    other = volume(tmp_path / "other.nii.gz")
    assert run(tmp_path, "--formats", "quick", "--check", "pool", str(other)) == 0
    assert quick == [["pool", "other.nii.gz"]]


def test_nothing_is_compared_where_that_is_asked(labelled_study, tmp_path, capsys, quick):
    labelled_study()
    assert run(tmp_path, "--formats", "quick", "msd", "--no-check") == 0
    assert quick == []
    assert capsys.readouterr().out.count("not verified") == 2
    assert verified(tmp_path / "out" / "quick") is verified(tmp_path / "out" / "msd") is None


def test_one_that_disagrees_is_not_kept_and_the_others_are(labelled_study, tmp_path, capsys, quick):
    labelled_study()
    quick.differing = 7
    assert run(tmp_path, "--formats", "quick", "msd") == 1
    assert "quick: The export does not agree with the study, so it was not kept." in (
        printed := capsys.readouterr().err
    )
    assert "holes: 7 of 960 voxels differ" in printed
    assert os.listdir(tmp_path / "out") == ["msd"]


def test_an_output_that_exists_is_refused_unless_it_may_be_replaced(labelled_study, tmp_path, capsys, quick):
    labelled_study()
    assert run(tmp_path, "--formats", "quick") == 0
    assert run(tmp_path, "--formats", "msd", "quick") == 1
    assert "quick: " in (printed := capsys.readouterr().err)
    assert "--overwrite" in printed
    assert os.listdir(tmp_path / "out") == ["quick"], "nothing was written before all was looked at"
    assert run(tmp_path, "--formats", "msd", "quick", "--overwrite") == 0


def test_every_fault_of_the_inputs_is_reported_at_once_and_nothing_is_written(labelled_study, tmp_path, capsys, quick):
    labelled_study().workspace.model.unlink()
    missing = str(tmp_path / "missing.nii.gz")
    assert run(tmp_path, "--formats", "quick", "msd", "--check", missing, "--cases", "nobody") == 1
    printed = capsys.readouterr().err
    assert "missing.nii.gz does not exist" in printed
    assert "no scan nobody" in printed
    assert "quick: There is no model to export yet" in printed
    assert not (tmp_path / "out").exists()


def test_of_a_mean_of_networks_the_better_one_alone_is_an_option(publish, tmp_path, capsys):
    publish("unet_small+unet_small", alone={"first": [0.4, 0.4], "second": [0.6, 0.6]})
    assert run(tmp_path, "--formats", "auto3dseg", "--no-check") == 1
    assert "Ask for it with --single." in capsys.readouterr().err
    assert run(tmp_path, "--formats", "auto3dseg", "--no-check", "--single") == 0
    card = json.loads((tmp_path / "out" / "auto3dseg" / "fewlabel.json").read_text(encoding="utf-8"))["fewlabel"]
    assert card["validation"] == {"organ": 0.6, "tumour": 0.6}


def test_accepted_labels_and_links_are_options(labelled_study, tmp_path):
    labelled_study()
    assert run(tmp_path, "--formats", "msd", "--accepted", "--link") == 0
    assert (tmp_path / "out" / "msd" / "labelsTr" / "left.nii.gz").is_file()
    assert os.path.samefile(tmp_path / "out" / "msd" / "imagesTs" / "pool.nii.gz", tmp_path / "study" / "pool.nii.gz")


def test_a_format_can_be_chosen_and_all_are_named(publish, tmp_path, capsys):
    publish()
    assert run(tmp_path, "--format", "bundle") == 0
    assert run(tmp_path, "--format", "nothing") == 1
    assert "There is no export format 'nothing' here. There is: bundle" in capsys.readouterr().err
    assert export.main(["--formats"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed and each.description in printed for name, each in EXPORTS.items())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--studies", "folder"], "--studies and --output are needed"),
        (["--studies", "a", "--output", "b", "--format", "msd", "--formats", "msd"], "not both"),
        (["--studies", "a", "--output", "b", "--no-check", "--check", "c"], "not allowed with"),
    ],
)
def test_what_is_needed_is_said(capsys, arguments, words):
    with pytest.raises(SystemExit):
        export.main(arguments)
    assert words in capsys.readouterr().err
