from pathlib import Path

import numpy as np
import pytest

from fewlabel.errors import Refusal

AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def scan(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(8, 9, 10)).astype(np.float32)


@pytest.mark.parametrize("name", ["../evil", "a/b", "a\\b", "..", ".hidden", "a\nb", "x" * 201, "a..b"])
def test_an_id_or_tag_that_could_leave_the_folder_is_refused(store, studies, sent, name):
    before = everything(studies.parent)
    for request in (
        lambda: store.add_image(name, str(studies / "a.nii.gz"), {}),
        lambda: store.save_label(name, sent, "final", {}),
        lambda: store.save_label("a", sent, name, {}),
    ):
        with pytest.raises(Refusal, match="cannot be") as caught:
            request()
        assert caught.value.status_code == 400
    assert everything(studies.parent) == before


def test_an_unknown_image_or_label_is_answered_in_words(store, sent):
    for request in (
        lambda: store.get_image_uri("none"),
        lambda: store.get_image_info("none"),
        lambda: store.get_image("none"),
        lambda: store.save_label("none", sent, "final", {}),
        lambda: store.update_image_info("none", {}),
        lambda: store.update_label_info("a", "final", {}),
        lambda: store.remove_image("none"),
        lambda: store.remove_label("a", "final"),
        lambda: store.notes("none"),
    ):
        with pytest.raises(Refusal) as caught:
            request()
        assert caught.value.status_code == 404
    assert store.get_label_uri("a", "final") == ""
