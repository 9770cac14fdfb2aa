"""Faults in what the server and a continuous training see of labels and of each other, and in what is said of it."""

from experiments.mutants.fault import Fault

ARRIVALS = (
    Fault(
        "no change of a label is seen",
        "training/arrivals.py",
        "self._changed = self._now() != self.known",
        "self._changed = False",
        "tests/training/test_arrivals.py",
    ),
    Fault(
        "a label that is overwritten in place is not seen",
        "training/arrivals.py",
        "in {*labels, *(label.parent for label in labels)}",
        "in {label.parent for label in labels}",
        "tests/training/test_arrivals.py",
    ),
    Fault(
        "who asks first takes the news of a label from who asks next",
        "training/arrivals.py",
        "if began < self._next:\n            return self._changed",
        "if began < self._next:\n            return False",
        "tests/training/test_arrivals.py",
    ),
    Fault(
        "one that was queued when somebody stopped it runs all the same",
        "training/keeper.py",
        "if active is not None:  # it was still queued",
        "if False:  # it was still queued",
        "tests/training/test_keeper.py",
    ),
    Fault(
        "looking at thousands of labels takes all the time",
        "training/arrivals.py",
        "max(_LOOK_EVERY, (now - began) / MOST_TIME)",
        "_LOOK_EVERY",
        "tests/training/test_arrivals.py",
    ),
    Fault(
        "what somebody chose of a training is lost with the next start",
        "training/keeper.py",
        "self._start(self.mode.options())",
        "self._start({})",
        "tests/training/test_keeper.py",
    ),
    Fault(
        "a killed training is said to rest until somebody says Train",
        "training/standing.py",
        "if not self.by_itself or self.rests:",
        "if True:",
        "tests/training/test_standing.py",
    ),
    Fault(
        "an accepted label validates",
        "training/arrivals.py",
        "    cases -= set(accepted_cases(datastore, cases))\n",
        "",
        "tests/training/test_arrivals.py",
    ),
    Fault(
        "who stops a training is not obeyed",
        "training/keeper.py",
        "self.mode.remember(rests=True)",
        "self.mode.remember(rests=False)",
        "tests/training/test_keeper.py",
    ),
    Fault(
        "a training that rests is begun again for nothing",
        "training/keeper.py",
        "return self.learned.labels() != labels",
        "return True",
        "tests/training/test_keeper.py",
    ),
    Fault(
        "a training waits for nobody",
        "training/people.py",
        "while is_asked(file):",
        "while False:",
        "tests/training/test_people.py",
    ),
)
