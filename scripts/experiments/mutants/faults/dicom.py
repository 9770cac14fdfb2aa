"""Faults in DICOM SEG: the series, the codes, the file."""

from experiments.mutants.fault import Fault

_SERIES = "tests/export/dicom/test_dicom_series.py::test_"
_FILE = "tests/export/dicom/test_dicomseg.py::test_"
_ORDER = _SERIES + "slices_are_ordered_by_position_and_lie_where_the_headers_say"
_BACK = _FILE + "every_case_is_read_back_by_another_library_voxel_for_voxel"

DICOM = (
    Fault(
        "slices lie in the order of their files",
        "export/dicom_series.py",
        "order = np.argsort(_along([header for _, header in slices]))",
        "order = np.arange(len(slices))",
        _ORDER,
    ),
    Fault(
        "DICOM's left is taken for NIfTI's",
        "export/dicom_series.py",
        "        LPS_TO_RAS @ affine,\n",
        "        affine,\n",
        _ORDER,
    ),
    Fault(
        "a series that lacks a slice is a volume",
        "export/dicom_series.py",
        "if steps.size and np.ptp(steps) > _UNEVEN * steps.mean():",
        "if False:",
        _SERIES + "a_series_that_is_no_volume_is_refused_with_the_reason",
    ),
    Fault(
        "a series is chosen by its grid alone",
        "export/dicom_series.py",
        ">= _ALIKE",
        ">= -1",
        _SERIES + "of_two_series_on_one_grid_the_one_that_shows_the_scan_is_taken",
    ),
    Fault(
        "a series of the same size has the same grid",
        "export/dicom_series.py",
        " and agree(self.shape, turned, self.affine)",
        "",
        _SERIES + "a_scan_on_another_grid_is_refused",
    ),
    Fault(
        "the rows of a label are flipped",
        "export/dicom_file.py",
        "array.transpose(2, 1, 0)).astype",
        "array.transpose(2, 1, 0)[:, ::-1]).astype",
        _BACK,
    ),
    Fault(
        "slices lie as far apart as they are thick",
        "export/dicom_file.py",
        "spacing_between_slices=between",
        "spacing_between_slices=float(first.SliceThickness)",
        _FILE + "a_series_of_thick_slices_is_read_back_by_the_distance_of_the_slices",
    ),
    Fault(
        "what a person drew is a program's", "export/dicom_file.py", '"drawn": "MANUAL"', '"drawn": "AUTOMATIC"', _BACK
    ),
    Fault(
        "left and right are one",
        "export/dicom_file.py",
        "    if coded.side is not None:",
        "    if False:",
        _FILE + "segments_are_in_the_study_s_order_and_coded_by_snomed_or_by_name",
    ),
    Fault(
        "a plural is another structure",
        "export/terms.py",
        'key.removesuffix("s")',
        "key",
        "tests/export/dicom/test_terms.py::test_a_name_that_snomed_knows_has_its_code",
    ),
    Fault(
        "what cannot be a DICOM SEG is written all the same",
        "export/dicomseg.py",
        "    refuses=refuses,\n",
        "",
        _FILE + "what_cannot_be_exported_is_refused_in_words_before_anything_is_written",
    ),
    Fault(
        "predictions have the model's order of classes",
        "export/dicomseg.py",
        "values_between(source.model.plan.classes, source.classes)",
        "np.arange(256, dtype=np.uint8)",
        _FILE + "predictions_are_exported_in_the_study_s_order_of_classes",
    ),
)
