"""Faults in what is common to all exports: inputs, folders, comparison, data sets, and what the server offers."""

from experiments.mutants.fault import Fault

_CONTRACT = "tests/export/test_contract.py::test_"
_NEWEST = _CONTRACT + "run_by_itself_it_gives_the_server_s_label_map_of_the_newest_model[onnx]"
_ELSEWHERE = _CONTRACT + "it_runs_elsewhere_without_study_and_fewlabel_on_all_images_of_a_folder[onnx]"
_FULL = _CONTRACT + "a_full_disk_is_reported_and_all_stays_as_it_was"
_OTHERS = _CONTRACT + "what_is_not_ours_is_left_alone"
_AGAIN = _CONTRACT + "an_earlier_export_is_replaced_what_people_put_there_and_an_empty_folder_stay"
_SEVERAL = "tests/service/test_exporting.py::test_several_formats_are_one_zip_and_each_is_compared"
_SCRIPT = "tests/export/test_script.py::test_"
_COMPARING = "tests/export/test_comparing.py::test_"
_BASE = "tests/export/test_base.py::test_"
_PLACING = "tests/export/test_placing.py::test_"
_FORMATS = "tests/service/test_exporting.py::test_each_format_is_written_as_itself"

EXPORTING = (
    Fault(
        "every format is written as the bundle",
        "export/several.py",
        "rows = find_export(name).export(source",
        'rows = find_export("bundle").export(source',
        _FORMATS,
    ),
    Fault(
        "of several formats the last alone is offered",
        "service/exporting.py",
        "_pack(list(folders.values()), temporary)",
        "_pack(list(folders.values())[-1:], temporary)",
        _SEVERAL,
    ),
    Fault(
        "a format that fails is left out of the zip and nothing says so",
        "service/exporting.py",
        "        if failed:\n",
        "        if False:\n",
        "tests/service/test_exporting.py::test_one_export_runs_at_a_time_and_the_server_answers_meanwhile",
    ),
    Fault(
        "accepted labels are exported unasked",
        "service/routes.py",
        "Options(asked.accepted, True",
        "Options(True, True",
        _SEVERAL,
    ),
    Fault(
        "the first format is written before the others are looked at",
        "export/several.py",
        "    if faults:\n",
        "    if False:\n",
        _SCRIPT + "every_fault_of_the_inputs_is_reported_at_once_and_nothing_is_written",
    ),
    Fault(
        "only the first fault of the inputs is reported",
        "export/several.py",
        '"\\n".join(sentences)',
        "faults[0][0]",
        _SCRIPT + "every_fault_of_the_inputs_is_reported_at_once_and_nothing_is_written",
    ),
    Fault(
        "a format that fails ends the others",
        "export/several.py",
        "            error = str(refusal)\n",
        "            error = str(refusal)\n            raise\n",
        _SCRIPT + "one_that_disagrees_is_not_kept_and_the_others_are",
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
        "an export is written into the target itself, part by part",
        "export/placing.py",
        "            yield draft\n",
        "            target.exists() and shutil.rmtree(target)\n            draft.replace(target)\n"
        "            yield target\n            target.replace(draft)\n",
        _FULL,
    ),
    Fault(
        "a full disk has no words",
        "export/placing.py",
        "    except OSError as error:\n        raise Refusal",
        "    except ZeroDivisionError as error:\n        raise Refusal",
        "tests/export/test_bundle.py::test_a_full_disk_is_reported_and_the_earlier_export_stays",
    ),
    Fault(
        "what is there is overwritten whoever made it",
        "export/placing.py",
        'if not (isinstance(found, dict) and "fewlabel" in found):',
        "if False:",
        _OTHERS,
    ),
    Fault(
        "a card that is no dictionary is taken for ours",
        "export/placing.py",
        'isinstance(found, dict) and "fewlabel" in found',
        'found is not None and "fewlabel" in found',
        _OTHERS,
    ),
    Fault(
        "an earlier export is not known as ours",
        "export/placing.py",
        'if not (isinstance(found, dict) and "fewlabel" in found):',
        "if True:",
        _AGAIN,
    ),
    Fault(
        "an earlier export is replaced unasked",
        "export/placing.py",
        "    if not overwrite:\n",
        "    if False:\n",
        _PLACING + "an_earlier_export_is_refused_unless_it_may_be_replaced",
    ),
    Fault(
        "what people put beside an earlier export is lost",
        "export/placing.py",
        "if part.name not in ours and not",
        "if False and not",
        _AGAIN,
    ),
    Fault(
        "what an earlier export wrote stays beside the new one",
        "export/placing.py",
        "if part.name not in ours and not",
        "if not",
        _PLACING + "what_it_wrote_earlier_goes_and_what_people_laid_there_stays",
    ),
    Fault(
        "an export that cannot be moved to the target removes the earlier one",
        "export/placing.py",
        "        if replaced.exists():\n            replaced.replace(target)\n        raise\n",
        "        raise\n",
        _PLACING + "a_folder_that_cannot_be_moved_leaves_the_earlier_export_as_it_was",
    ),
    Fault(
        "what a killed export had put aside is thrown away",
        "export/placing.py",
        "            _put_right(replaced, target)\n            check_free",
        "            shutil.rmtree(replaced, ignore_errors=True)\n            check_free",
        _PLACING + "a_kill_at_any_step_leaves_the_old_or_the_new_one_for_the_next_to_find_with_what_is_of_people",
    ),
    Fault(
        "two exports write to one folder at a time",
        "export/placing.py",
        "    except Timeout:\n",
        "    except Timeout:\n        yield\n        return\n",
        _PLACING + "two_exports_to_one_folder_are_reported_and_the_first_is_whole",
    ),
    Fault(
        "the check finds no difference whatever there is",
        "export/comparing.py",
        "differing = _differing_beyond_ties(ours, theirs)",
        "differing = 0",
        _NEWEST,
    ),
    Fault(
        "a label map on another grid is as good as any",
        "export/comparing.py",
        "    differing, dice = theirs.size, dict.fromkeys(plan.classes)\n",
        "    differing, dice = 0, dict.fromkeys(plan.classes)\n",
        _BASE + "a_label_map_on_another_grid_differs_in_all_its_voxels_and_is_not_kept",
    ),
    Fault(
        "an export that disagrees is kept",
        "export/base.py",
        "        if faults:\n",
        "        if not faults:\n            return rows\n        if False:\n",
        _BASE + "a_label_map_on_another_grid_differs_in_all_its_voxels_and_is_not_kept",
    ),
    Fault(
        "a missing package is found out while it is written",
        "export/base.py",
        "if importlib.util.find_spec(each) is None",
        "if False",
        _BASE + "a_missing_package_a_bad_name_and_a_study_that_does_not_fit_are_reported",
    ),
    Fault(
        "a data set is not read back",
        "export/comparing.py",
        "int(np.count_nonzero(ours != theirs))",
        "0",
        _BASE + "a_data_set_is_compared_with_what_another_library_reads",
    ),
    Fault(
        "a stranger's Python is given our package",
        "export/base.py",
        'if key != "PYTHONPATH"',
        'if key != "NOTHING"',
        _ELSEWHERE,
    ),
    Fault(
        "a bundle that fails is said to have run",
        "export/base.py",
        "if done.returncode != 0:",
        "if done.returncode > 1000:",
        _CONTRACT + "an_export_that_lost_its_weights_says_that_it_does_not_run[onnx]",
    ),
    Fault(
        "the zip of another format stays",
        "service/exporting.py",
        "for stem in (_SEVERAL, *(each.folder for each in EXPORTS.values())):",
        "for stem in [each.folder for each in EXPORTS.values()][:1]:",
        _FORMATS,
    ),
    Fault(
        "the record does not say what was written",
        "service/exporting.py",
        'ExportAnswer(state="running", formats=list(exports)',
        'ExportAnswer(state="running"',
        _FORMATS,
    ),
    Fault(
        "any other class counts as a tie",
        "export/comparing.py",
        "TIE = 1e-5",
        "TIE = 2.0",
        _COMPARING + "a_voxel_where_the_network_prefers_one_class_counts",
    ),
    Fault(
        "ties count as differing",
        "export/comparing.py",
        "> TIE))",
        ">= 0))",
        _COMPARING + "a_voxel_where_both_classes_are_as_likely_does_not_count",
    ),
)
