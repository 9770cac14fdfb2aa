"""Faults in comparing versions, in the newer strategies, and in choosing for several people."""

from experiments.mutants.fault import Fault

_CONTRACT = "tests/selection/test_contract_choosing.py::"
_RANK = _CONTRACT + "test_what_an_older_version_said_counts_by_rank_and_never_by_value"
_EQUALS = _CONTRACT + "test_equals_are_not_told_apart_by_their_names_alone"
_DIFFER = _CONTRACT + "test_people_who_ask_at_once_get_cases_that_differ"
_LEVELS = "tests/selection/test_levels.py::"
_PART = "tests/selection/test_uncertain_part.py::"
_CORRECTION = "tests/selection/test_expected_correction.py::"
_COLD = "tests/selection/test_cold_start.py::"
_STORED = "tests/selection/test_scoring_store.py::"

CHOOSING = (
    Fault(
        "scores of two versions are mixed by value",
        "selection/scores.py",
        "return Scores(version, done, of, *comparable(cases))",
        "return Scores(version, done, of, cases)",
        _RANK,
    ),
    Fault(
        "an older version keeps its own scale",
        "selection/levels.py",
        'np.quantile(scale, known, method="hazen") if scale else known',
        "known",
        _LEVELS + "test_the_most_frequent_version_keeps_its_values_and_others_take_those_of_the_same_rank",
    ),
    Fault(
        "ranks of an older version are turned round",
        "selection/levels.py",
        "shares = (rankdata(list(values.values())) - 0.5) / len(values)",
        "shares = 1 - (rankdata(list(values.values())) - 0.5) / len(values)",
        _LEVELS + "test_the_most_frequent_version_keeps_its_values_and_others_take_those_of_the_same_rank",
    ),
    Fault(
        "the last case of an older version is in the middle of its scores",
        "selection/levels.py",
        'for key in ("standing", before)',
        "for key in (before,)",
        _LEVELS + "test_a_rank_that_was_taken_when_the_version_was_replaced_stays_when_all_others_are_scored_again",
    ),
    Fault(
        "ranks are taken anew among what is left of a version",
        "selection/scoring.py",
        '"standing": said.get("standing", now[case])',
        '"standing": now[case]',
        _STORED + "test_older_scores_stay_with_their_version_and_rank_until_they_are_made_again",
    ),
    Fault(
        "scores of another plan are kept",
        "selection/scoring.py",
        'content.get("plan") != plan or last > version',
        "last > version",
        _STORED + "test_older_scores_of_another_plan_are_not_kept",
    ),
    Fault(
        "the score of a replaced scan is kept",
        "selection/scoring.py",
        'said.get("source") is None or said["source"] == (now and list(now))',
        "True",
        _STORED + "test_the_prediction_of_a_replaced_scan_is_not_scored",
    ),
    Fault(
        "scoring predicts what is stored",
        "selection/scoring.py",
        "found = known or anew(record, image)",
        "found = anew(record, image)",
        _STORED + "test_nothing_is_predicted_twice_by_one_version",
    ),
    Fault(
        "the order by uncertain parts is turned round",
        "selection/uncertain_part.py",
        "np.where(np.isfinite(known), known, _NONE)",
        "np.where(np.isfinite(known), -known, _NONE)",
        _PART + "test_the_part_decides_and_not_the_whole_region",
    ),
    Fault(
        "one class is ignored by uncertain parts",
        "selection/uncertain_part.py",
        "known = _mean(by_class,",
        "known = _mean(by_class[:1],",
        _PART + "test_a_case_that_is_hard_in_one_structure_alone_comes_early_whichever_it_is",
    ),
    Fault(
        "a small structure is drowned by a large one",
        "selection/uncertain_part.py",
        'standardised(scores.column(unlabelled, name, "parts")) for name',
        'scores.column(unlabelled, name, "parts") for name',
        _PART + "test_a_case_that_is_hard_in_one_structure_alone_comes_early_whichever_it_is",
    ),
    Fault(
        "the most uncertain part is the whole region",
        "uncertainty.py",
        "values.topk(max(1, round(_PART * values.numel())))",
        "values.topk(values.numel())",
        "tests/test_uncertainty.py::test_the_part_is_the_most_uncertain_tenth_of_a_region",
    ),
    Fault(
        "the order by expected correction is turned round",
        "selection/expected_correction.py",
        "standardised(expected.relative)",
        "-standardised(expected.relative)",
        _CORRECTION + "test_the_order_turns_round_with_the_history",
    ),
    Fault(
        "a class that always needs much correction decides",
        "selection/expected_correction.py",
        "np.mean([value / units[name] for name",
        "np.mean([value for name",
        _CORRECTION + "test_of_large_and_small_the_relative_change_decides",
    ),
    Fault(
        "accepted labels count as labels that needed no correction",
        "selection/expected_correction.py",
        'or entry.get("kind") not in _COUNTED',
        "",
        _CORRECTION + "test_accepted_labels_later_submissions_and_those_without_a_model_do_not_count",
    ),
    Fault(
        "corrections of the oldest model count most",
        "selection/expected_correction.py",
        "np.arange(len(known))[::-1]",
        "np.arange(len(known))",
        _CORRECTION + "test_recent_corrections_count_more_than_those_of_an_old_model",
    ),
    Fault(
        "outliers come first",
        "selection/cold_start.py",
        "_shares(-closest.sum(1))",
        "_shares(closest.sum(1))",
        _COLD + "test_outliers_wait",
    ),
    Fault(
        "difficulty counts less where hard scans are typical",
        "selection/cold_start.py",
        "(1 + self.alignment) / 2",
        "(1 - self.alignment) / 2",
        _COLD + "test_difficulty_counts_more_with_more_labels_and_where_hard_scans_are_typical",
    ),
    *(
        Fault(f"ties are broken by name only: {name}", f"selection/{name}.py", *change, _EQUALS)
        for name, change in {
            "uncertain": (
                "sorted(unlabelled, key=lambda case: mixing(self.seed, case))",
                "sorted(unlabelled)",
            ),
            "cold_start": ("sorted(unlabelled, key=lambda case: mixing(self.seed, case))", "sorted(unlabelled)"),
            "expected_correction": (
                "sorted(unlabelled, key=lambda case: mixing(self.seed, case))",
                "sorted(unlabelled)",
            ),
            "coverage": ("sorted(unlabelled, key=lambda case: mixing(self.seed, case))", "sorted(unlabelled)"),
        }.items()
    ),
    *(
        Fault(f"what others have is no reason to differ: {name}", f"selection/{name}.py", *change, _DIFFER)
        for name, change in {
            "uncertain_part": ("[*labelled, *given]", "labelled"),
            "expected_correction": ("[*labelled, *(case for case in mixed if self.leases.recent(case))]", "labelled"),
            "cold_start": ("[*labelled, *(case for case in mixed if self.leases.recent(case))]", "list(labelled)"),
        }.items()
    ),
    Fault(
        "a leased case is offered by a strategy that picks itself",
        "selection/diversity.py",
        "        self.free[number], self.differs[number] = False, differs\n",
        "        self.differs[number] = differs\n",
        "tests/selection/test_diversity.py::test_the_highest_utility_comes_first_and_its_double_last",
    ),
    Fault(
        "two people who ask at the same moment get the same case",
        "selection/base.py",
        "        with self.leases.choosing:\n            return self._choose",
        "        if True:\n            return self._choose",
        _CONTRACT + "test_people_who_ask_at_the_same_moment_never_get_the_same_case",
    ),
    Fault(
        "a case that nobody could use comes again and again",
        "selection/base.py",
        "if not self.leases.is_given_up(case)]",
        "]",
        _CONTRACT + "test_a_case_that_nobody_could_use_is_never_offered_again",
    ),
    Fault(
        "a skip that is sent twice gives a case up",
        "selection/leases.py",
        "if case in self._given or not self._recent(self._skipped, case, PUT_OFF):",
        "if True:",
        "tests/selection/test_leases.py::test_a_case_that_was_offered_again_and_skipped_again_is_given_up_until_somebody_asks_for_it",
    ),
)
