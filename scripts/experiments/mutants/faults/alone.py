"""Faults in the scripts that an exported network needs around it, and in the numbers that they go by."""

from experiments.mutants.fault import Fault

_TORCHSCRIPT = "tests/export/alone/test_torchscript.py::test_"
_EVERY_GRID = _TORCHSCRIPT + "label_maps_are_the_server_s_on_every_grid[meanstd-None-classes0]"
_CT = _TORCHSCRIPT + "label_maps_are_the_server_s_on_every_grid[ct-bounds1-classes1]"
_COUNTS = _TORCHSCRIPT + "every_number_of_the_sidecar_counts"
_FILES = _TORCHSCRIPT + "nrrd_scaled_integers_missing_values_and_a_fourth_dimension_are_read_as_the_server_reads_them"
_STEPS = "tests/export/alone/test_steps.py::test_"
_GRID = _STEPS + "the_working_grid_and_what_lies_on_it_are_monai_s_there_and_back[0]"
_WINDOWS = _STEPS + "windows_are_blended_as_monai_does_to_the_last_bit"

ALONE = (
    Fault(
        "the sidecar has another spacing",
        "export/sidecar.py",
        '"spacing": list(plan.spacing)',
        '"spacing": [1.0, 1.0, 1.0]',
        _EVERY_GRID,
    ),
    Fault(
        "the sidecar has the spacing in the order of the file's axes",
        "export/sidecar.py",
        '"spacing": list(plan.spacing)',
        '"spacing": list(plan.spacing)[::-1]',
        _EVERY_GRID,
    ),
    Fault("the sidecar has another orientation", "export/sidecar.py", '"axes": "RAS"', '"axes": "LPS"', _EVERY_GRID),
    Fault(
        "the sidecar's windows overlap otherwise than the server's",
        "export/sidecar.py",
        '"overlap": used.overlap',
        '"overlap": 0.25',
        _EVERY_GRID,
    ),
    Fault(
        "the sidecar's window of a CT is not the plan's",
        "export/sidecar.py",
        '"window": list(plan.window)',
        '"window": [-1000.0, 1000.0]',
        _CT,
    ),
    Fault(
        "the sidecar lists the classes in another order",
        "export/sidecar.py",
        "for value, name in enumerate(names)]",
        "for value, name in zip((0, *range(len(names) - 1, 0, -1)), names, strict=True)]",
        _CT,
    ),
    Fault(
        "the example forgets to normalise",
        "export/alone/steps.py",
        'normalised(model["intensity"], volume)))',
        "volume))",
        _EVERY_GRID,
    ),
    Fault(
        "the example forgets the softmax",
        "export/alone/steps.py",
        "return softmax(blended(",
        "return (lambda logits: logits)(blended(",
        _EVERY_GRID,
    ),
    Fault(
        "the example takes the likeliest class over another axis",
        "export/alone/segment.py",
        "probabilities.argmax(0)",
        "probabilities.argmax(1)",
        _EVERY_GRID,
    ),
    Fault(
        "the example takes the axes of the file as they come",
        "export/alone/segment.py",
        "turned = orientations.apply_orientation(volume, turn)",
        "turned = volume",
        _EVERY_GRID,
    ),
    Fault(
        "the example leaves the axes turned",
        "export/alone/segment.py",
        "orientations.apply_orientation(each, back)",
        "each",
        _EVERY_GRID,
    ),
    Fault(
        "the example reads ITK's axes as nibabel's",
        "export/alone/segment.py",
        "    affine[:2] *= -1\n",
        "",
        _EVERY_GRID,
    ),
    Fault(
        "the example ignores the orientation of the sidecar",
        "export/alone/segment.py",
        'orientations.ornt_transform(orientations.io_orientation(affine), orientations.axcodes2ornt(MODEL["axes"]))',
        'orientations.ornt_transform(orientations.io_orientation(affine), orientations.axcodes2ornt("RAS"))',
        _TORCHSCRIPT + "labels_lie_where_the_intensities_do_whatever_the_axes_of_the_network[LAS]",
    ),
    Fault(
        "the example ignores the values of the classes",
        "export/alone/segment.py",
        'each["value"] for each in MODEL["classes"]], np.uint8)',
        'index for index, _ in enumerate(MODEL["classes"])], np.uint8)',
        _TORCHSCRIPT + "classes_may_have_any_values",
    ),
    Fault(
        "the example lets missing values through",
        "export/alone/segment.py",
        "    volume[~np.isfinite(volume)] = volume[np.isfinite(volume)].min()\n",
        "",
        _FILES,
    ),
    Fault(
        "both grids always begin at one corner",
        "export/alone/steps.py",
        "    if lowest:\n        target[:3, 3] = (affine @ corners)[:3, lowest[0]]",
        "    if True:\n        target[:3, 3] = (affine @ corners)[:3, 0]",
        _GRID,
    ),
    Fault(
        "a side that ends between two whole numbers is rounded up",
        "export/alone/steps.py",
        "np.round(np.ptp(positions, axis=1) + 1)",
        "np.floor(np.ptp(positions, axis=1) + 1.5)",
        _STEPS + "a_side_that_ends_midway_between_two_whole_numbers_is_rounded_as_monai_rounds_it",
    ),
    Fault(
        "a voxel size that is nearly the plan's is resampled",
        "export/alone/steps.py",
        '<= model["spacing_tolerance"]',
        "<= 0",
        _GRID,
    ),
    Fault(
        "windows are not weighted",
        "export/alone/steps.py",
        'exp(distance**2 / np.float32(-2 * (windows["sigma"] * size) ** 2))',
        "exp(distance * 0)",
        _WINDOWS,
    ),
    Fault(
        "the weight of a window's corners is as small as it comes",
        "export/alone/steps.py",
        'max(weights.min(), np.float32(windows["least_weight"]))',
        "weights.min()",
        _WINDOWS,
    ),
    Fault(
        "a small scan is padded on one side only",
        "export/alone/steps.py",
        "[(each // 2, each - each // 2) for each in missing]",
        "[(0, each) for each in missing]",
        _WINDOWS,
    ),
    Fault(
        "a scan is normalised with its zeros",
        "export/alone/steps.py",
        "mean_and_deviation(volume[inside])",
        "mean_and_deviation(volume)",
        _STEPS + "intensities_are_monai_s_to_the_last_bit",
    ),
    Fault(
        "outside of the scan there is nothing",
        "export/alone/torchscript_network.py",
        'padding_mode="border"',
        'padding_mode="zeros"',
        _GRID,
    ),
)
