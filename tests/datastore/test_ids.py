"""Ids of files in subfolders: one for each path, legal as file names and routes, and back."""

from itertools import product

from fewlabel.datastore.catalogue import name_fault
from fewlabel.datastore.ids import id_of, path_of

PARTS = ["a", "-", "--", "a-", "-a", "a--b", "~", "a~", "~-", "a..b", "a.", "...", "a~-b", "é b"]
STEMS = [part for part in PARTS if not part.startswith(".")]


def test_a_file_of_the_folder_itself_keeps_its_name():
    assert [id_of(name) for name in STEMS] == STEMS


def test_ids_are_readable():
    assert id_of("site_1/patient-07/flair") == "site_1--patient-07--flair"


def test_paths_and_ids_go_one_to_one():
    paths = ["/".join(parts) for count in (2, 3) for parts in product(STEMS, repeat=count)]
    ids = [id_of(path) for path in paths]
    assert [path_of(image_id) for image_id in ids] == paths
    assert len(set(ids)) == len(paths)


def test_an_id_is_a_legal_part_of_a_file_name():
    for first, second in product(STEMS, repeat=2):
        assert name_fault(id_of(f"{first}/{second}")) == "", (first, second)
