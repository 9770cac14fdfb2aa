"""Faults in the model's exports: what is written, and how it runs by itself."""

from experiments.mutants.fault import Fault

_CONTRACT = "tests/export/test_contract.py::test_"
_NEWEST = _CONTRACT + "run_by_itself_it_gives_the_server_s_label_map_of_the_newest_model[bundle]"
_ELSEWHERE = _CONTRACT + "it_runs_elsewhere_without_study_and_fewlabel_on_all_images_of_a_folder[bundle]"
_WHOLE = _CONTRACT + "it_is_written_whole_and_leaves_nothing_else"

EXPORT = (
    Fault(
        "the weights of another training are exported",
        "export/bundle.py",
        '{"model": model.network.state_dict()}',
        '{"model": networks.find(model.plan.network)(len(model.plan.classes) + 1).state_dict()}',
        _NEWEST,
    ),
    Fault(
        "the bundle forgets the files that stock MONAI lacks",
        "export/bundle.py",
        "    if sources:\n",
        "    if False:\n",
        _ELSEWHERE,
    ),
    Fault(
        "the bundle writes no readme",
        "export/bundle.py",
        '(folder / "docs" / "README.md").write_text',
        "str",
        _WHOLE,
    ),
    Fault(
        "the card is not in the bundle's metadata",
        "export/metadata.py",
        '        "fewlabel": _card(model),\n',
        "",
        _WHOLE,
    ),
    Fault(
        "the classes are in the card in another order",
        "export/metadata.py",
        '"dice": measured.get(name)} for name in model.plan.classes]',
        '"dice": measured.get(name)} for name in sorted(model.plan.classes, reverse=True)]',
        _CONTRACT + "class_names_are_data_and_in_its_card",
    ),
    Fault(
        "the bundle's windows overlap less than the server's",
        "export/configs.py",
        "sliding_window(plan, 0.5)",
        "sliding_window(plan, 0.1)",
        _NEWEST,
    ),
    Fault(
        "the bundle's windows are not weighted as the server's",
        "export/configs.py",
        '"mode": "gaussian"',
        '"mode": "constant"',
        _NEWEST,
    ),
    Fault(
        "the bundle sees scans from the other side",
        "export/configs.py",
        '"axcodes": "RAS"',
        '"axcodes": "LAS"',
        _NEWEST,
    ),
    Fault(
        "the bundle keeps the spacing of the scan",
        "export/configs.py",
        '"pixdim": list(plan.spacing)',
        '"pixdim": [1.0, 1.0, 1.0]',
        _NEWEST,
    ),
    Fault(
        "the bundle does not squash CT values",
        "export/configs.py",
        '{"_target_": "Activationsd", "keys": "image", "sigmoid": True}',
        '{"_target_": "EnsureTyped", "keys": "image"}',
        _ELSEWHERE,
    ),
    Fault(
        "a class name is an expression of MONAI",
        "export/configs.py",
        'return f" {name}" if name.startswith(("$", "@", "%")) else name',
        "return name",
        "tests/test_names_are_data.py::test_a_bundle_says_the_name_as_text_and_monai_runs_looks_up_and_builds_nothing",
    ),
)
