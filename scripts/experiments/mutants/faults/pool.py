"""Faults in learning from stored predictions: another position, plan, grid or age, and cases without any."""

from experiments.mutants.fault import Fault

_VIEW = "tests/data/test_pool_view.py::"
_CUT = _VIEW + "test_pseudo_label_and_confidence_are_cut_and_turned_with_their_crop"
_STORE = "tests/predictions/test_store.py::"
_PLAN = _STORE + "test_entries_of_another_plan_or_other_classes_are_never_used"
_PREDICT = "tests/predictions/test_predict.py::"
_PASS = "tests/predictions/test_pool.py::"
_REFRESH = "tests/training/test_refresh.py::"
_SCORED = "tests/selection/test_scoring_store.py::"
_STORED = "tests/training/test_stored_pool.py::"
_GUESSES = "tests/methods/test_guesses.py::"
_CONTRACT = "tests/methods/test_contract.py::test_every_method_that_takes_stored_guesses_keeps_the_contract_with_them"

POOL = (
    Fault(
        "a pseudo-label is turned otherwise than its crop",
        "data/transforms.py",
        "_geometry(keys), *_views(views)])",
        '_geometry(("image",)), _geometry(("guess",)), *_views(views)])',
        _CUT,
    ),
    Fault(
        "a pseudo-label comes from another position than its crop",
        "data/pool_view.py",
        '"guess": guess, "guess_cls_indices"',
        '"guess": guess.roll(4, 1), "guess_cls_indices"',
        _CUT,
    ),
    Fault(
        "the confidence is taken for the pseudo-label",
        "data/pool_view.py",
        'crop["pseudo_label"] = cut[:1]',
        'crop["pseudo_label"] = cut[1:]',
        _CUT,
    ),
    Fault(
        "pseudo-labels are interpolated between classes",
        "data/transforms.py",
        'key in ("label", "guess") else',
        'key == "label" else',
        _CUT,
    ),
    Fault(
        "what is not predicted is believed",
        "data/pool_view.py",
        'torch.zeros_like(crop["strong"]) for name in nothing',
        'torch.ones_like(crop["strong"]) for name in nothing',
        _VIEW + "test_without_a_guess_a_crop_comes_from_anywhere_and_nothing_of_it_is_believed",
    ),
    Fault(
        "a guess that was made again is not read again",
        "data/pool_view.py",
        "if version != self._version:",
        "if self._version is None:",
        _VIEW + "test_a_guess_that_was_made_again_is_read_again_and_no_other",
    ),
    Fault(
        "unlabelled crops come from anywhere though classes are known",
        "data/pool_view.py",
        "map_classes_to_indices(guess[:1], self.classes",
        "map_classes_to_indices(guess[:1] * 0, self.classes",
        _VIEW + "test_every_predicted_class_is_as_likely_in_the_middle_of_a_crop",
    ),
    Fault(
        "crops of the pool are made though nothing learns from them",
        "data/loaders.py",
        "if pool and self.pool_wanted and",
        "if pool and",
        _VIEW + "test_a_pool_that_is_not_wanted_is_neither_read_nor_cropped_and_labelled_crops_are_the_same",
    ),
    Fault(
        "crops of scans without a prediction are made while others have one",
        "data/streams.py",
        'if record["id"] in preferred] or good',
        "if preferred] or good",
        _VIEW + "test_batches_hold_pseudo_labels_of_scans_that_have_one_and_of_no_others",
    ),
    Fault(
        "predictions of another plan are used",
        "predictions/store.py",
        "return head.plan == self.key and head.classes == tuple(self.classes)",
        "return head.classes == tuple(self.classes)",
        _PLAN,
    ),
    Fault(
        "the spacing is no part of what a prediction depends on",
        "predictions/entry.py",
        'not in ("batch", "reasons")',
        'not in ("batch", "reasons", "spacing")',
        _PLAN,
    ),
    Fault(
        "predictions on another grid are used",
        "predictions/store.py",
        "or not found[0].is_on(*grid)",
        "",
        _STORE + "test_a_guess_on_another_grid_is_not_used",
    ),
    Fault(
        "what was predicted of another scan under this name is used",
        "predictions/store.py",
        "return self._is_ours(head) and head.source == source",
        "return self._is_ours(head)",
        _STORE + "test_what_was_said_of_a_scan_that_was_replaced_by_another_is_not_used",
    ),
    Fault(
        "a scan that was replaced by another is not predicted again",
        "predictions/pool.py",
        'head.source == stamp(record["image"]):',
        "True:",
        _PASS + "test_a_scan_that_was_replaced_by_another_is_predicted_again_and_compared_with_nothing",
    ),
    Fault(
        "a scan that was mirrored keeps its pseudo-labels",
        "predictions/entry.py",
        "np.abs(ours - theirs).max()",
        "(np.abs(ours) - np.abs(theirs)).max()",
        _STORE + "test_a_guess_on_another_grid_is_not_used",
    ),
    Fault(
        "pseudo-labels are used beyond their age",
        "predictions/store.py",
        "self.current - head.version <= MOST_AGE",
        "self.current - head.version <= 10**6",
        _STORE + "test_a_guess_is_used_up_to_the_stated_age_and_what_it_shows_stays",
    ),
    Fault(
        "an older prediction that comes late makes all others younger",
        "predictions/store.py",
        "max(self.current, version), None",
        "version, None",
        f"{_STORE}test_an_older_prediction_that_comes_late_makes_no_other_younger",
    ),
    Fault(
        "the newest predictions make room for the older ones",
        "predictions/store.py",
        "(of_path.get(path, -1), path.name)",
        "(-of_path.get(path, -1), path.name)",
        _STORE + "test_the_stalest_go_when_the_share_of_the_disk_is_full_and_the_newest_never",
    ),
    Fault(
        "the deployed network's map is that of a member",
        "predictions/predict.py",
        "self._deployed(crops, every)])",
        "every[0]])",
        _PREDICT + "test_the_label_map_is_that_of_inference_voxel_by_voxel",
    ),
    Fault(
        "the confidence is that of the first class",
        "predictions/predict.py",
        "_in_bytes(confidence)",
        "_in_bytes(seen.deployed[0])",
        _PREDICT + "test_entropy_and_disagreement_are_those_of_the_members",
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
        "a cached teacher is asked all the same",
        "methods/guesses.py",
        "if self.cached or ask is None:",
        "if ask is None:",
        _GUESSES + "test_a_cached_guess_is_what_came_with_the_crops_and_nobody_is_asked",
    ),
    Fault(
        "cps learns what is not known",
        "methods/guesses.py",
        "(self.confidence >= threshold) & (self.confidence > 0)",
        "self.confidence >= threshold",
        f"{_CONTRACT}[cps-item_11_a_guess_of_which_nothing_is_known_teaches_nothing]",
    ),
    Fault(
        "bcp takes guessed voxels for true ones",
        "methods/bcp.py",
        "return inward, box\n",
        "return inward, ~box\n",
        _GUESSES + "test_true_labels_count_in_the_box_and_guesses_outside_of_it",
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
        "what is stored is made at a smaller overlap than what is shown",
        "predictions/predict.py",
        "overlap: float = 0.5,\n        beat",
        "overlap: float = 0.0,\n        beat",
        _PREDICT + "test_the_label_map_is_that_of_inference_voxel_by_voxel",
    ),
    Fault(
        "a cached teacher that was asked for is a live one",
        "training/stored_pool.py",
        'return {"teacher": "cached"} if cached else {}',
        "return {}",
        _STORED + "test_a_cached_teacher_teaches_what_was_predicted_on_the_way",
    ),
)
