"""Faults in what the server and a continuous training see of labels and of each other, and in what is said of it."""

from experiments.mutants.fault import Fault

ARRIVALS = (
    Fault(
        "no change of a label is seen",
        "training/arrivals.py",
        "self._changed = self._now() != self.known",
        "self._changed = False",
        "tests/training/test_arrivals.py::test_a_label_that_comes_is_seen_with_the_next_look",
    ),
    Fault(
        "a label that is overwritten in place is not seen",
        "training/arrivals.py",
        "in {*labels, *(label.parent for label in labels)}",
        "in {label.parent for label in labels}",
        "tests/training/test_arrivals.py::test_a_label_whose_file_is_overwritten_is_new",
    ),
    Fault(
        "who asks first takes the news of a label from who asks next",
        "training/arrivals.py",
        "if began < self._next:\n            return self._changed",
        "if began < self._next:\n            return False",
        "tests/training/test_arrivals.py::test_a_change_is_reported_until_it_is_taken_in",
    ),
    Fault(
        "one that was queued when somebody stopped it runs all the same",
        "training/keeper.py",
        "if active is not None:  # it was still queued",
        "if False:  # it was still queued",
        "tests/training/test_keeper.py::test_one_that_was_queued_when_somebody_stopped_it_is_ended_when_it_runs",
    ),
    Fault(
        "looking at thousands of labels takes all the time",
        "training/arrivals.py",
        "max(_LOOK_EVERY, (now - began) / MOST_TIME)",
        "_LOOK_EVERY",
        "tests/training/test_arrivals.py::test_looking_at_many_labels_takes_a_twentieth_of_the_time_at_most",
    ),
    Fault(
        "what somebody chose of a training is lost with the next start",
        "training/keeper.py",
        "self._start(self.mode.options())",
        "self._start({})",
        "tests/training/test_keeper.py::test_what_somebody_chose_of_it_holds_for_those_that_begin_by_themselves",
    ),
    Fault(
        "a killed training is said to rest until somebody says Train",
        "training/standing.py",
        "if not self.by_itself or self.rests:",
        "if True:",
        "tests/training/test_standing.py::test_a_process_that_was_killed_took_nothing_back_so_the_server_says_how_it_stands[training-standing5-starting]",
    ),
    Fault(
        "an accepted label validates",
        "training/arrivals.py",
        "    cases -= set(accepted_cases(datastore, cases))\n",
        "",
        "tests/training/test_arrivals.py::test_an_accepted_proposal_can_never_validate",
    ),
    Fault(
        "who stops a training is not obeyed",
        "training/keeper.py",
        "self.mode.remember(rests=True)",
        "self.mode.remember(rests=False)",
        "tests/training/test_keeper.py::test_who_stops_it_is_obeyed_by_the_next_server_too_until_somebody_says_train",
    ),
    Fault(
        "a training that rests is begun again for nothing",
        "training/keeper.py",
        "return self.learned.labels() != labels",
        "return True",
        "tests/training/test_keeper.py::test_a_label_of_the_held_out_domain_starts_no_training",
    ),
    Fault(
        "a training waits for nobody",
        "training/people.py",
        "while is_asked(file):",
        "while False:",
        "tests/training/test_people.py::test_who_waits_goes_on_when_nobody_asks",
    ),
)
