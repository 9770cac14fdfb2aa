"""Faults in the study as a data set in other formats: which labels are exported, and how they are read back."""

from experiments.mutants.fault import Fault

_DATA = "tests/export/test_datasets.py::test_"
_VOXELS = _DATA + "voxels_and_grid_of_every_file_are_the_study_s"
_TABLE = _DATA + "the_table_says_who_submitted_what_when_and_the_checksums_fit"
_APART = _DATA + "scans_with_a_label_and_those_without_are_apart_and_an_accepted_one_is_without"
_BACK = "tests/export/test_contract.py::test_it_is_read_back_as_the_study_has_it_and_a_change_is_noticed"
_WRITES = "write_volume(folder / label, read_label(case.label()).array, volume.affine)"

DATASETS = (
    Fault(
        "a label's rows are flipped", "export/layout.py", _WRITES, _WRITES.replace(".array", ".array[:, ::-1]"), _BACK
    ),
    Fault(
        "the label of another scan is exported",
        "export/layout.py",
        _WRITES,
        _WRITES.replace("read_label(case.label()).array", "0 * read_label(case.label()).array"),
        _BACK,
    ),
    Fault(
        "a scan that is written anew has its axes in another order",
        "export/layout.py",
        "_in_least_room(volume.array), volume.affine",
        "_in_least_room(volume.array.transpose(2, 1, 0)), volume.affine",
        _VOXELS,
    ),
    Fault(
        "a label lies elsewhere than its scan",
        "export/layout.py",
        _WRITES,
        _WRITES.replace("volume.affine", "np.eye(4)"),
        _VOXELS,
    ),
    Fault(
        "intensities with decimals are rounded",
        "export/layout.py",
        " and np.array_equal(array, np.rint(array))",
        "",
        _VOXELS,
    ),
    Fault(
        "what was put right in a scan is not put right in the data set",
        "export/layout.py",
        "image.name.endswith(ENDING) and not volume.notes",
        "image.name.endswith(ENDING)",
        _VOXELS,
    ),
    Fault(
        "an accepted label is exported unasked",
        "export/layout.py",
        'case.kind == "accepted" and not source.options.accepted',
        "False",
        _APART,
    ),
    Fault(
        "a label that cannot be used ends the export",
        "export/layout.py",
        "    except Refusal as refusal:\n        return str(refusal)\n",
        "    except ZeroDivisionError as refusal:\n        return str(refusal)\n",
        _DATA + "a_label_that_cannot_be_used_is_left_out_with_the_reason",
    ),
    Fault(
        "the checksum is of the study's file",
        "export/layout.py",
        "_sha256(folder / image),",
        "_sha256(case.image),",
        _TABLE,
    ),
    Fault(
        "who submitted a label is lost",
        "export/dataset.py",
        "return str(said) if said else None",
        "return None",
        _TABLE,
    ),
    Fault(
        "nothing says which cases validate",
        "export/dataset.py",
        "case in validation)",
        "False)",
        _TABLE,
    ),
    Fault(
        "a scan is compared with itself",
        "export/read_back.py",
        "np.isclose(found, image.array, rtol=1e-6, atol=0)",
        "np.isfinite(found)",
        _BACK,
    ),
    Fault(
        "a label is compared with itself",
        "export/read_back.py",
        'read_label(case.label()).array, with_itk(folder / row["label"], image)',
        "*[read_label(case.label()).array] * 2",
        _BACK,
    ),
    Fault(
        "where a file lies is not looked at",
        "export/read_back.py",
        "if array.shape == image.array.shape and not same_grid",
        "if False and not same_grid",
        _DATA + "a_file_that_lies_elsewhere_in_space_is_reported",
    ),
    Fault(
        "nnU-Net is given the classes in another order",
        "export/nnunet.py",
        "enumerate(source.classes, 1)",
        "enumerate(reversed(source.classes), 1)",
        _DATA + "nnunet_gets_names_and_a_split_of_the_study_s_own_validation",
    ),
    Fault(
        "nnU-Net trains on the validation cases",
        "export/nnunet.py",
        '[{"train": others, "val": kept}]',
        '[{"train": others + kept, "val": kept}]',
        _DATA + "nnunet_gets_names_and_a_split_of_the_study_s_own_validation",
    ),
    Fault(
        "the Decathlon layout has the classes in another order",
        "export/msd.py",
        "enumerate(source.classes, 1)",
        "enumerate(reversed(source.classes), 1)",
        _DATA + "monai_reads_the_decathlon_layout",
    ),
)
