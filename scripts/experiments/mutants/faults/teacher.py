"""Faults in the moving average that teaches."""

from experiments.mutants.fault import Fault

_TEACHER = "tests/methods/test_teacher.py"

TEACHER = (
    Fault(
        "the teacher keeps a hundredth and takes the rest",
        "methods/teacher.py",
        "share.clamp(1 - self.decay, 1)",
        "share.clamp(self.decay, 1)",
        f"{_TEACHER}::test_the_first_updates_are_a_plain_mean",
    ),
    Fault(
        "the teacher has no warm-up",
        "methods/teacher.py",
        "torch.maximum(1 / (self.updates + 1), (progress - self.progress) / self.window)",
        "torch.as_tensor((progress - self.progress) / self.window)",
        f"{_TEACHER}::test_the_first_updates_are_a_plain_mean",
    ),
    Fault(
        "the teacher averages over the whole of a short training",
        "methods/teacher.py",
        "torch.maximum(1 / (self.updates + 1), (progress - self.progress) / self.window)",
        "1 / (self.updates + 1)",
        f"{_TEACHER}::test_in_a_short_training_the_average_reaches_back_over_its_window_only",
    ),
    Fault(
        "the teacher forgets when it was updated",
        "methods/teacher.py",
        "        self.progress.fill_(progress)\n",
        "",
        f"{_TEACHER}::test_in_a_short_training_the_average_reaches_back_over_its_window_only",
    ),
    Fault(
        "the teacher shares its weights with the student",
        "methods/teacher.py",
        "copy.deepcopy(student).requires_grad_(False)",
        "student",
        f"{_TEACHER}::test_it_asks_for_no_gradient_and_gives_none",
    ),
)
