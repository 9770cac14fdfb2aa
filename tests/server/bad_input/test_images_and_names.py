"""Bad images, and names that lead out of the folder or nowhere, are refused in a sentence."""

import numpy as np
import pytest

CLASSES = ["organ", "tumour"]


EVIL = ["../evil", "..", "a/b", "a\\b", "/etc/evil", ".hidden", "a\x00b", "..%2fevil"]


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.usefixtures("still_works")
def test_an_image_id_that_leaves_the_folder_is_refused(server, volumes, tmp_path, name, assert_sentence, stored):
    above = sorted(server.studies.parent.iterdir())
    before = stored(server)
    file = volumes.write(tmp_path / "new.nii.gz", volumes.image(9))
    message = server.put_image(name, file, expect=400)["detail"]
    assert_sentence(message, "cannot be an image id", "Choose another one")
    assert stored(server) == before
    assert sorted(server.studies.parent.iterdir()) == above


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.usefixtures("still_works")
def test_a_label_whose_image_id_leaves_the_folder_is_refused(server, good_label, name, assert_sentence):
    message = server.put_label(name, good_label, CLASSES, expect=400)["detail"]
    assert_sentence(message, "cannot be an image id")


@pytest.mark.parametrize("tag", ["../../evil", "a/b"])
@pytest.mark.usefixtures("still_works")
def test_a_label_tag_that_leaves_the_folder_is_refused(server, good_label, tag, assert_sentence):
    message = server.put_label("scan_0", good_label, CLASSES, tag=tag, expect=400)["detail"]
    assert_sentence(message, "cannot be a label tag")


@pytest.mark.parametrize("kind", ["frames", "colours", "constant", "nothing", "flat", "truncated", "text"])
@pytest.mark.usefixtures("still_works")
def test_an_unusable_image_is_not_taken_in(
    server, volumes, truncated, tmp_path, kind, assert_sentence, stored, bad_images
):
    before = stored(server)
    file = tmp_path / "image.nii.gz"
    if kind == "text":
        file.write_bytes(b"no image")
        word = "not a NIfTI image"
    elif kind == "truncated":
        truncated(volumes.write(tmp_path / "whole.nii.gz", volumes.image(7)), file)
        word = "cut short"
    else:
        array, word = bad_images[kind]
        volumes.write(file, array)
    message = server.put_image(kind, file, expect=422)["detail"]
    assert_sentence(message, f"Image '{kind}'", word, "Nothing was stored")
    assert stored(server) == before


@pytest.mark.usefixtures("still_works")
def test_an_image_with_nan_is_taken_in(server, volumes, tmp_path):
    array = volumes.image(8)
    array[3:5, 3:5, 3:5] = np.nan
    file = volumes.write(tmp_path / "image.nii.gz", array)
    assert server.put_image("with nan", file)["image"] == "with nan"
    answer = server.put_label("with nan", volumes.write(tmp_path / "label.nii.gz", volumes.label(8)), CLASSES)
    assert answer["label"] == "with nan"
    server.request("DELETE", "/datastore/image", params={"id": "with nan"})


@pytest.mark.usefixtures("still_works")
def test_an_image_of_another_kind_is_not_taken_in(server, tmp_path, assert_sentence):
    (tmp_path / "slice.png").write_bytes(b"\x89PNG")
    message = server.put_image("slice", tmp_path / "slice.png", expect=400)["detail"]
    assert_sentence(message, "not supported", ".nii.gz")


@pytest.mark.usefixtures("still_works")
def test_an_unknown_model_is_named(server, assert_sentence):
    for message in (
        server.infer("scan_0", model="nobody", expect=404)["detail"],
        server.refused("POST", "/train/nobody", 404, json={}),
        server.refused("POST", "/train/fewlabel", 404, json={"model": "nobody"}),
        server.refused("POST", "/batch/infer/nobody", 404, json={}),
    ):
        assert_sentence(message, "no model 'nobody'", "fewlabel")


@pytest.mark.usefixtures("still_works")
def test_an_unknown_strategy_is_named(server, assert_sentence):
    message = server.refused("POST", "/activelearning/nobody", 404, json={})
    assert_sentence(message, "no strategy 'nobody'", "uncertainty+diversity")


@pytest.mark.usefixtures("still_works")
def test_an_unknown_image_is_named_when_it_is_downloaded(server, assert_sentence):
    for path in ("/datastore/image", "/datastore/image/info"):
        assert_sentence(server.refused("GET", path, 404, params={"image": "nobody"}), "No image 'nobody'")
