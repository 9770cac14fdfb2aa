"""Faults in what is said of a model's quality: the one sentence, and the card of its exports."""

from experiments.mutants.fault import Fault

_SENTENCE = "tests/test_quality.py::test_the_sentence_has_the_dice_the_cases_and_the_warning"
_CARD = "tests/export/test_card.py::test_"
_EVIDENCE = "tests/export/test_evidence.py::test_"
_NAMES = _CARD + "names_of_classes_and_cases_are_data_in_every_form"

CARDS = (
    Fault(
        "a low Dice is given without a warning",
        "quality.py",
        "return round(dice, 2) < LEAST_DICE",
        "return False",
        _SENTENCE,
    ),
    Fault("few cases are given without a warning", "quality.py", "cases < LEAST_CASES", "cases < 0", _SENTENCE),
    Fault(
        "cases that hold no class count as behind the Dice",
        "quality.py",
        "sum(counted(dice) for dice in",
        "sum(True for dice in",
        "tests/test_quality.py::test_a_case_that_holds_no_class_is_not_counted",
    ),
    Fault(
        "the cases behind a Dice are forgotten",
        "training/publish.py",
        '"validated_on": dice.cases,',
        '"validated_on": {},',
        "tests/training/test_run.py::test_validation_cases_are_never_trained_on_and_are_measured",
    ),
    Fault(
        "a case has the Dice of another",
        "training/validation.py",
        "dict(zip(seen, each, strict=True))",
        "dict(zip(seen[::-1], each, strict=True))",
        "tests/training/test_validation.py::test_the_dice_of_each_case_is_kept_with_its_id",
    ),
    Fault(
        "/info says nothing of the model's quality",
        "inference/segment.py",
        'f"{self.about}. {known}" if known else self.about',
        "self.about",
        "tests/inference/test_info.py::test_the_description_has_the_dice_of_the_model_and_the_cases_behind_it",
    ),
    Fault(
        "the model's exports have no card",
        "export/base.py",
        "            write_card(source, draft, rows, self.description)\n",
        "            pass\n",
        "tests/export/test_bundle.py::test_the_layout_is_complete_and_nothing_else_is_left",
    ),
    Fault(
        "the spread of few cases is too small",
        "export/card.py",
        "ddof=1",
        "ddof=0",
        _CARD + "it_tells_dice_and_distance_with_spread_and_the_cases_behind_them",
    ),
    Fault(
        "a name is HTML in the card", "export/card_pages.py", "<td>{html.escape(each)}</td>", "<td>{each}</td>", _NAMES
    ),
    Fault(
        "a name is Markdown in the card",
        "export/card_pages.py",
        '" | ".join(_cell(each, markdown) for each in row)',
        '" | ".join(_cell(each, str) for each in row)',
        _NAMES,
    ),
    Fault(
        "a model's own answers measure it",
        "export/evidence.py",
        ' and case.kind != "accepted"',
        "",
        _EVIDENCE + "accepted_labels_and_cases_that_train_measure_nothing",
    ),
    Fault(
        "distances are given in voxels",
        "export/evidence.py",
        "percentile=95, spacing=spacing)",
        "percentile=95)",
        _EVIDENCE + "the_distance_is_in_millimetres_along_each_axis",
    ),
    Fault(
        "one voxel far away makes the distance",
        "export/evidence.py",
        "percentile=95, spacing",
        "percentile=100, spacing",
        _EVIDENCE + "a_few_voxels_far_away_do_not_make_the_distance",
    ),
    Fault(
        "the model is measured in another order of classes",
        "export/evidence.py",
        "values_between(source.classes, source.model.plan.classes)",
        "np.arange(256, dtype=np.uint8)",
        _EVIDENCE + "the_study_s_order_of_classes_may_have_changed_since_the_training",
    ),
)
