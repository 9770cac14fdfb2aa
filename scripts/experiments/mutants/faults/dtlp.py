"""Faults in the wiring of DTLP, which shares out its crops."""

from experiments.mutants.fault import Fault

_WIRING = "tests/methods/test_wiring.py::"
_VIEWS = _WIRING + "test_a_teacher_sees_the_weak_view_alone_and_its_student_never_does"
_NOTHING = _WIRING + "test_networks_that_are_right_everywhere_pay_nothing_for_any_class"
_CROPS = "tests/methods/test_dtlp_crops.py"
_WEIGHTS = "tests/methods/test_weights.py::"
_MEASURED = _WEIGHTS + "test_at_the_end_of_a_training_the_weights_are_those_that_were_measured"

DTLP = (
    Fault(
        "dtlp teaches one crop the pseudo-labels of another",
        "methods/dtlp.py",
        "pseudo.part(whole), on, losses)",
        "pseudo.part(covered), on, losses)",
        f"{_CROPS}::test_a_crop_learns_what_the_teachers_say_of_itself_and_not_of_its_neighbour[reconstruction-0]",
    ),
    Fault(
        "dtlp masks one crop and teaches it the classes of another",
        "methods/dtlp.py",
        "(value[covered, None] for value",
        "(value[whole, None] for value",
        f"{_CROPS}::test_a_crop_learns_what_the_teachers_say_of_itself_and_not_of_its_neighbour[masking-0]",
    ),
    Fault(
        "dtlp propagates with the targets of the neighbour",
        "methods/dtlp.py",
        "propagation_loss(propagated, pseudo.classes, pseudo.mask)",
        "propagation_loss(propagated, pseudo.classes.flip(1), pseudo.mask)",
        f"{_CROPS}::test_classes_are_propagated_to_the_voxels_that_they_are_of",
    ),
    Fault(
        "dtlp reconstructs what was not hidden",
        "methods/dtlp.py",
        "self.generator(hide_voxels(features, self.hidden_features))",
        "self.generator(features)",
        f"{_CROPS}::test_features_are_rebuilt_from_those_of_which_this_share_is_hidden[0.7]",
    ),
    Fault(
        "dtlp hides features of the other share",
        "methods/dtlp.py",
        "hide_voxels(features, self.hidden_features)",
        "hide_voxels(features, 1 - self.hidden_features)",
        f"{_CROPS}::test_features_are_rebuilt_from_those_of_which_this_share_is_hidden[0.0]",
    ),
    Fault(
        "dtlp's student never sees a strong view",
        "methods/dtlp.py",
        'self._teach(unlabelled), unlabelled["strong"]',
        'self._teach(unlabelled), unlabelled["weak"]',
        _VIEWS,
    ),
    Fault(
        "dtlp's teacher sees the strong view",
        "methods/dtlp.py",
        'self._teach(unlabelled), unlabelled["strong"]',
        'self._teach({**unlabelled, "weak": unlabelled["strong"]}), unlabelled["strong"]',
        _VIEWS,
    ),
    Fault(
        "dtlp's cubes hide all but what is drawn",
        "methods/dtlp.py",
        'hide(views["covered"], random_cubes(views["covered"], side, *self.hidden))',
        'hide(views["covered"], ~random_cubes(views["covered"], side, *self.hidden))',
        f"{_CROPS}::test_only_a_part_of_the_covered_crop_is_hidden",
    ),
    Fault(
        "dtlp's mixture takes the label of the other side",
        "methods/dtlp_parts.py",
        "return mixed(guessed, true, alternating(box, turn))",
        "return mixed(guessed, true, alternating(box, turn))._replace(label=label[:pairs])",
        _NOTHING,
    ),
    Fault(
        "dtlp's teacher is never updated",
        "methods/dtlp_teachers.py",
        "self.teacher.update(self.student, progress)",
        "pass",
        "tests/methods/test_dtlp.py::test_the_mean_teacher_can_be_updated_periodically",
    ),
    Fault(
        "dtlp's distillation is a tenth of what was measured",
        "methods/dtlp.py",
        "distillation: float = 0.1,",
        "distillation: float = 0.01,",
        _MEASURED,
    ),
    Fault(
        "turns of the diffusion teacher not saved",
        "methods/dtlp_teachers.py",
        "self.steps = int(state)",
        "pass",
        "tests/methods/test_dtlp.py::test_a_resumed_training_goes_on_in_turn",
    ),
)
