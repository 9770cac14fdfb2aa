import threading

import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.selection import features as features_module
from fewlabel.selection.features import LENGTH, FeatureStore, Geometry, features
from fewlabel.volumes.reading import UnreadableVolume, Volume, write_volume

SHAPE = (40, 36, 30)


def scan(seed, side="left", gain=1.0):
    """A block in one half of a noisy field."""
    array = np.random.default_rng(seed).normal(0, 10, SHAPE)
    array[slice(4, 18) if side == "left" else slice(22, 36), 6:30, 5:25] += 100
    return Volume((gain * array).astype(np.float32), np.diag([1.0, 1.0, 2.0, 1.0]), ())


def order_of(found):
    """Ids in the order in which they would be labelled."""
    geometry, nearest, order = Geometry(found), np.full(len(found), np.inf), []
    for _ in found:
        gains = geometry.gains(nearest)
        case = max((name for name in found if name not in order), key=lambda name: gains[geometry.index[name]])
        nearest = np.minimum(nearest, geometry.distance[geometry.index[case]])
        order.append(case)
    return order


def test_features_are_numbers_near_unit_scale_and_do_not_depend_on_the_intensity_scale():
    found = features(scan(0))
    assert len(found) == LENGTH == 443
    assert np.abs(found).max() < 10
    assert features(scan(0, gain=7.0)) == pytest.approx(found, abs=1e-3)


def test_features_do_not_depend_on_how_the_file_stores_its_axes():
    volume = scan(3)
    turned = np.ascontiguousarray(volume.array.transpose(2, 0, 1)[::-1])
    affine = np.zeros((4, 4))
    affine[:3, :3] = volume.affine[:3, [2, 0, 1]] * [-1, 1, 1]
    affine[:3, 3] = volume.affine[:3, 2] * (SHAPE[2] - 1)
    affine[3, 3] = 1
    assert features(Volume(turned, affine, ())) == pytest.approx(features(volume), abs=1e-3)


@pytest.mark.parametrize("shape", [(1, 5, 300), (2, 2, 2), (6, 6, 6), (23, 25, 7)])
def test_features_of_any_shape_have_one_length(shape):
    volume = Volume(np.random.default_rng(0).normal(size=shape).astype(np.float32), np.eye(4), ())
    assert len(features(volume)) == LENGTH
    assert np.isfinite(features(volume)).all()


def test_the_first_case_is_typical_and_a_second_kind_of_scan_has_its_turn_early():
    found = {f"usual-{seed}": features(scan(seed)) for seed in range(8)}
    found |= {f"other-{seed}": features(scan(8 + seed, side="right")) for seed in range(3)}
    order = order_of(found)
    assert order[0].startswith("usual")
    assert order[1].startswith("other")


def test_near_duplicates_are_not_both_among_the_first():
    """Four anatomies, each scanned three times: the noise differs, the anatomy does not."""
    found = {}
    for anatomy in range(4):
        body = np.zeros(SHAPE)
        body[5 * anatomy : 5 * anatomy + 15, 4 + 5 * anatomy : 18 + 5 * anatomy, 5:25] = 100
        for time in range(3):
            noise = np.random.default_rng([anatomy, time]).normal(0, 25, SHAPE)
            found[f"{anatomy}-{time}"] = features(Volume((body + noise).astype(np.float32), np.eye(4), ()))
    assert sorted(case[0] for case in order_of(found)[:4]) == ["0", "1", "2", "3"]


def test_distances_count_each_feature_in_its_own_deviations():
    known = {"a": [0.0, 0.0], "b": [1.0, 0.0], "c": [0.0, 1000.0], "d": [1.0, 1000.0]}
    geometry = Geometry(known)
    assert geometry.distance[0, 1] == pytest.approx(2)
    assert geometry.distance[0, 2] == pytest.approx(2)
    assert geometry.distance[0, 3] == pytest.approx(2 * 2**0.5)
    assert geometry.median == pytest.approx(2)


def test_the_nearest_of_several_counts_and_of_none_nothing_is_near():
    geometry = Geometry({"a": [0.0], "b": [1.0], "c": [5.0]})
    assert geometry.to_nearest(["a", "c", "unknown"])[1] == geometry.distance[0, 1]
    assert np.isinf(geometry.to_nearest(["unknown"])).all()


def test_the_gain_is_the_fall_of_the_mean_distance():
    geometry = Geometry({"a": [0.0], "b": [1.0], "c": [2.0], "d": [9.0]})
    nearest = geometry.to_nearest(["b"])
    for index in range(4):
        after = np.minimum(nearest, geometry.distance[index])
        assert geometry.gains(nearest)[index] == pytest.approx(nearest.mean() - after.mean(), abs=1e-6)


def test_no_scans_have_no_geometry():
    assert Geometry({}).distance.shape == (0, 0)
    assert Geometry({"a": [1.0, 2.0]}).median == 1.0


def test_features_of_an_earlier_version_are_made_anew(tmp_path):
    (tmp_path / "features.json").write_text('{"a": [1.0, 2.0]}')
    assert FeatureStore(tmp_path / "features.json").known == {}


@pytest.fixture
def images(tmp_path):
    """Three scans by id; the second is no image, and the last has gone."""
    for name in ("a", "b", "c"):
        write_volume(tmp_path / f"{name}.nii.gz", scan(0).array, np.eye(4))
    (tmp_path / "b.nii.gz").write_bytes(b"no image")

    def locate(case):
        if case == "gone":
            raise Refusal("No image 'gone' in this study.", 404)
        return str(tmp_path / f"{case}.nii.gz")

    return locate


def test_what_cannot_be_read_is_left_out_and_the_rest_is_kept(tmp_path, images):
    store = FeatureStore(tmp_path / "features.json")
    store.fill(["a", "b", "gone", "c"], images)
    assert set(store.known) == {"a", "c"}
    assert FeatureStore(tmp_path / "features.json").known == store.known


def test_nothing_is_read_twice(tmp_path, images, monkeypatch):
    reads = []

    def count(path):
        reads.append(path)
        if "b.nii" in path:
            raise UnreadableVolume("It is no image.")
        return scan(0)

    monkeypatch.setattr(features_module, "read_volume", count)
    store = FeatureStore(tmp_path / "features.json")
    for _ in range(3):
        store.fill(["a", "b", "c"], images)
    assert len(reads) == 3


def test_of_a_large_pool_only_a_sample_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(features_module, "read_volume", lambda path: scan(0))
    monkeypatch.setattr(features_module, "_MOST", 5)
    store = FeatureStore(tmp_path / "features.json")
    store.fill([str(number) for number in range(100)], str)
    assert len(store.known) == 5


def test_in_the_background_it_starts_no_thread_where_enough_is_known(tmp_path, images, monkeypatch):
    store = FeatureStore(tmp_path / "features.json")
    store.fill_in_background(["a", "b", "c"], images)
    for thread in threading.enumerate():
        if thread.name == "features":
            thread.join(10)
    assert set(store.known) == {"a", "c"}
    monkeypatch.setattr(features_module.threading, "Thread", None)
    store.fill_in_background(["a", "b", "c"], images)


def test_scans_that_replace_removed_ones_are_read(tmp_path, monkeypatch):
    store, started = FeatureStore(tmp_path / "features.json"), []
    store.known = {"removed": [0.0], "kept": [0.0]}
    monkeypatch.setattr(features_module.threading.Thread, "start", lambda thread: started.append(thread))
    store.fill_in_background(["kept"], str)
    assert not started
    store.fill_in_background(["kept", "new"], str)
    assert len(started) == 1
