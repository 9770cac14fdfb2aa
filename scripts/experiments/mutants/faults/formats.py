"""Faults in the exports as TorchScript, as ONNX and for Slicer's MONAIAuto3DSeg."""

from experiments.mutants.fault import Fault

_TORCHSCRIPT = "tests/export/alone/test_torchscript.py::test_"
_ONNX = "tests/export/alone/test_onnx.py::test_"
_ONNX_GRID = _ONNX + "label_maps_are_the_server_s_on_every_grid"
_NUMPY = _ONNX + "the_numbers_that_numpy_and_scipy_give_are_torch_s"
_SLICER = "tests/export/alone/test_auto3dseg.py::test_"
_OWN = _SLICER + "with_nothing_but_the_extension_s_differences_our_own_network_gives_its_label_maps[meanstd-None]"
_OFFER = _SLICER + "of_a_mean_the_better_network_is_offered_with_its_own_dice_and_exported_alone"
_BUILT = _SLICER + "every_network_of_monai_is_built_from_plain_types_and_loaded_strictly[unet_small]"

FORMATS = (
    Fault(
        "the exported network knows one size of crops",
        "export/torchscript.py",
        "network = torch.jit.trace(model.network, ",
        "network = torch.jit.trace(lambda crops: model.network(crops.reshape(1, 1, *model.plan.patch)), ",
        _TORCHSCRIPT + "every_network_gives_the_same_logits_for_crops_of_another_size_and_number[unet_small]",
    ),
    Fault(
        "ONNX is of one size of crops",
        "export/onnx.py",
        'dynamic_axes={"image": _AXES, "logits": _AXES},',
        "",
        _ONNX + "every_network_gives_the_same_probabilities_for_crops_of_another_size_and_number[unet_small]",
    ),
    Fault(
        "ONNX may differ as it likes",
        "export/onnx.py",
        "LARGEST_SHARE = 1e-4",
        "LARGEST_SHARE = 1.0",
        _ONNX + "at_most_one_voxel_in_ten_thousand_may_differ",
    ),
    Fault(
        "ONNX is offered without its packages",
        "export/onnx.py",
        'needs=("onnx", "onnxruntime"),',
        "",
        _ONNX + "without_its_packages_it_is_refused_in_one_sentence_and_writes_nothing",
    ),
    Fault(
        "numpy's softmax is over the voxels",
        "export/alone/onnx_network.py",
        "likely / likely.sum(0)",
        "likely / likely.sum()",
        _NUMPY,
    ),
    Fault(
        "scipy takes the nearest voxel",
        "export/alone/onnx_network.py",
        "order=1",
        "order=0",
        _ONNX_GRID,
    ),
    Fault(
        "the extension is given another voxel size",
        "export/auto3dseg.py",
        '"resample_resolution": list(plan.spacing)',
        '"resample_resolution": [1.0, 1.0, 1.0]',
        _OWN,
    ),
    Fault(
        "the extension is given another normalisation",
        "export/auto3dseg.py",
        '"normalize_mode": plan.normalisation',
        '"normalize_mode": "meanstd"',
        _OWN.replace("meanstd-None", "ct-bounds1"),
    ),
    Fault(
        "the extension crops to the foreground",
        "export/auto3dseg.py",
        '"crop_foreground": False',
        '"crop_foreground": True',
        _OWN,
    ),
    Fault(
        "the extension does not turn the axes",
        "export/auto3dseg.py",
        '"orientation_ras": True',
        '"orientation_ras": False',
        _OWN,
    ),
    Fault(
        "the extension is given what only a pickle holds",
        "export/auto3dseg.py",
        '"roi_size": list(plan.patch)',
        '"roi_size": type("Plan", (), {"patch": plan.patch})',
        _BUILT,
    ),
    Fault(
        "the extension's labels are numbered from nothing",
        "export/auto3dseg.py",
        "for value, name in enumerate(classes, 1))",
        "for value, name in enumerate(classes))",
        _SLICER + "class_names_are_text_in_the_list_of_labels_and_keep_their_values",
    ),
    Fault(
        "the worse network of a mean is offered",
        "export/single.py",
        "reverse=True",
        "reverse=False",
        _OFFER,
    ),
    Fault(
        "one network goes under the Dice of the mean",
        "export/single.py",
        '"validation": dice}',
        '"validation": model.card["validation"]}',
        "tests/export/alone/test_single.py::test_the_better_network_of_a_mean_becomes_a_model_with_its_own_dice",
    ),
    Fault(
        "a network that the extension cannot build is written",
        "export/auto3dseg.py",
        "return not find(network).sources",
        "return True",
        _SLICER + "it_is_never_written_where_the_extension_could_not_build_it",
    ),
    Fault(
        "a low Dice against the server passes",
        "export/auto3dseg.py",
        "dice < LEAST_DICE",
        "dice < 0",
        _SLICER + "a_low_dice_counts_where_the_voxel_size_is_the_plan_s",
    ),
    Fault(
        "an export that runs otherwise is not compared with our network run so",
        "export/base.py",
        "self.run, images, self.like)",
        "self.run, images)",
        _SLICER
        + "against_the_server_dice_and_differing_voxels_of_each_class_are_reported_and_high_at_the_plan_s_voxel_size",
    ),
    Fault(
        "the Dice of each network of a mean is forgotten",
        "training/publish.py",
        "            **self._alone(chosen),\n",
        "",
        "tests/training/test_publish.py::test_with_a_mean_of_networks_the_dice_of_each_alone_is_in_the_card",
    ),
)
