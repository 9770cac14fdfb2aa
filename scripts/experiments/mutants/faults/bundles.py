"""Faults in a bundle's training and metadata."""

from experiments.mutants.fault import Fault

_COMMANDS = "tests/export/test_bundle_commands.py::test_"
_GOES_ON = _COMMANDS + "the_training_goes_on_from_the_exported_weights_and_keeps_the_best"

BUNDLES = (
    Fault(
        "the bundle's training begins with random weights",
        "export/training.py",
        "            dict(CHECKPOINT),\n",
        "",
        _GOES_ON,
    ),
    Fault(
        "the exported weights are not measured before others replace them",
        "export/training.py",
        '"exec_at_start": True',
        '"exec_at_start": False',
        _GOES_ON,
    ),
    Fault(
        "the bundle's training measures on what it learns from",
        "export/training.py",
        '"$@datalist[: -@measuring] or @datalist"',
        '"$@datalist"',
        _COMMANDS + "monai_finds_all_properties_of_a_training",
    ),
    Fault(
        "the bundle's metadata name no schema",
        "export/metadata.py",
        '        "schema": SCHEMA,\n',
        "",
        _COMMANDS + "monai_verifies_the_metadata_by_the_schema_that_they_name",
    ),
    Fault(
        "a version that no index has is pinned",
        "export/metadata.py",
        "{version.split('+')[0]}",
        "{version}+cpu",
        "tests/export/test_bundle.py::test_the_packages_are_pinned_to_the_versions_that_are_here",
    ),
    Fault(
        "MONAI Label takes the bundle for a detection",
        "export/bundle.py",
        "if word in name.lower()]",
        "if word == name]",
        "tests/export/test_bundle.py::test_a_name_by_which_monai_label_would_take_it_for_another_kind_is_refused",
    ),
    Fault(
        "V-Net cannot be said in TorchScript",
        "networks/vnet.py",
        "features: list[Tensor]) -> Tensor:",
        "features: Sequence[Tensor]) -> Tensor:",
        _COMMANDS + "monai_verifies_every_network_and_makes_the_same_one_as_torchscript[vnet]",
    ),
)
