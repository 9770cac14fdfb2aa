"""Faults of published code, and their like, each with the item of the methods' contract that must catch it.

USB, PyMIC, SSL4MIS, AIPMLab and A&D are the repositories that have them.
"""

from experiments.mutants.fault import Fault


def _item(number: int, words: str, name: str) -> str:
    return f"tests/methods/test_contract.py::test_every_method_keeps_the_contract[{name}-item_{number}_{words}]"


def _terms(name: str) -> str:
    return _item(1, "terms_and_weights_have_the_same_names_and_are_finite_scalars", name)


def _trains(name: str) -> str:
    return _item(2, "each_term_by_itself_trains_what_it_is_meant_for", name)


def _deployed(name: str) -> str:
    return _item(3, "labels_alone_train_every_parameter_of_the_deployed_network", name)


def _mean(name: str) -> str:
    return _item(5, "the_teacher_is_the_running_mean_of_the_student_with_its_buffers", name)


def _untaught(name: str) -> str:
    return _item(6, "teachers_get_no_gradient_ask_for_none_and_change_by_updates_alone", name)


def _saved(name: str) -> str:
    return _item(8, "the_state_dict_makes_a_round_trip", name)


def _finite(name: str) -> str:
    return _item(9, "extreme_constant_and_empty_input_stays_finite_and_unselected_voxels_cost_nothing", name)


def _permuted(name: str) -> str:
    return _item(10, "permuting_the_foreground_classes_permutes_the_output_and_leaves_the_loss", name)


PUBLISHED = (
    Fault(
        "student logits from the teacher (USB)",
        "methods/mean_teacher.py",
        "consistency = masked_cross_entropy(strong, guess.classes, guess.sure(self.threshold))",
        'consistency = masked_cross_entropy(self.teacher(unlabelled["strong"]), guess.classes, '
        "guess.sure(self.threshold))",
        _trains("mean_teacher"),
    ),
    Fault(
        "student detached (AIPMLab)",
        "methods/mean_teacher.py",
        "consistency = masked_cross_entropy(strong, guess.classes, guess.sure(self.threshold))",
        "consistency = masked_cross_entropy(strong.detach(), guess.classes, guess.sure(self.threshold))",
        _trains("mean_teacher"),
    ),
    Fault(
        "entropy of logits (AIPMLab)",
        "methods/uamt.py",
        "sure = entropy(target) < self.bound(progress)",
        "logits = self.teacher(unlabelled['weak'])\n"
        "            sure = (-(logits * (logits + 1e-10).log()).sum(1)) / self.bound(progress)",
        _terms("uamt"),
    ),
    Fault(
        "labels of the unlabelled batch are read",
        "methods/mean_teacher.py",
        "consistency = masked_cross_entropy(strong, guess.classes, guess.sure(self.threshold))",
        "consistency = masked_cross_entropy(strong, guess.classes, guess.sure(self.threshold)) + "
        'unlabelled.get("label", strong).mean() * 0',
        _item(4, "labels_of_the_unlabelled_batch_are_never_read", "mean_teacher"),
    ),
    Fault(
        "mean of an empty mask",
        "losses/pseudo_labels.py",
        "(loss * mask).sum() / mask.sum().clamp_min(1)",
        "loss[mask].mean()",
        _finite("mean_teacher"),
    ),
    Fault(
        "mean error of an empty mask",
        "losses/agreement.py",
        "(error * mask).sum() / mask.sum().clamp_min(1)",
        "error[mask & (error < 0)].mean()",
        _finite("uamt"),
    ),
    Fault(
        "classes joined by OR (AIPMLab)",
        "methods/mean_teacher.py",
        "consistency = masked_cross_entropy(strong, guess.classes, guess.sure(self.threshold))",
        "consistency = masked_cross_entropy(strong, (guess.classes | "
        "strong.argmax(1)).clamp_max(self.classes - 1), guess.sure(0.8))",
        _permuted("mean_teacher"),
    ),
    Fault(
        "average not kept (PyMIC)",
        "methods/teacher.py",
        "average.lerp_(current[name], share.to(average.dtype))",
        "average.lerp(current[name], share.to(average.dtype))",
        _mean("mean_teacher"),
    ),
    Fault(
        "buffers not averaged (A&D)",
        "methods/teacher.py",
        "if average.is_floating_point():",
        'if "running" in name:\n                continue\n            if average.is_floating_point():',
        _mean("bcp"),
    ),
    Fault(
        "trainable teacher (torch's AveragedModel)",
        "methods/teacher.py",
        "copy.deepcopy(student).requires_grad_(False)",
        "copy.deepcopy(student)",
        _untaught("mean_teacher"),
    ),
    Fault(
        "teacher in training mode",
        "methods/teacher.py",
        "return super().train(False)",
        "return super().train(mode)",
        _untaught("mean_teacher"),
    ),
    Fault(
        "another network is trained than the one that is published",
        "methods/supervised.py",
        'logits = self.network(labelled["image"])',
        'logits = self.__dict__.setdefault("other", __import__("copy").deepcopy(self.network))(labelled["image"])',
        _deployed("supervised"),
    ),
    Fault(
        "teacher never updated",
        "methods/student_teacher.py",
        "self.teacher.update(self.student, progress)",
        "pass",
        _deployed("bcp"),
    ),
    Fault(
        "term without weight",
        "methods/supervised.py",
        '{"supervised": dice_cross_entropy(logits, labelled["label"])}',
        '{"supervised": dice_cross_entropy(logits, labelled["label"]), "entropy": logits.softmax(1).mean()}',
        "tests/methods/test_contract.py::test_it_is_complete[supervised]",
    ),
    Fault(
        "labels of another crop",
        "methods/supervised.py",
        'dice_cross_entropy(logits, labelled["label"])',
        'dice_cross_entropy(logits, labelled["label"].flip(0))',
        _item(7, "it_learns_a_labelled_batch", "supervised"),
    ),
    Fault(
        "teacher outside the state dict",
        "methods/student_teacher.py",
        "self.teacher = Teacher(self.student, decay)",
        'object.__setattr__(self, "teacher", Teacher(self.student, decay))',
        _saved("mean_teacher"),
    ),
    Fault(
        "number of updates not saved",
        "methods/teacher.py",
        'self.register_buffer("updates", torch.zeros((), dtype=torch.long))',
        'self.register_buffer("updates", torch.zeros((), dtype=torch.long), persistent=False)',
        _saved("mean_teacher"),
    ),
    Fault(
        "diffusion teacher taught by pseudo-labels",
        "methods/dtlp.py",
        'losses["distillation"] = distillation(logits, pseudo.probabilities, self.temperature)',
        'losses["distillation"] = distillation(logits, pseudo.probabilities, self.temperature) + '
        "sum(each.square().sum() for each in self.diffusion.parameters())",
        _trains("dtlp"),
    ),
    Fault(
        "propagation of detached features",
        "methods/dtlp_parts.py",
        "functional.adaptive_avg_pool3d(features, (depth",
        "functional.adaptive_avg_pool3d(features.detach(), (depth",
        _trains("dtlp"),
    ),
    Fault(
        "logarithm of zero in the distillation",
        "losses/ensemble.py",
        "probabilities.detach().clamp_min(_LEAST).log()",
        "probabilities.detach().log()",
        _finite("dtlp"),
    ),
    Fault(
        "prototype term without gradient (AIPMLab)",
        "methods/dual_network.py",
        'losses["contrast"] = self.prototypes(features, evidence)',
        'losses["contrast"] = self.prototypes(features, evidence).detach()',
        _trains("dual_network"),
    ),
    Fault(
        "entropy-filtered term detached (AIPMLab)",
        "methods/dual_network.py",
        "filtered_cross_entropy(log, classes, sure, belief)",
        "filtered_cross_entropy(log.detach(), classes, sure, belief)",
        _trains("dual_network"),
    ),
    Fault(
        "one direction only (AIPMLab)",
        "methods/dual_network.py",
        "for k, other in ((0, 1), (1, 0)):",
        "for k, other in ((0, 1),):",
        _trains("dual_network"),
    ),
    Fault(
        "filter by entropy of logits (AIPMLab)",
        "methods/dual_network.py",
        "-(log_probabilities.exp() * log_probabilities).sum(1)",
        "-(log_probabilities * (log_probabilities + 1e-10).log()).sum(1)",
        _trains("dual_network"),
    ),
    Fault(
        "two class maps joined by OR (AIPMLab)",
        "methods/dual_network.py",
        "filtered_cross_entropy(log, classes, sure, belief)",
        "filtered_cross_entropy(log, (classes | log.argmax(1)).clamp_max(self.classes - 1), sure, belief)",
        _permuted("dual_network"),
    ),
    Fault(
        "labels for one of two networks",
        "methods/cps.py",
        "[dice_cross_entropy(each, label) for each in logits]",
        "[dice_cross_entropy(logits[0], label)]",
        _trains("cps"),
    ),
    Fault(
        "prototypes not saved",
        "methods/prototypes.py",
        "torch.zeros(number, tap.channels))",
        "torch.zeros(number, tap.channels), persistent=False)",
        "tests/methods/test_state.py::test_a_method_that_was_saved_and_loaded_has_the_losses_that_it_would_have_had[dual_network]",
    ),
    Fault(
        "divergence with a logarithm of zero",
        "losses/agreement.py",
        'return functional.kl_div(log_probabilities, target.detach(), reduction="none", log_target=True).sum(1)',
        "return (target.exp() * (target.exp().log() - log_probabilities.exp().log())).sum(1)",
        _finite("dual_network"),
    ),
)
