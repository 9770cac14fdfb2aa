import pytest

import export
from fewlabel.export.table import EXPORTS


@pytest.fixture(autouse=True)
def _is_set_up(monkeypatch):
    monkeypatch.setattr(export, "ensure_environment", lambda: None)


def run(tmp_path, *more):
    return export.main(["--studies", str(tmp_path / "study"), "--output", str(tmp_path / "bundle"), *more])


def test_the_published_model_is_exported(publish, tmp_path, capsys):
    publish()
    assert run(tmp_path) == 0
    assert (tmp_path / "bundle" / "models" / "model.pt").is_file()
    assert str(tmp_path / "bundle") in capsys.readouterr().out


def test_another_workspace_can_be_named(publish, tmp_path):
    publish().folder.rename(tmp_path / "elsewhere")
    assert run(tmp_path, "--workspace", str(tmp_path / "elsewhere")) == 0


def test_where_there_is_no_study_it_says_so_and_creates_nothing(tmp_path, capsys):
    (tmp_path / "study").mkdir()
    assert run(tmp_path) == 1
    assert "there is no FewLabel study" in capsys.readouterr().err
    assert list((tmp_path / "study").iterdir()) == []


def test_a_refusal_is_one_sentence_and_no_traceback(publish, tmp_path, capsys):
    publish().model.unlink()
    assert run(tmp_path) == 1
    assert capsys.readouterr().err == "There is no model to export yet: submit labels, train, and export then.\n"


def test_an_image_to_check_that_does_not_exist_is_told(publish, tmp_path, capsys):
    publish()
    assert run(tmp_path, "--check", str(tmp_path / "missing.nii.gz")) == 1
    assert "missing.nii.gz" in capsys.readouterr().err


def test_a_format_can_be_chosen_and_all_are_named(publish, tmp_path, capsys):
    publish()
    assert run(tmp_path, "--format", "bundle") == 0
    assert run(tmp_path, "--format", "stl") == 1
    assert "There is no export format 'stl' here. There is: bundle" in capsys.readouterr().err
    assert export.main(["--formats"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed and each.description in printed for name, each in EXPORTS.items())


def test_what_is_needed_is_told(capsys):
    with pytest.raises(SystemExit):
        export.main(["--studies", "folder"])
    assert "--studies and --output are needed" in capsys.readouterr().err
