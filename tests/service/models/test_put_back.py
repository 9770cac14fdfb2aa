"""What a request replaced or deleted is put aside, said to everyone, and can be put back."""

import pytest

from fewlabel.replaced import KEPT, put_aside, restore
from fewlabel.training import offered

CLASSES = ("organ", "tumour")


@pytest.mark.parametrize("measured", [(0.8, 0.8), (0.81, 0.8)])
def test_a_model_that_is_not_worse_is_published_and_the_old_one_can_be_put_back(desk, sent, measured, same_weights):
    desk.service.publish()
    old = desk.workspace.model.read_bytes()
    desk.dice(*measured)
    content = sent()
    answer = desk.ask("PUT", content=content)
    assert (answer["version"], answer["validated"]) == (4, True)
    assert answer["validation"] == dict.fromkeys(CLASSES, measured[0])
    assert same_weights(desk.workspace.model, content)
    assert [aside.path.read_bytes() for aside in put_aside(desk.workspace)] == [old]
    assert "--restore-model 3" in " ".join(answer["notes"])
    assert restore(desk.workspace, 3) == 5
    assert same_weights(desk.workspace.model, old)
    assert [aside.version for aside in put_aside(desk.workspace)] == [4, 3]


def test_a_deleted_model_is_put_aside_and_a_sentence_says_how_to_restore_it(desk, same_weights):
    desk.service.publish()
    old = desk.workspace.model.read_bytes()
    assert "--restore-model 3" in desk.ask("DELETE")["notes"][0]
    assert not desk.workspace.model.exists()
    assert "--restore-model 3" in desk.service.get("study")["problem"]
    with pytest.raises(Exception, match="--restore-model 3"):
        desk.service.study.infer.published("cpu")
    assert "no published model" in desk.refused("DELETE", 404)
    restore(desk.workspace, 3)
    assert same_weights(desk.workspace.model, old)
    assert desk.service.get("study")["problem"] is None


def test_infer_says_of_a_model_that_was_sent_that_it_was(desk, sent):
    desk.service.publish()
    desk.dice(0.9, 0.8)
    desk.ask("PUT", content=sent())
    image = desk.service.store.get_image_uri("a")
    notes = " ".join(desk.service.study.infer({"image": image})[1]["notes"])
    assert "was sent to the server" in notes
    assert "--restore-model 3" in notes


def test_what_is_put_aside_is_bounded_in_number_and_versions_never_return(desk):
    for _ in range(KEPT + 3):
        desk.service.publish(version=offered.next_version(desk.workspace))
        desk.ask("DELETE")
    versions = [aside.version for aside in put_aside(desk.workspace)]
    assert versions == list(range(KEPT + 3, 3, -1))
    assert offered.next_version(desk.workspace) == KEPT + 4


def test_a_model_of_other_classes_is_not_put_back(desk, tmp_path):
    desk.service.publish()
    desk.ask("DELETE")
    desk.workspace.set_classes(["liver", "tumour"])
    with pytest.raises(Exception, match="train again instead"):
        restore(desk.workspace, 3)
    with pytest.raises(Exception, match="No model of version 8"):
        restore(desk.workspace, 8)
