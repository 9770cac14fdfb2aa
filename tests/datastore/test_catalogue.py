from fewlabel.datastore.catalogue import list_files, reconcile


def test_reconciling_asks_for_each_name_a_fixed_number_of_times():
    class Counted(dict):
        asked = 0

        def get(self, key, default=None):
            Counted.asked += 1
            return super().get(key, default)

    def asked(count: int) -> int:
        images = Counted({f"{number}": ".nii" for number in range(count)})
        known, _ = reconcile({}, images, {"final": images}, lambda *given: {})
        Counted.asked = 0
        _, changed = reconcile(Counted(known), images, {"final": images}, lambda *given: {})
        assert not changed
        return Counted.asked

    assert asked(400) <= 4.5 * asked(100)


def test_a_missing_folder_is_an_empty_one(tmp_path):
    assert list_files(tmp_path / "none") == ({}, [])
