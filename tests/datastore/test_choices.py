"""Whether subfolders are served: as the person says, else as before, else in new studies."""

import pytest

from fewlabel.datastore.choices import serves_subfolders
from fewlabel.workspace import read_json


@pytest.mark.parametrize("opened_before", [False, True])
def test_without_a_choice_a_new_study_serves_them_and_one_opened_before_does_not(workspace, opened_before):
    assert serves_subfolders(None, workspace, opened_before, read_only=False) is not opened_before


@pytest.mark.parametrize("chosen", [False, True])
def test_a_choice_counts_and_is_kept_for_the_next_start(workspace, chosen):
    assert serves_subfolders(chosen, workspace, not chosen, read_only=False) is chosen
    assert serves_subfolders(None, workspace, True, read_only=False) is chosen
    assert serves_subfolders(not chosen, workspace, True, read_only=False) is not chosen


def test_a_child_process_keeps_nothing(workspace):
    assert serves_subfolders(True, workspace, True, read_only=True)
    assert not workspace.folder_choices.exists()


def test_a_damaged_choice_is_none_and_is_written_anew(workspace):
    workspace.folder_choices.write_text("[")
    assert serves_subfolders(None, workspace, False, read_only=False)
    assert read_json(workspace.folder_choices) == {"subfolders": True}


def test_a_choice_that_cannot_be_kept_counts_all_the_same(workspace, full_disk, caplog):
    full_disk("folder.json")
    assert serves_subfolders(True, workspace, True, read_only=False)
    assert any("No space left" in line for line in caplog.messages)
