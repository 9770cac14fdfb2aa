"""Faults in *Label all*: the proposals of the whole pool, and the Dice that is expected of them."""

from experiments.mutants.fault import Fault

_ALL = "tests/service/test_label_all.py::"
_ACCEPT = "tests/service/test_accepting.py::"
_EXPECTED = "tests/review/test_expected.py::"

WHOLE_POOL = (
    Fault(
        "labelled scans are predicted as well",
        "service/pool_filling.py",
        "for case in self.study.store.get_unlabeled_images():",
        "for case in self.study.store.list_images():",
        _ALL + "test_every_scan_without_a_label_and_no_other_gets_a_proposal_with_its_score",
    ),
    Fault(
        "a newer model is not noticed between two scans",
        "service/pool_filling.py",
        "            if stamp(self.workspace.model) != proposer.source:\n                return\n",
        "",
        _ALL + "test_a_newer_model_is_used_from_the_next_scan_on",
    ),
    Fault(
        "nobody comes first",
        "service/pool_filling.py",
        "while not self.stop.is_set() and is_asked(self.workspace.people):",
        "while False:",
        _ALL + "test_whoever_asks_for_something_comes_first",
    ),
    Fault(
        "a full disk is not noticed",
        "service/pool_filling.py",
        "if not self.store.put(proposal):",
        "if self.store.put(proposal) is None:",
        _ALL + "test_the_disk_is_bounded",
    ),
    Fault(
        "a killed server does not go on",
        "service/label_all.py",
        'kept.get("on") is True and',
        "False and",
        _ALL + "test_after_a_restart_it_goes_on_only_if_it_was_running",
    ),
    Fault(
        "a proposal is on the plan's grid",
        "predictions/propose.py",
        "labels = label_map(restored)",
        "labels = label_map(seen.deployed.cpu())",
        "tests/predictions/test_propose.py::test_a_proposal_is_the_label_map_and_certainty_of_inference_voxel_by_voxel[unet_small]",
    ),
    Fault(
        "labels that the model had learned count for the expected Dice",
        "review/expected.py",
        'if not entry.get("first") or not',
        "if not",
        _EXPECTED + "test_only_first_submissions_of_own_work_with_a_known_certainty_count",
    ),
    Fault(
        "accepted labels count for the expected Dice",
        "review/expected.py",
        "or not is_own_work(entry) or not",
        "or not",
        _EXPECTED + "test_only_first_submissions_of_own_work_with_a_known_certainty_count",
    ),
    Fault(
        "a label is left out of nothing",
        "review/expected.py",
        "_fit(np.delete(certainties, each), np.delete(dice, each))",
        "_fit(certainties, dice)",
        _EXPECTED + "test_a_left_out_label_has_no_part_in_its_own_estimate",
    ),
    Fault(
        "the interval is not corrected for the number of comparisons",
        "review/expected.py",
        "math.ceil((len(residuals) + 1) * INSIDE)",
        "math.ceil(len(residuals) * INSIDE) - 3",
        _EXPECTED + "test_the_interval_holds_eight_of_ten_new_cases",
    ),
    Fault(
        "a falling line is fitted",
        "review/expected.py",
        "max(0.0, float(spread @ dice) / square)",
        "float(spread @ dice) / square",
        _EXPECTED + "test_a_surer_model_is_never_expected_to_be_worse",
    ),
    Fault(
        "a proposal of another version than was shown is accepted",
        "service/accepting.py",
        "if proposal.head.version != asked.version:",
        "if False:",
        _ACCEPT + "test_a_proposal_of_another_version_than_was_shown_is_refused",
    ),
    Fault(
        "an accepted proposal replaces a label",
        "service/accepting.py",
        "if case in study.store.get_labeled_images():",
        "if False:",
        _ACCEPT + "test_what_cannot_be_accepted_is_refused_and_nothing_is_stored",
    ),
    Fault(
        "an accepted proposal is stored in the model's values",
        "service/accepting.py",
        "array = values[proposal.labels]",
        "array = proposal.labels",
        _ACCEPT + "test_values_follow_the_names_of_the_study_s_classes",
    ),
    Fault(
        "who accepts waits for a prediction",
        "service/accepting.py",
        "if label_all.is_newest(proposal.head, label_all.card()):",
        "if False:",
        _ACCEPT + "test_nothing_is_predicted_for_it",
    ),
    Fault(
        "accepted labels are trained on unasked",
        "training/run.py",
        "accepted, self.settings.learn_accepted)",
        "accepted, True)",
        "tests/training/test_run.py::test_an_accepted_label_is_trained_on_only_where_the_settings_say_so",
    ),
    Fault(
        "accepted labels leave the pool of unlabelled scans",
        "data/pools.py",
        "unlabelled = set(images) - learned - kept_back",
        "unlabelled = set(images) - labelled - kept_back",
        "tests/data/test_pools.py::test_by_default_a_case_with_an_accepted_label_is_an_unlabelled_one_for_training",
    ),
    Fault(
        "a training begins again because a proposal was accepted",
        "training/arrivals.py",
        "cases if accepted else cases - set(accepted_cases(datastore, cases))",
        "cases",
        "tests/training/test_arrivals.py::test_an_accepted_label_is_no_news_where_it_is_not_trained_on",
    ),
    Fault(
        "a thumbnail is mirrored",
        "predictions/picture.py",
        "(np.arange(n) * size // n)[::-1]",
        "(np.arange(n) * size // n)",
        "tests/predictions/test_picture.py::test_the_slice_shows_the_most_foreground_with_the_right_on_the_left_and_the_front_at_the_top",
    ),
    Fault(
        "a thumbnail has the model's colours",
        "service/thumbnails.py",
        "int(value) - 1 if value else number",
        "number",
        "tests/service/test_thumbnails.py::test_each_class_has_the_colour_that_the_study_gives_it",
    ),
    Fault(
        "infer gives what an older model said",
        "service/label_all.py",
        "if head.source == now and self.is_newest(head, card) and self._is_file_of(image, case):",
        "if head.source == now and self._is_file_of(image, case):",
        _ALL + "test_infer_gives_the_stored_proposal_and_predicts_only_what_is_not_stored",
    ),
)
