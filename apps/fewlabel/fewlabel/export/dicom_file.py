"""One DICOM SEG file: written by highdicom, read back by pydicom-seg."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from fewlabel import __version__
from fewlabel.errors import Refusal
from fewlabel.export.dicom_series import LPS_TO_RAS, Series
from fewlabel.export.terms import LONGEST, term
from fewlabel.volumes.reading import Volume

# DICOM's algorithm type of each kind of label; an unchanged proposal counts as automatic.
_MADE = {"drawn": "MANUAL", "corrected": "SEMIAUTOMATIC", "accepted": "AUTOMATIC", "predicted": "AUTOMATIC"}
_SERIES_NUMBER = 900  # of the new series: higher than those of a scanner usually are


def segmentation(series: Series, label: Volume, classes: tuple[str, ...], kind: str) -> Dataset:
    """A DICOM SEG: one binary segment for each class, in order, so that segment numbers are the study's values.

    Args:
        series: that the scan came from.
        label: uint8, value ``i + 1`` for ``classes[i]``, on the scan's grid.
        classes: of the study.
        kind: drawn, corrected, accepted or predicted.

    Raises:
        Refusal: (422) the label is on another grid than the series.
    """
    import highdicom  # optional: ``Export.needs`` says that it is missing

    turn = series.turn(label.affine, label.array.shape)
    if turn is None:
        raise Refusal("The label is on another grid than its DICOM series: submit it again.", 422)
    array = nibabel.orientations.apply_orientation(label.array, turn)
    first = series.slices[0]
    between = float(f"{np.linalg.norm(series.affine[:3, 2]):.10g}")  # DICOM's numbers have at most 16 characters
    measures = highdicom.PixelMeasuresSequence(
        pixel_spacing=[float(each) for each in first.PixelSpacing],
        slice_thickness=float(first.get("SliceThickness") or between),
        spacing_between_slices=between,
    )
    made = highdicom.seg.Segmentation(
        source_images=list(series.slices),
        pixel_array=np.ascontiguousarray(array.transpose(2, 1, 0)).astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[_description(number, name, kind) for number, name in enumerate(classes, 1)],
        series_instance_uid=generate_uid(),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="FewLabel",
        manufacturer_model_name="FewLabel",
        software_versions=__version__,
        device_serial_number="1",
        pixel_measures=measures,
        omit_empty_frames=True,
        content_label="FEWLABEL",
        content_description="Submitted label" if kind != "predicted" else "Prediction",
        series_description="FewLabel segmentation",
    )
    made.SpecificCharacterSet = "ISO_IR 192"  # UTF-8: class names may be in any script
    return made


def _description(number: int, name: str, kind: str) -> Any:
    import highdicom

    coded, made = term(name), _MADE[kind]
    program = None
    if made != "MANUAL":
        family = Code("123110", "DCM", "Artificial Intelligence")
        program = highdicom.AlgorithmIdentificationSequence("FewLabel", family=family, version=__version__)
    described = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:LONGEST],
        segmented_property_category=coded.category,
        segmented_property_type=coded.type,
        algorithm_type=made,
        algorithm_identification=program,
    )
    if len(name) > LONGEST:
        described.SegmentDescription = name
    if coded.side is not None:
        side = highdicom.sr.CodedConcept.from_code(coded.side)
        described.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [side]
    return described


def read_file(path: Path, like: Volume) -> np.ndarray:
    """The label map of a DICOM SEG as pydicom-seg reads it, on the grid of a volume; 0 in slices that it omits.

    Raises:
        Refusal: (500) it has another affine.
    """
    import pydicom_seg  # another library than the one that wrote it; MONAI Label needs it anyway

    found, orientations = pydicom_seg.MultiClassReader().read(pydicom.dcmread(path)), nibabel.orientations
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(found.direction).reshape(3, 3) * np.asarray(found.spacing)
    affine[:3, 3] = found.origin
    affine, array = LPS_TO_RAS @ affine, found.data.transpose(2, 1, 0)
    turn = orientations.ornt_transform(orientations.io_orientation(affine), orientations.io_orientation(like.affine))
    affine = affine @ orientations.inv_ornt_aff(turn, array.shape)
    array = orientations.apply_orientation(array, turn)
    offset = np.linalg.solve(like.affine, affine[:, 3])[:3]
    start, whole = np.rint(offset).astype(int), np.zeros(like.array.shape, np.uint8)
    fits = np.allclose(affine[:3, :3], like.affine[:3, :3], atol=1e-3) and np.allclose(offset, start, atol=0.1)
    if not fits or (start < 0).any() or (start + array.shape > whole.shape).any():
        raise Refusal(f"{path.name} has another affine than its scan.", 500)
    whole[tuple(slice(first, first + side) for first, side in zip(start, array.shape, strict=True))] = array
    return whole
