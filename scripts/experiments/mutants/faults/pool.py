"""Faults in learning from stored predictions: another position, plan, grid or age."""

from experiments.mutants.fault import Fault

_VIEW = "tests/data/test_pool_view.py::"
_CUT = _VIEW + "test_pseudo_label_and_confidence_are_cut_and_turned_with_their_crop"
_STORE = "tests/predictions/test_store.py::"
_PLAN = _STORE + "test_entries_of_another_plan_or_other_classes_are_never_used"
_PREDICT = "tests/predictions/test_predict.py::"
_GUESSES = "tests/methods/test_guesses.py::"
_CONTRACT = "tests/methods/test_contract.py::test_every_method_that_takes_stored_guesses_keeps_the_contract_with_them"

POOL = (
    Fault(
        "a pseudo-label is turned otherwise than its crop",
        "data/transforms.py",
        "_geometry(keys), *_views(views, plan, augmentation)])",
        '_geometry(("image",)), _geometry(("guess",)), *_views(views, plan, augmentation)])',
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
        "what is stored is made at a smaller overlap than what is shown",
        "predictions/predict.py",
        "overlap: float = 0.5,\n        beat",
        "overlap: float = 0.0,\n        beat",
        _PREDICT + "test_the_label_map_is_that_of_inference_voxel_by_voxel",
    ),
)
