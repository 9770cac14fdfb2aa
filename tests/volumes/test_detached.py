"""Volumes in two files: only the plain name of a file beside the header is followed, whatever the header says."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from fewlabel.volumes.detached import data_file, write_attached
from fewlabel.volumes.reading import UnreadableVolume, read_volume

SECRET = b"the password"


def scan() -> np.ndarray:
    return np.random.default_rng(0).integers(-5, 100, (5, 6, 7)).astype(np.int16)


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """A folder beside a secret file; ``sub`` holds a.mhd with a.raw and b.nhdr with b.raw.gz."""
    (tmp_path / "secret.raw").write_bytes(SECRET * 100)
    folder = tmp_path / "studies" / "sub"
    folder.mkdir(parents=True)
    image = SimpleITK.GetImageFromArray(scan().transpose())
    image.SetSpacing((0.7, 1.25, 3.0))
    image.SetOrigin((-11.5, 20.25, 7.0))
    SimpleITK.WriteImage(image, str(folder / "a.mhd"))
    SimpleITK.WriteImage(image, str(folder / "b.nhdr"), True)
    return folder.parent


def name(header: Path, named: str) -> Path:
    """Let a header name another file of voxels."""
    kept = [line for line in header.read_text().splitlines() if "data" not in line.lower() or "Compressed" in line]
    last = f"ElementDataFile = {named}" if header.suffix == ".mhd" else f"data file: {named}"
    header.write_text("\n".join([*(line for line in kept if line), last, ""]))
    return header


@pytest.mark.parametrize("file", ["a.mhd", "b.nhdr"])
def test_it_becomes_one_nrrd_with_the_same_voxels_and_geometry(studies, tmp_path, file):
    write_attached(studies / "sub" / file, studies, tmp_path / "one.nrrd")
    one, two = (SimpleITK.ReadImage(str(path)) for path in (tmp_path / "one.nrrd", studies / "sub" / file))
    assert one.GetPixelID() == two.GetPixelID()
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(one), SimpleITK.GetArrayFromImage(two))
    np.testing.assert_allclose(one.GetOrigin(), two.GetOrigin())
    np.testing.assert_allclose(one.GetSpacing(), two.GetSpacing(), atol=1e-6)
    np.testing.assert_array_equal(read_volume(tmp_path / "one.nrrd").array, scan())


@pytest.mark.parametrize("file", ["a.mhd", "b.nhdr"])
@pytest.mark.parametrize(
    "named",
    [
        "{secret}",
        "../../secret.raw",
        "../sub/a.raw",
        "./a.raw",
        "..",
        ".",
        "sub/a.raw",
        "..\\secret.raw",
        "C:secret.raw",
        "LIST",
        "LIST 2",
        "slice%03d.raw 1 7 1",
        "file%2e.raw",
        ".hidden.raw",
        "missing.raw",
        "folder",
    ],
)
def test_only_a_plain_name_beside_it_is_followed(studies, tmp_path, file, named):
    (studies / "sub" / "folder").mkdir()
    (studies / "sub" / ".hidden.raw").write_bytes(SECRET)
    header = name(studies / "sub" / file, named.format(secret=tmp_path / "secret.raw"))
    with pytest.raises(UnreadableVolume):
        data_file(header, studies)
    with pytest.raises(UnreadableVolume):
        write_attached(header, studies, tmp_path / "one.nrrd")
    assert not (tmp_path / "one.nrrd").exists()


@pytest.mark.parametrize("file", ["a.mhd", "b.nhdr"])
def test_links_are_followed_inside_the_folder_only(studies, tmp_path, file):
    header = name(studies / "sub" / file, "link.raw")
    link = studies / "sub" / "link.raw"
    link.symlink_to(tmp_path / "secret.raw")
    with pytest.raises(UnreadableVolume, match="outside the folder"):
        data_file(header, studies)
    link.unlink()
    (studies / ".state").mkdir()
    (studies / ".state" / "kept.raw").write_bytes(SECRET)
    link.symlink_to(studies / ".state" / "kept.raw")
    with pytest.raises(UnreadableVolume, match="outside the folder"):
        data_file(header, studies)
    link.unlink()
    link.symlink_to("link.raw")
    with pytest.raises(UnreadableVolume, match="not there"):
        data_file(header, studies)
    link.unlink()
    (studies / "elsewhere.raw").write_bytes(b"x")
    link.symlink_to(studies / "elsewhere.raw")
    assert data_file(header, studies) == studies / "elsewhere.raw"


def test_a_header_that_is_itself_a_link_to_the_outside_is_refused(studies, tmp_path):
    outside = tmp_path / "outside.mhd"
    (studies / "sub" / "a.mhd").rename(outside)
    (studies / "sub" / "a.mhd").symlink_to(outside)
    with pytest.raises(UnreadableVolume, match="outside the folder"):
        data_file(studies / "sub" / "a.mhd", studies)


def test_a_header_that_names_itself_is_refused(studies):
    with pytest.raises(UnreadableVolume, match="not a file of voxels"):
        data_file(name(studies / "sub" / "a.mhd", "a.mhd"), studies)


@pytest.mark.parametrize(("file", "voxels"), [("a.mhd", "a.raw"), ("b.nhdr", "b.raw.gz")])
def test_voxels_that_are_cut_short_are_refused(studies, tmp_path, file, voxels):
    path = studies / "sub" / voxels
    content = path.read_bytes()
    cut = gzip.compress(gzip.decompress(content)[:-9]) if voxels.endswith(".gz") else content[:-9]
    path.write_bytes(cut)
    with pytest.raises(UnreadableVolume):
        write_attached(studies / "sub" / file, studies, tmp_path / "one.nrrd")


def test_a_header_in_the_reader_of_uploads_is_refused(studies):
    for file in ("a.mhd", "b.nhdr"):
        with pytest.raises(UnreadableVolume, match="file format that is not supported"):
            read_volume(studies / "sub" / file)
