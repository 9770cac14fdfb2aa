"""Faults in the passes over the pool: how often, which scans first, and what is kept of each."""

from experiments.mutants.fault import Fault

_PASS = "tests/predictions/test_pool.py::"
_REFRESH = "tests/training/test_refresh.py::"
_SCORED = "tests/selection/test_scoring_store.py::"
_STORED = "tests/training/test_stored_pool.py::"

PASSES = (
    Fault(
        "a scan that was replaced by another is not predicted again",
        "predictions/pool.py",
        'head.source == stamp(record["image"]):',
        "True:",
        _PASS + "test_a_scan_that_was_replaced_by_another_is_predicted_again_and_compared_with_nothing",
    ),
    Fault(
        "the freshest predictions are made again first",
        "predictions/pool.py",
        'sorted(to_do, key=lambda record: made.get(record["id"], -1))',
        'sorted(to_do, key=lambda record: -made.get(record["id"], -1))',
        _PASS + "test_a_pass_that_time_ended_goes_on_with_what_is_missing_then_with_the_stalest",
    ),
    Fault(
        "a version predicts a case again and again",
        "predictions/pool.py",
        'made.get(record["id"], -1) < version]',
        'made.get(record["id"], -1) <= version]',
        _PASS + "test_every_case_is_predicted_once_by_a_version",
    ),
    Fault(
        "predicting the pool takes all the time",
        "training/refresh.py",
        "MOST_TIME * self.budget.elapsed() - self.spent",
        "self.budget.elapsed()",
        _REFRESH + "test_it_takes_a_fifth_of_the_time_at_most",
    ),
    Fault(
        "the pool is predicted once and never again",
        "training/refresh.py",
        "if passed <= self.passed or",
        "if self.passed or",
        _REFRESH + "test_the_pool_is_predicted_after_each_share_and_never_else",
    ),
    Fault(
        "the pool is predicted again though nothing moved",
        "training/refresh.py",
        "or not look() <= self.least_changed",
        "or look() >= 0",
        _REFRESH + "test_a_model_that_did_not_move_predicts_nothing_again",
    ),
    Fault(
        "a new label does not reach the stored predictions",
        "training/refresh.py",
        "return self._label_came or moved",
        "return moved",
        _REFRESH + "test_the_first_pass_and_each_new_label_are_worth_it_without_a_look",
    ),
    Fault(
        "the student predicts the pool and not what is published",
        "training/refresh.py",
        "deployed = method.deployed",
        "deployed = method.member_networks[-1]",
        _REFRESH + "test_the_published_network_predicts_and_not_the_student",
    ),
    Fault(
        "predicting the pool takes half of the time",
        "training/refresh.py",
        "return training * self.share / (1 - self.share) - self.spent",
        "return training - self.spent",
        _REFRESH + "test_passes_take_at_most_a_fifth_of_the_time",
    ),
    Fault(
        "a pass that was cut short is taken for a whole one",
        "training/refresh.py",
        "if predict(max(allowed, self.shortest)) or",
        "if not predict(max(allowed, self.shortest)) or",
        _REFRESH + "test_a_cut_pass_goes_on_until_each_scan_is_predicted_and_a_new_version_alone_begins_none",
    ),
    Fault(
        "scans that were just predicted are predicted first",
        "selection/scoring.py",
        "else -math.inf)",
        "else math.inf)",
        _SCORED + "test_cases_without_a_prediction_come_first_then_those_with_the_oldest",
    ),
    Fault(
        "what scoring sees is not stored",
        "predictions/pool.py",
        "        try_to_put(self.store, prediction)\n        return prediction",
        "        return prediction",
        _STORED + "test_what_is_stored_of_each_scan_is_what_inference_says_of_it",
    ),
    Fault(
        "a cached teacher that was asked for is a live one",
        "training/stored_pool.py",
        'return {"teacher": "cached"} if cached else {}',
        "return {}",
        _STORED + "test_a_cached_teacher_teaches_what_was_predicted_on_the_way",
    ),
)
