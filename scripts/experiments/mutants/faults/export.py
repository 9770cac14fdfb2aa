"""Faults in the exports: what is written, how it runs by itself, and what is offered."""

from experiments.mutants.fault import Fault

_CONTRACT = "tests/export/test_contract.py::test_"
_NEWEST = _CONTRACT + "run_by_itself_it_gives_the_server_s_label_map_of_the_newest_model"
_ELSEWHERE = _CONTRACT + "it_runs_elsewhere_without_study_and_fewlabel_on_all_images_of_a_folder"
_WHOLE = _CONTRACT + "it_is_written_whole_and_leaves_nothing_else"
_FULL = _CONTRACT + "a_full_disk_is_told_and_all_stays_as_it_was"
_OTHERS = _CONTRACT + "what_is_not_ours_is_left_alone"
_AGAIN = _CONTRACT + "an_earlier_export_is_replaced_what_people_put_there_and_an_empty_folder_stay"
_MOVED = "tests/export/test_base.py::test_a_part_that_cannot_be_moved_leaves_the_earlier_export_as_it_was"
_FORMATS = "tests/service/test_exporting.py::test_each_format_is_written_as_itself"

EXPORT = (
    Fault(
        "every format is written as the bundle",
        "service/exporting.py",
        "export_model(format, snapshot",
        'export_model("bundle", snapshot',
        _FORMATS,
    ),
    Fault(
        "every format is checked as the bundle",
        "service/exporting.py",
        "differing_voxels(format, snapshot",
        'differing_voxels("bundle", snapshot',
        _FORMATS,
    ),
    Fault(
        "an unknown format is the bundle",
        "export/table.py",
        "    if name not in EXPORTS:\n",
        "    if name not in EXPORTS:\n        return BUNDLE\n    if False:\n",
        _CONTRACT + "a_form_that_is_not_there_is_refused_with_those_that_are",
    ),
    Fault(
        "an unknown format is refused without the known ones",
        "export/table.py",
        "{', '.join(EXPORTS)}",
        "another",
        _CONTRACT + "a_form_that_is_not_there_is_refused_with_those_that_are",
    ),
    Fault(
        "an export is written in its place, part by part",
        "export/base.py",
        "                draft.mkdir()\n                self.write(model, draft)\n",
        "                draft.mkdir()\n                target.mkdir(exist_ok=True)\n"
        "                for part in list(target.iterdir()):\n                    _remove(part)\n"
        "                self.write(model, target)\n",
        _FULL,
    ),
    Fault(
        "a full disk has no words",
        "export/base.py",
        '        except OSError as error:\n            raise Refusal(f"Could not export',
        '        except ZeroDivisionError as error:\n            raise Refusal(f"Could not export',
        "tests/export/test_bundle.py::test_a_full_disk_is_told_and_the_earlier_export_stays",
    ),
    Fault(
        "what is there is overwritten whoever made it",
        "export/base.py",
        'return isinstance(card, dict) and "fewlabel" in card',
        "return True",
        _OTHERS,
    ),
    Fault(
        "a card that is no dictionary is taken for ours",
        "export/base.py",
        'isinstance(card, dict) and "fewlabel" in card',
        'card is not None and "fewlabel" in card',
        _OTHERS,
    ),
    Fault(
        "an earlier export is not known as ours",
        "export/base.py",
        'return isinstance(card, dict) and "fewlabel" in card',
        "return False",
        _AGAIN,
    ),
    Fault(
        "what people put beside an earlier export is lost",
        "export/base.py",
        "    replaced.mkdir()\n",
        "    replaced.mkdir()\n    for part in target.iterdir():\n        part.replace(replaced / part.name)\n",
        _AGAIN,
    ),
    Fault(
        "half of a new export stays beside half of the old one",
        "export/base.py",
        "        for name in begun:\n",
        "        for name in ():\n",
        _MOVED,
    ),
    Fault(
        "a new part stays where the others could not be moved",
        "export/base.py",
        "            elif not (draft / name).exists():\n                _remove(target / name)\n",
        "",
        _MOVED,
    ),
    Fault(
        "nothing is there to export and an empty folder is written",
        "export/base.py",
        "        if not workspace.model.exists():\n            raise Refusal",
        "        if not workspace.model.exists():\n            target.mkdir()\n            raise Refusal",
        _CONTRACT + "without_a_model_it_says_what_is_missing_and_writes_nothing",
    ),
    Fault(
        "the check finds no difference whatever there is",
        "export/base.py",
        "int(np.count_nonzero(ours.numpy() != theirs)), theirs.size",
        "0, theirs.size",
        _NEWEST,
    ),
    Fault(
        "a label map on another grid is as good as any",
        "export/base.py",
        "return theirs.size, theirs.size",
        "return 0, theirs.size",
        "tests/export/test_base.py::test_a_label_map_on_another_grid_differs_in_all_its_voxels",
    ),
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
        "export/configs.py",
        '        "fewlabel": _card(model),\n',
        "",
        _WHOLE,
    ),
    Fault(
        "the classes are in the card in another order",
        "export/configs.py",
        "for name in model.plan.classes]\n    return {**model.card",
        "for name in sorted(model.plan.classes, reverse=True)]\n    return {**model.card",
        _CONTRACT + "class_names_are_data_and_in_its_card",
    ),
    Fault(
        "a stranger's Python is given our package",
        "export/base.py",
        'if key != "PYTHONPATH"',
        'if key != "NOTHING"',
        _ELSEWHERE,
    ),
    Fault(
        "the bundle's windows overlap less than the server's",
        "export/configs.py",
        '"overlap": 0.5',
        '"overlap": 0.1',
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
        "a bundle that fails is said to have run",
        "export/base.py",
        "if done.returncode != 0:",
        "if done.returncode > 1000:",
        _CONTRACT + "an_export_that_lost_its_weights_says_that_it_does_not_run",
    ),
    Fault(
        "a class name is an expression of MONAI",
        "export/configs.py",
        'return f" {name}" if name.startswith(("$", "@", "%")) else name',
        "return name",
        "tests/test_names_are_data.py::test_a_bundle_says_the_name_as_text_and_monai_runs_looks_up_and_builds_nothing",
    ),
    Fault(
        "the zip of another format stays",
        "service/exporting.py",
        "for each in EXPORTS.values() for zip in",
        "for each in list(EXPORTS.values())[:1] for zip in",
        _FORMATS,
    ),
    Fault(
        "the record does not say what was written",
        "service/exporting.py",
        'ExportAnswer(state="running", format=format',
        'ExportAnswer(state="running"',
        _FORMATS,
    ),
)
