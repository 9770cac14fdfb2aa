"""MetaImage files (.mha): read where ITK and Slicer show them, or refused in words."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from fewlabel.volumes.reading import UnreadableVolume, read_grid, read_label, read_volume, write_volume

SHAPE = (5, 6, 7)
TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]


def scan(dtype: str = "int16") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 100, SHAPE).astype(dtype)


def header(**fields: str) -> bytes:
    usual = {"ObjectType": "Image", "NDims": "3", "DimSize": "5 6 7", "ElementType": "MET_SHORT"}
    lines = [f"{key} = {value}" for key, value in {**usual, "ElementDataFile": "LOCAL", **fields}.items() if value]
    last = [line for line in lines if line.startswith("ElementDataFile")]
    return "\n".join([*(line for line in lines if line not in last), *last, ""]).encode()


def voxels(dtype: str = "<i2") -> bytes:
    return scan().astype(dtype).tobytes(order="F")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", TYPES)
def test_a_file_of_itk_is_read_as_itk_reads_it(tmp_path, dtype, compressed):
    image = SimpleITK.GetImageFromArray(scan(dtype).transpose())
    turn = SimpleITK.Euler3DTransform((0, 0, 0), 0.3, -0.2, 1.1)
    image.SetDirection(turn.GetMatrix())
    image.SetSpacing((0.7, 1.25, 3.0))
    image.SetOrigin((-11.5, 20.25, 7.0))
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"), compressed)
    again = SimpleITK.ReadImage(str(tmp_path / "a.mha"))
    volume = read_volume(tmp_path / "a.mha")
    np.testing.assert_array_equal(volume.array, SimpleITK.GetArrayFromImage(again).transpose().astype(np.float32))
    for index in ((0, 0, 0), (4, 0, 0), (0, 5, 0), (0, 0, 6), (4, 5, 6)):
        x, y, z = again.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose((volume.affine @ [*index, 1])[:3], [-x, -y, z], atol=1e-5)
    np.testing.assert_array_equal(read_grid(tmp_path / "a.mha").affine, volume.affine)


def test_big_endian_old_names_and_a_label_are_read(tmp_path):
    old = header(BinaryDataByteOrderMSB="True", Orientation="0 1 0 1 0 0 0 0 1", Position="1 2 3", ElementSize="2 3 4")
    (tmp_path / "a.mha").write_bytes(old + voxels(">i2"))
    again = SimpleITK.ReadImage(str(tmp_path / "a.mha"))
    label = read_label(tmp_path / "a.mha")
    np.testing.assert_array_equal(label.array, scan())
    x, y, z = again.TransformIndexToPhysicalPoint((1, 2, 3))
    np.testing.assert_allclose((label.affine @ [1, 2, 3, 1])[:3], [-x, -y, z], atol=1e-5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (header(ElementDataFile="/etc/passwd"), "another file"),
        (header(ElementDataFile="a.raw") + voxels(), "another file"),
        (header(ElementDataFile="LIST") + voxels(), "another file"),
        (header() + voxels()[:-1], "cut short"),
        (header(CompressedData="True") + zlib.compress(voxels())[:-3], "cut short"),
        (header(CompressedData="True") + zlib.compress(voxels() + b"x"), "more data"),
        (header(CompressedData="True") + b"nothing", "damaged"),
        (header(ElementNumberOfChannels="3") + voxels() * 3, "colours"),
        (header(NDims="4", DimSize="5 6 7 2") + voxels() * 2, "4 dimensions"),
        (header(NDims="2", DimSize="30 7") + voxels(), "only 2"),
        (header(NDims="4") + voxels(), "NDims"),
        (header(DimSize="5 6 -7") + voxels(), "without voxels"),
        (header(DimSize="50000 60000 70000") + voxels(), "too large"),
        (header(DimSize="five 6 7") + voxels(), "cannot be read"),
        (header(ElementType="MET_STRING") + voxels(), "MET_STRING"),
        (header(BinaryData="False") + voxels(), "unusual"),
        (header(HeaderSize="-1") + voxels(), "unusual"),
        (header(ElementToIntensityFunctionSlope="2") + voxels(), "unusual"),
        (header(TransformMatrix="1 0 0") + voxels(), "too few numbers"),
        (header(ElementSpacing="1 1 0") + voxels(), "geometry"),
        (header(ElementSpacing="1 1 nan") + voxels(), "geometry"),
        (header(ObjectType="Tube") + voxels(), "something else"),
        (b"NDims = 3\nNDims = 3\nElementDataFile = LOCAL\n", "damaged"),
        (b"\x00" * 100, "not a MetaImage"),
        (b"Comment = " + b"x" * 2**17, "not a MetaImage"),
        (b"", "empty"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(tmp_path, content, words):
    (tmp_path / "a.mha").write_bytes(content)
    with pytest.raises(UnreadableVolume, match=words) as refusal:
        read_volume(tmp_path / "a.mha")
    assert str(refusal.value).startswith("a.mha ")
    assert str(refusal.value).endswith(".")


def test_a_damaged_checksum_is_found(tmp_path):
    packed = bytearray(zlib.compress(voxels()))
    packed[-1] ^= 1
    (tmp_path / "a.mha").write_bytes(header(CompressedData="True") + packed)
    with pytest.raises(UnreadableVolume, match="damaged"):
        read_volume(tmp_path / "a.mha")


def test_it_is_read_but_not_written(tmp_path: Path):
    with pytest.raises(ValueError, match="extension"):
        write_volume(tmp_path / "a.mha", scan(), np.eye(4))
    assert not list(tmp_path.iterdir())
