import nibabel
import numpy as np
import pytest
import SimpleITK

from fewlabel.volumes.layers import read_named_label
from fewlabel.volumes.reading import UnreadableVolume, read_label, write_volume
from fewlabel.volumes.segments import Segment, named_segments, with_other_names

AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])
NAMES = ["肝臓 <b>", '"it\'s"', "a=b:c&d\\n"]


@pytest.fixture
def array():
    array = np.zeros((6, 7, 8), np.uint8)
    array[1:4, 1:5, 1:6] = 1
    array[2:3, 2:4, 2:5] = 2
    return array


@pytest.mark.parametrize("name", ["label.nii.gz", "label.nii"])
def test_a_nifti_label_says_itself_what_its_values_are_whatever_the_names(tmp_path, array, name):
    path = tmp_path / name
    write_volume(path, array, AFFINE, NAMES)
    assert named_segments(path) == [Segment(name, value) for value, name in enumerate(NAMES, 1)]
    assert np.array_equal(read_label(path).array, array)


@pytest.mark.parametrize("name", ["label.nii.gz", "label.nii"])
def test_itk_and_nibabel_read_a_label_with_names_as_one_without(tmp_path, array, name):
    write_volume(tmp_path / name, array, AFFINE, NAMES)
    write_volume(tmp_path / f"plain {name}", array, AFFINE)
    named, plain = (SimpleITK.ReadImage(str(tmp_path / each)) for each in (name, f"plain {name}"))
    assert np.array_equal(SimpleITK.GetArrayFromImage(named), array.T)
    assert named.GetOrigin() == plain.GetOrigin()
    assert named.GetDirection() == plain.GetDirection()
    assert np.array_equal(np.asarray(nibabel.load(tmp_path / name).dataobj), array)


@pytest.mark.parametrize("name", ["label.nii.gz", "label.nii", "label.seg.nrrd"])
@pytest.mark.parametrize("new", ["x", "肝" * 90])
def test_another_name_in_the_header_leaves_voxels_geometry_and_other_names(
    tmp_path, array, write_segmentation, name, new
):
    path = tmp_path / name
    if name.endswith(".nrrd"):
        write_segmentation(path, array, AFFINE, [("liver", 1), ("tumour", 2)])
    else:
        write_volume(path, array, AFFINE, ["liver", "tumour"])
    before = path.read_bytes()

    def change(each):
        return new if each == "liver" else each

    data = with_other_names(before, change)
    assert data == with_other_names(before, change)
    assert with_other_names(data, change) == data
    path.write_bytes(data)
    assert [(each.name, each.value) for each in named_segments(path)] == [(new, 1), ("tumour", 2)]
    volume = read_label(path)
    assert np.array_equal(volume.array, array)
    np.testing.assert_allclose(volume.affine, AFFINE)
    if name.endswith(".gz"):
        image = SimpleITK.ReadImage(str(path))
        assert np.array_equal(SimpleITK.GetArrayFromImage(image), array.T)


def test_a_label_without_names_is_left_as_it_is(tmp_path, array):
    path = tmp_path / "label.nii.gz"
    write_volume(path, array, AFFINE)
    assert named_segments(path) == []
    for data in (path.read_bytes(), b"ObjectType = Image\n", b""):
        assert with_other_names(data, str.upper) == data


@pytest.mark.parametrize("content", [b"", b"NRRD", b"\x1f\x8b\x08", bytes(400), b"NRRD0004\nSegment0_Name:=a"])
def test_a_damaged_file_names_nothing_or_what_can_be_read(tmp_path, content):
    path = tmp_path / "label.nii.gz"
    path.write_bytes(content)
    assert [each.name for each in named_segments(path)] in ([], ["a"])


def test_any_cut_of_a_named_file_names_nothing_or_the_same(tmp_path, array):
    path = tmp_path / "label.nii"
    write_volume(path, array, AFFINE, NAMES)
    data, names = path.read_bytes()[:700], named_segments(path)
    for length in range(0, 700, 7):
        path.write_bytes(data[:length])
        assert named_segments(path) in ([], names)


def test_segments_are_read_by_name_value_and_layer(tmp_path, array, write_segmentation):
    segments = [("tumour ", 7), ("肝臓", 3, 0)]
    path = write_segmentation(tmp_path / "a.seg.nrrd", np.array([0, 3, 7])[array], AFFINE, segments)
    assert named_segments(path) == [Segment("tumour", 7), Segment("肝臓", 3)]
    volume, info = read_named_label(path, "a")
    assert info == [{"name": "tumour", "idx": 7}, {"name": "肝臓", "idx": 3}]
    assert np.array_equal(volume.array, np.array([0, 3, 7])[array])
    np.testing.assert_allclose(volume.affine, AFFINE)


def test_of_overlapping_layers_the_later_class_counts_and_is_reported(tmp_path, array, write_segmentation):
    layers = np.stack([array == 2, array > 0])
    path = write_segmentation(tmp_path / "a.seg.nrrd", layers, AFFINE, [("tumour", 1, 0), ("liver", 1, 1)])
    volume, info = read_named_label(path, "a", ["Liver", "tumour"])
    assert info == [{"name": "liver", "idx": 1}, {"name": "tumour", "idx": 2}]
    assert np.array_equal(volume.array, array)
    assert f"{(array == 2).sum()} voxels were both 'liver' and 'tumour'" in volume.notes[0]


def test_a_segmentation_of_an_older_slicer_has_a_layer_for_each_segment(tmp_path, array, write_segmentation):
    layers = np.stack([array == 2, array == 1])
    path = write_segmentation(tmp_path / "a.seg.nrrd", layers, AFFINE, [("tumour", 1, 0), ("liver", 1, 1)])
    header, data = path.read_bytes().split(b"\n\n", 1)
    kept = [line for line in header.split(b"\n") if b"_Layer" not in line and b"_LabelValue" not in line]
    path.write_bytes(b"\n".join(kept) + b"\n\n" + data)
    assert named_segments(path) == [Segment("tumour", 1, 0), Segment("liver", 1, 1)]
    volume, _ = read_named_label(path, "a", ["liver", "tumour"])
    assert np.array_equal(volume.array, array)


def test_layers_without_names_or_that_are_not_there_are_refused(tmp_path, array, write_segmentation):
    layers = np.stack([array == 2, array == 1])
    with pytest.raises(UnreadableVolume, match="several layers"):
        read_named_label(write_segmentation(tmp_path / "a.seg.nrrd", layers, AFFINE, []), "a")
    with pytest.raises(UnreadableVolume, match="names a layer that it does not hold"):
        read_named_label(write_segmentation(tmp_path / "b.seg.nrrd", layers, AFFINE, [("liver", 1, 2)]), "b")
