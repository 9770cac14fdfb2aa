"""Faults in the wiring of methods: which view, which network, which target, which weight, and when."""

from experiments.mutants.fault import Fault

_WIRING = "tests/methods/test_wiring.py::"
_VIEWS = _WIRING + "test_a_teacher_sees_the_weak_view_alone_and_its_student_never_does"
_NOTHING = _WIRING + "test_networks_that_are_right_everywhere_pay_nothing_for_any_class"
_WRONG = _WIRING + "test_one_that_is_wrong_everywhere_pays_for_every_class_by_what_it_is_taught"
_PAIR = _WIRING + "test_of_two_networks_one_sees_the_weak_and_the_other_the_strong_view_of_a_crop"
_WEIGHTS = "tests/methods/test_weights.py::"
_ARGUMENT = _WEIGHTS + "test_the_weight_of_a_term_is_the_argument_of_its_name"

METHODS = (
    Fault(
        "the mean teacher's teacher looks at the strong view",
        "methods/guesses.py",
        'ask(unlabelled["weak"])',
        'ask(unlabelled["strong"])',
        _VIEWS,
    ),
    Fault(
        "the mean teacher's student looks at the weak view",
        "methods/mean_teacher.py",
        'torch.cat([image, unlabelled["strong"]])',
        'torch.cat([image, unlabelled["weak"]])',
        _VIEWS,
    ),
    Fault(
        "the student of the mean teacher teaches itself",
        "methods/mean_teacher.py",
        "self.guesses(unlabelled, self.teacher)",
        "self.guesses(unlabelled, self.student)",
        _VIEWS,
    ),
    Fault(
        "the mean teacher teaches one crop the classes of another",
        "methods/mean_teacher.py",
        "masked_cross_entropy(strong, guess.classes, guess.sure(self.threshold))",
        "masked_cross_entropy(strong, guess.classes.flip(0), guess.sure(self.threshold).flip(0))",
        _NOTHING,
    ),
    Fault(
        "the mean teacher publishes its student",
        "methods/student_teacher.py",
        "return self.teacher.network\n\n    @property\n    def member",
        "return self.student\n\n    @property\n    def member",
        "tests/methods/test_mean_teacher.py::test_what_is_published_is_the_teacher",
    ),
    Fault(
        "pool terms count from the first step on",
        "methods/ramps.py",
        "if progress < start:\n        return 0.0",
        "if progress < start:\n        return 0.5",
        _WIRING + "test_what_is_not_learnt_yet_is_not_looked_at",
    ),
    Fault(
        "the ramp falls",
        "methods/ramps.py",
        "math.exp(-5 * (1 - done) ** 2)",
        "math.exp(-5 * done**2)",
        _WEIGHTS + "test_pool_terms_grow_from_nothing_and_labelled_ones_stay",
    ),
    Fault(
        "uamt follows the unsure voxels",
        "methods/uamt.py",
        "entropy(target) < self.bound(progress)",
        "entropy(target) > self.bound(progress)",
        "tests/methods/test_uamt.py::test_only_voxels_of_low_entropy_are_followed",
    ),
    Fault(
        "uamt's teacher adds its noise to the strong view",
        "methods/uamt.py",
        'self.noisy_mean(unlabelled["weak"])',
        'self.noisy_mean(unlabelled["strong"])',
        _VIEWS,
    ),
    Fault(
        "uamt's bound falls",
        "methods/uamt.py",
        "(self.first_bound + (1 - self.first_bound) * self.grown(progress))",
        "(1 - (1 - self.first_bound) * self.grown(progress))",
        "tests/methods/test_uamt.py::test_the_bound_rises_from_three_quarters_to_all_of_the_greatest_entropy",
    ),
    Fault(
        "bcp pastes the image without its label before the start",
        "methods/bcp.py",
        "mixture = mixed(others, true, random_boxes(true.image, self.side**3))",
        "mixture = mixed(others, true, random_boxes(true.image, self.side**3))._replace(label=true.label)",
        _NOTHING + "[0.0-bcp]",
    ),
    Fault(
        "bcp's pseudo weight is a thousandth",
        "methods/bcp.py",
        '"pseudo": self.pseudo * self.grown(progress)}',
        '"pseudo": self.pseudo * self.grown(progress) / 1000}',
        _ARGUMENT,
    ),
    Fault(
        "bcp's default for pseudo is a thousandth",
        "methods/bcp.py",
        '_LIVE = {"pseudo": 0.5,',
        '_LIVE = {"pseudo": 0.0005,',
        _WEIGHTS + "test_no_term_is_too_small_to_matter[bcp]",
    ),
    Fault(
        "bcp believes the teacher where labels are true and the labels where it guesses",
        "methods/bcp.py",
        "torch.cat([~box, box])",
        "torch.cat([box, ~box])",
        "tests/methods/test_bcp.py::test_true_labels_count_in_their_region_alone",
    ),
    Fault(
        "bcp shows its student the weak view",
        "methods/bcp.py",
        'self.guesses(unlabelled, self.teacher), unlabelled["strong"]',
        'self.guesses(unlabelled, self.teacher), unlabelled["weak"]',
        _VIEWS,
    ),
    Fault(
        "bcp counts every guess of its teacher",
        "methods/bcp.py",
        "guess.sure(self.threshold)[:, None].to(strong.dtype))",
        "torch.ones_like(strong))",
        "tests/methods/test_bcp.py::test_only_confident_voxels_count_as_pseudo_labels",
    ),
    Fault(
        "bcp's box is not of the side that is asked for",
        "methods/bcp.py",
        "box = random_boxes(true.image, self.side**3)",
        "box = random_boxes(true.image, self.side)",
        "tests/methods/test_bcp.py::test_both_mixtures_together_hold_every_voxel_of_both_sets_once",
    ),
    Fault(
        "cps: each network learns its own classes",
        "methods/cps.py",
        "self._learn(pool[0], second) + self._learn(pool[1], first)",
        "self._learn(pool[0], first) + self._learn(pool[1], second)",
        _WRONG,
    ),
    Fault(
        "two networks see the same view",
        "methods/two_networks.py",
        "torch.where(swap, strong, weak), torch.where(swap, weak, strong)",
        "torch.where(swap, strong, weak), torch.where(swap, strong, weak)",
        _PAIR,
    ),
    Fault(
        "the second network always sees the strong view",
        "methods/two_networks.py",
        "swap = torch.rand(len(weak), 1, 1, 1, 1, device=weak.device) < 0.5",
        "swap = torch.rand(len(weak), 1, 1, 1, 1, device=weak.device) < 0.0",
        "tests/methods/test_dual_faults.py::test_fault_2_13_the_networks_see_different_views_of_a_crop_and_both_kinds_in_time",
    ),
    Fault(
        "dual network: each is sure of itself and taught by itself",
        "methods/dual_network.py",
        "self._learn(logs[k], logs[other], classes[other], sure[other], belief)",
        "self._learn(logs[k], logs[other], classes[k], sure[k], belief)",
        _WRONG,
    ),
    Fault(
        "dual network: the divergence is from itself",
        "methods/dual_network.py",
        '"divergence": divergence(other, log).mean(),',
        '"divergence": divergence(log, log).mean(),',
        _WRONG,
    ),
    Fault(
        "dual network: unreliable voxels teach",
        "methods/dual_network.py",
        "return entropy <= bounds[classes]",
        "return entropy > bounds[classes]",
        "tests/methods/test_dual_faults.py::test_fault_2_4_entropy_of_logits_is_not_used",
    ),
    Fault(
        "dual network: the better network is the one with the higher loss",
        "methods/dual_network.py",
        "self.labelled_loss[1] < self.labelled_loss[0]",
        "self.labelled_loss[1] > self.labelled_loss[0]",
        "tests/methods/test_dual_faults.py::test_fault_2_8_both_networks_learn_and_with_the_gate_the_worse_one_whichever_it_is[cross_pseudo]",
    ),
    Fault(
        "dual network: rectification counts for nothing",
        "methods/dual_network.py",
        '"rectification": rectification}',
        '"rectification": rectification * 1e-3}',
        _ARGUMENT,
    ),
    Fault(
        "prototypes of voxels that the networks do not agree on",
        "methods/prototypes.py",
        "reliable = sure & agreed",
        "reliable = sure | agreed",
        "tests/methods/test_dual_network.py::test_each_setting_has_an_effect[settings6-contrast]",
    ),
    Fault(
        "bcp's labels count a hundredth",
        "methods/bcp.py",
        '"supervised": dice_cross_entropy(logits, label),',
        '"supervised": dice_cross_entropy(logits, label) * 0.01,',
        _WIRING + "test_labels_count_in_full_whatever_else_is_learnt",
    ),
    Fault(
        "mean teacher's confidence is of logits",
        "methods/guesses.py",
        'ask(unlabelled["weak"]).softmax(1).max(1)',
        'ask(unlabelled["weak"]).max(1)',
        _WRONG,
    ),
)
