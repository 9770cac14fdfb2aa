"""Segments all scans of a folder: ``python segment.py IMAGES LABELS``. All parameters are in model.json.

Needs numpy, nibabel, SimpleITK and what network.py imports.
"""

import json
import sys
from pathlib import Path

import nibabel.orientations as orientations
import numpy as np
import SimpleITK
from steps import onto, predicted, working_grid

MODEL = json.loads(Path(__file__).with_name("model.json").read_text(encoding="utf-8"))
VALUES = np.array([each["value"] for each in MODEL["classes"]], np.uint8)


def segment(scan: SimpleITK.Image) -> tuple[np.ndarray, np.ndarray]:
    """Label map uint8 (i, j, k) and probabilities float32 (class, i, j, k) of a scan, on its grid."""
    volume = SimpleITK.GetArrayFromImage(scan).T.astype(np.float32)
    volume[~np.isfinite(volume)] = volume[np.isfinite(volume)].min()
    affine = np.eye(4)  # voxel -> mm to the right, anterior, superior; ITK's axes are left, posterior, superior
    affine[:3, :3] = np.array(scan.GetDirection()).reshape(3, 3) @ np.diag(scan.GetSpacing())
    affine[:3, 3] = scan.GetOrigin()
    affine[:2] *= -1
    turn = orientations.ornt_transform(orientations.io_orientation(affine), orientations.axcodes2ornt(MODEL["axes"]))
    back = orientations.ornt_transform(orientations.axcodes2ornt(MODEL["axes"]), orientations.io_orientation(affine))
    turned = orientations.apply_orientation(volume, turn)
    matrix, shape = working_grid(MODEL, affine @ orientations.inv_ornt_aff(turn, volume.shape), turned.shape)
    restoring = np.linalg.inv(matrix)
    restored = [onto(each, restoring, turned.shape) for each in predicted(MODEL, onto(turned, matrix, shape))]
    probabilities = np.stack([orientations.apply_orientation(each, back) for each in restored])
    return VALUES[probabilities.argmax(0)], probabilities


if __name__ == "__main__":
    images, output = Path(sys.argv[1]), Path(sys.argv[2])
    output.mkdir(parents=True, exist_ok=True)
    for path in sorted(path for path in images.iterdir() if path.name.lower().endswith(tuple(MODEL["endings"]))):
        scan = SimpleITK.ReadImage(str(path))
        if scan.GetDimension() == 4 and scan.GetSize()[3] == 1:
            scan = scan[:, :, :, 0]
        labels, probabilities = segment(scan)
        result = SimpleITK.GetImageFromArray(labels.T)
        result.CopyInformation(scan)
        name = path.name.removesuffix(".gz").rpartition(".")[0]
        SimpleITK.WriteImage(result, str(output / f"{name}_seg.nii.gz"))
        if "--probabilities" in sys.argv:
            np.save(output / f"{name}_probabilities.npy", probabilities)
        print(path.name, {each["name"]: int((labels == each["value"]).sum()) for each in MODEL["classes"]})
