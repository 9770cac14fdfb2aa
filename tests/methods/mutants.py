"""Faults of published code, planted one at a time in our methods, and the contract item that must catch each.

``PYTHONPATH=apps/fewlabel python tests/methods/mutants.py`` shows which items catch which fault.
"""

from __future__ import annotations

import runpy
from pathlib import Path

import torch
from torch.nn import functional

from fewlabel.losses.agreement import divergence
from fewlabel.losses.pseudo_labels import confident_classes, masked_cross_entropy
from fewlabel.losses.supervised import dice_cross_entropy
from fewlabel.methods.cps import CrossPseudoSupervision
from fewlabel.methods.dtlp import DTLP
from fewlabel.methods.dual_network import DualNetwork
from fewlabel.methods.mean_teacher import MeanTeacher
from fewlabel.methods.supervised import Supervised
from fewlabel.methods.uamt import UncertaintyAwareMeanTeacher
from fewlabel.uncertainty import entropy


def teach(method, unlabelled):
    """The teacher's classes and where it is confident."""
    return confident_classes(method.teacher(unlabelled["weak"]).softmax(1), method.threshold)


class Altered(MeanTeacher):
    """A mean teacher whose consistency term is replaced, where there is an unlabelled batch."""

    def altered(self, consistency, unlabelled):
        raise NotImplementedError

    def step(self, labelled, unlabelled, progress):
        step = super().step(labelled, unlabelled, progress)
        if unlabelled is not None and len(unlabelled["weak"]):
            step.losses["consistency"] = self.altered(step.losses["consistency"], unlabelled)
        return step


class StudentLogitsFromTheTeacher(Altered):  # USB, meanteacher.py
    def altered(self, consistency, unlabelled):
        return masked_cross_entropy(self.teacher(unlabelled["strong"]), *teach(self, unlabelled))


class StudentDetached(Altered):  # AIPMLab, train_LA.py: entropy-filtered and prototype terms
    def altered(self, consistency, unlabelled):
        return masked_cross_entropy(self.student(unlabelled["strong"]).detach(), *teach(self, unlabelled))


class EntropyOfLogits(Altered):  # AIPMLab, train_LA.py: logits for probabilities, so the logarithm is NaN
    def altered(self, consistency, unlabelled):
        logits = self.teacher(unlabelled["weak"])
        return consistency * (-(logits * torch.log(logits + 1e-10)).sum(1)).mean().neg().exp()


class LabelsOfTheUnlabelled(Altered):
    def altered(self, consistency, unlabelled):
        return consistency + unlabelled.get("label", torch.zeros(1)).mean()


class MeanOfAnEmptyMask(Altered):
    def altered(self, consistency, unlabelled):
        classes, mask = teach(self, unlabelled)
        logits = self.student(unlabelled["strong"])
        return functional.cross_entropy(logits, classes, reduction="none")[mask].mean()


class ClassesJoinedByOr(Altered):  # AIPMLab: bitwise OR of two class maps, right for two classes only
    def altered(self, consistency, unlabelled):
        strong = self.student(unlabelled["strong"])
        classes, mask = teach(self, unlabelled)
        return masked_cross_entropy(strong, classes | strong.argmax(1), mask)


class AverageNotKept(MeanTeacher):  # PyMIC, ssl_mt.py: `add` for `add_`
    def after_step(self, progress):
        alpha = min(1 - 1 / (int(self.teacher.updates) + 1), 0.99)
        pairs = zip(self.teacher.network.parameters(), self.student.parameters(), strict=True)
        for average, current in pairs:
            average.data.mul_(alpha).add(current.data, alpha=1 - alpha)
        self.teacher.updates += 1


class BuffersNotAveraged(MeanTeacher):  # A&D: the running statistics of the averaged network stay behind
    def after_step(self, progress):
        before = [buffer.clone() for buffer in self.teacher.network.buffers()]
        super().after_step(progress)
        for buffer, old in zip(self.teacher.network.buffers(), before, strict=True):
            buffer.copy_(old)


class TrainableTeacher(MeanTeacher):  # torch's AveragedModel as it comes
    def __init__(self, build, classes):
        super().__init__(build, classes)
        self.teacher.requires_grad_(True)


class TeacherInTrainingMode(MeanTeacher):
    def step(self, labelled, unlabelled, progress):
        self.teacher.network.train()
        return super().step(labelled, unlabelled, progress)


class SecondNetworkForgotten(Supervised):
    def __init__(self, build, classes):
        super().__init__(build, classes)
        self.second = build()

    @property
    def deployed(self):
        return self.second


class TeacherNeverUpdated(MeanTeacher):
    def after_step(self, progress):
        """Forgotten."""


class TermWithoutWeight(Supervised):
    def step(self, labelled, unlabelled, progress):
        step = super().step(labelled, unlabelled, progress)
        return step._replace(losses={**step.losses, "entropy": step.logits.softmax(1).mean()})


class LabelsOfAnotherCrop(Supervised):
    def step(self, labelled, unlabelled, progress):
        return super().step({**labelled, "label": labelled["label"].flip(0)}, unlabelled, progress)


class TeacherOutsideTheState(MeanTeacher):
    def __init__(self, build, classes):
        super().__init__(build, classes)
        teacher = self.teacher
        del self.teacher
        object.__setattr__(self, "teacher", teacher)


class UpdatesNotSaved(MeanTeacher):  # a resumed training begins the warm-up again and drops the average
    def __init__(self, build, classes):
        super().__init__(build, classes)
        self.teacher.register_buffer("updates", self.teacher.updates, persistent=False)


class DiffusionTeacherTaughtByPseudoLabels(DTLP):  # what is meant to be independent learns the student's errors
    def step(self, labelled, unlabelled, progress):
        step = super().step(labelled, unlabelled, progress)
        if unlabelled is not None and len(unlabelled["weak"]):
            classes = self._teach(unlabelled["weak"]).classes[:, None]
            lesson = dice_cross_entropy(self.diffusion.denoise(unlabelled["weak"], classes), classes)
            step.losses["distillation"] = step.losses["distillation"] + lesson
        return step


class PropagationOfDetachedFeatures(DTLP):
    def __init__(self, build, classes):
        super().__init__(build, classes)
        self.projections.register_forward_pre_hook(lambda _, given: tuple(value.detach() for value in given))


class LogarithmOfZero(DTLP):  # a certain teacher has probabilities of 0
    def _learn_from_strong(self, logits, features, pseudo, on, losses):
        super()._learn_from_strong(logits, features, pseudo, on, losses)
        target = pseudo.probabilities
        losses["distillation"] = (target * (target.log() - logits.log_softmax(1))).sum(1).mean()


class TurnsNotSaved(DTLP):  # a resumed training begins the diffusion teacher's turns again
    def __init__(self, build, classes):
        super().__init__(build, classes, every=2)

    def set_extra_state(self, state):
        """Forgotten."""


class PrototypesWithoutGradient(DualNetwork):  # AIPMLab, train_LA.py: the contrast stands inside no_grad
    def _unlabelled_terms(self, logits, label, features, progress):
        losses = super()._unlabelled_terms(logits, label, features, progress)
        return {**losses, "contrast": losses["contrast"].detach()}


class FilteredLossWithoutGradient(DualNetwork):  # AIPMLab: predictions enter the filtered loss detached
    def _learn(self, log, other, *taught):
        detached = super()._learn(log.detach(), other, *taught)["cross_pseudo"]
        return {**super()._learn(log, other, *taught), "cross_pseudo": detached}


class OneDirectionOnly(DualNetwork):  # AIPMLab: the KL term trains the ResNet alone, whichever network is better
    def _unlabelled_terms(self, logits, label, features, progress):
        losses = super()._unlabelled_terms(logits, label, features, progress)
        return {**losses, "divergence": divergence(*(each.log_softmax(1) for each in logits)).mean()}


class FilterByEntropyOfLogits(DualNetwork):  # AIPMLab: NaN, so that nothing is below the quantile
    def _unlabelled_terms(self, logits, label, features, progress):
        self.raw = list(logits)
        return super()._unlabelled_terms(logits, label, features, progress)

    def reliable(self, log_probabilities, classes, progress):
        logits = self.raw.pop(0).detach()
        entropy = -(logits * torch.log(logits + 1e-10)).sum(1)
        return entropy <= torch.quantile(entropy.flatten(), self.keep[0])


class TwoClassMapsJoinedByOr(DualNetwork):  # AIPMLab: for three classes 1 | 2 = 3
    def _learn(self, log, other, classes, sure, belief):
        joined = (classes | log.argmax(1)).clamp_max(log.shape[1] - 1)
        return super()._learn(log, other, joined, sure, belief)


class LabelsForOneNetwork(CrossPseudoSupervision):
    def step(self, labelled, unlabelled, progress):
        step = super().step(labelled, unlabelled, progress)
        step.losses["supervised"] = dice_cross_entropy(step.logits, labelled["label"])
        return step


class PrototypesNotSaved(DualNetwork):
    def __init__(self, build, classes):
        super().__init__(build, classes, contrast=10.0)
        for name, buffer in list(self.prototypes.named_buffers()):
            self.prototypes.register_buffer(name, buffer, persistent=False)


class DivergenceOfLogits(DualNetwork):  # probabilities of 0 have no logarithm
    def _learn(self, log, other, *taught):
        ours, theirs = log.exp(), other.detach().exp()
        infinite = (theirs * (theirs.log() - ours.log())).sum(1).mean()
        return {**super()._learn(log, other, *taught), "divergence": infinite}


class MaskedErrorOfNothing(UncertaintyAwareMeanTeacher):
    def step(self, labelled, unlabelled, progress):
        step = super().step(labelled, unlabelled, progress)
        if unlabelled is not None and len(unlabelled["weak"]):
            target = self.noisy_mean(unlabelled["weak"])
            error = (self.student(unlabelled["strong"]).softmax(1) - target).square().sum(1)
            step.losses["consistency"] = error[entropy(target) < 0.9 * self.bound(progress)].mean()
        return step


MUTANTS = {
    "student logits from the teacher (USB)": (StudentLogitsFromTheTeacher, 2),
    "student detached (AIPMLab)": (StudentDetached, 2),
    "entropy of logits (AIPMLab)": (EntropyOfLogits, 1),
    "labels of the unlabelled batch": (LabelsOfTheUnlabelled, 4),
    "mean of an empty mask": (MeanOfAnEmptyMask, 9),
    "classes joined by OR (AIPMLab)": (ClassesJoinedByOr, 10),
    "average not kept (PyMIC)": (AverageNotKept, 5),
    "buffers not averaged (A&D)": (BuffersNotAveraged, 5),
    "trainable teacher (AveragedModel)": (TrainableTeacher, 6),
    "teacher in training mode": (TeacherInTrainingMode, 6),
    "second network forgotten": (SecondNetworkForgotten, 3),
    "teacher never updated": (TeacherNeverUpdated, 3),
    "term without weight": (TermWithoutWeight, 1),
    "labels of another crop": (LabelsOfAnotherCrop, 7),
    "teacher outside the state dict": (TeacherOutsideTheState, 8),
    "number of updates not saved": (UpdatesNotSaved, 8),
    "diffusion teacher taught by pseudo-labels": (DiffusionTeacherTaughtByPseudoLabels, 2),
    "propagation of detached features": (PropagationOfDetachedFeatures, 2),
    "logarithm of zero in the distillation": (LogarithmOfZero, 9),
    "turns of the diffusion teacher not saved": (TurnsNotSaved, 8),
    "prototype term without gradient (AIPMLab)": (PrototypesWithoutGradient, 2),
    "entropy-filtered term detached (AIPMLab)": (FilteredLossWithoutGradient, 2),
    "one direction only (AIPMLab)": (OneDirectionOnly, 2),
    "filter by entropy of logits (AIPMLab)": (FilterByEntropyOfLogits, 2),
    "two class maps joined by OR (AIPMLab)": (TwoClassMapsJoinedByOr, 10),
    "labels for one of two networks": (LabelsForOneNetwork, 2),
    "prototypes not saved": (PrototypesNotSaved, 8),
    "divergence with a logarithm of zero": (DivergenceOfLogits, 9),
    "mean error of an empty mask": (MaskedErrorOfNothing, 9),
}


def caught(check, mutant) -> str:
    """``X`` where a check fails on a mutant, ``!`` where the mutant breaks in another way, else a dot."""
    try:
        check(mutant)
    except AssertionError:
        return "X"
    except Exception:
        return "!"
    return "."


if __name__ == "__main__":
    items = runpy.run_path(str(Path(__file__).with_name("test_contract.py")))["ITEMS"]
    print(f"{'planted fault':42}" + "".join(f"{number:>3}" for number in items) + "  must be caught by")
    for fault, (mutant, number) in MUTANTS.items():
        marks = "".join(f"{caught(check, mutant):>3}" for check in items.values())
        print(f"{fault:42}{marks}  {number}")
