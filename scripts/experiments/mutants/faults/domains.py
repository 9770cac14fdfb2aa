"""Faults in the settings with domains: what is read, what is held out, and how crops are paired."""

from experiments.mutants.fault import Fault

_PARTNERS = "tests/data/test_partners.py::"
_SAMPLING = "tests/data/test_setting.py::"
_DESCRIBED = "tests/data/test_domains.py::"
_DOMAINS = "tests/datastore/test_domains.py::"
_RUNS = "tests/training/test_domains.py::"

DOMAINS = (
    Fault(
        "a scan unlike all that the model learned from is not flagged",
        "inference/familiar.py",
        "distance is not None and not distance <= 1",
        "distance is not None and distance > 100",
        "tests/inference/test_familiar.py::test_a_scan_far_from_the_training_scans_is_flagged[inverted]",
    ),
    Fault(
        "partners are of the same domain",
        "data/partners.py",
        "sorted(set(self._records) - {domain})",
        "sorted(set(self._records) & {domain})",
        _PARTNERS + "test_partners_are_always_of_different_domains_and_every_volume_is_used",
    ),
    Fault(
        "partners are of any domain",
        "data/partners.py",
        "sorted(set(self._records) - {domain})",
        "sorted(self._records)",
        _PARTNERS + "test_partners_are_always_of_different_domains_and_every_volume_is_used",
    ),
    Fault(
        "partners are those of the crop before",
        "data/loaders.py",
        "[partners.draw(domain) for domain in domains]",
        "[partners.draw(domain) for domain in reversed(domains)]",
        _PARTNERS + "test_partners_are_always_of_different_domains_and_every_volume_is_used",
    ),
    Fault(
        "small domains are drawn as often as large ones",
        "data/partners.py",
        "p=sizes / sizes.sum()",
        "p=None",
        _PARTNERS + "test_domains_are_drawn_by_their_size",
    ),
    Fault(
        "the labels of the target are read",
        "data/loaders.py",
        'keys = ("image", "label") if labelled else ("image",)\n    preprocess',
        'keys = ("image", "label")\n    preprocess',
        "tests/data/test_target_labels.py::test_labels_of_the_target_that_are_not_numbers_are_never_read",
    ),
    Fault(
        "adaptation learns from the unlabelled scans of the source",
        "data/setting.py",
        "if self.setting != ADAPTATION or self.domain_of[case] in self.targets",
        "if True",
        _RUNS + "test_adaptation_reads_the_unlabelled_scans_of_the_target_alone",
    ),
    Fault(
        "the held-out domain is in the pool",
        "data/setting.py",
        "return {case for case in seen if",
        "return {case for case in cases if",
        _SAMPLING + "test_generalisation_hides_the_held_out_domain_and_what_might_be_of_it",
    ),
    Fault(
        "a training sees the scans of the held-out domain",
        "data/setting.py",
        "self._datastore.list_images() if not self._sampling.hides(case)",
        "self._datastore.list_images()",
        _SAMPLING + "test_a_training_sees_nothing_of_hidden_cases_in_the_datastore",
    ),
    Fault(
        "the held-out domain is trained on with its labels",
        "data/setting.py",
        "self._datastore.get_labeled_images() if not self._sampling.hides(case)",
        "self._datastore.get_labeled_images()",
        _RUNS + "test_a_held_out_domain_is_not_opened_and_nothing_says_that_it_is_broken",
    ),
    Fault(
        "held-out labels are checked before a training",
        "data/setting.py",
        "return self._datastore.left_out(set(self.get_labeled_images()))",
        "return self._datastore.left_out()",
        _RUNS + "test_a_held_out_label_is_not_looked_at_even_before_the_training",
    ),
    Fault(
        "a label of the held-out domain starts a training again and again",
        "training/keeper.py",
        "known_labels(self._seen(self._store), accepted)",
        "known_labels(self._store, accepted)",
        "tests/training/test_keeper.py::test_a_label_of_the_held_out_domain_starts_no_training",
    ),
    Fault(
        "a scan whose domain is not known is not held out",
        "data/setting.py",
        "return domain is None or (",
        "return domain is not None and (",
        _SAMPLING + "test_generalisation_hides_the_held_out_domain_and_what_might_be_of_it",
    ),
    Fault(
        "a checkpoint of another setting is continued",
        "training/run.py",
        "            **self.sampling.identity,\n",
        "",
        _RUNS + "test_another_setting_starts_from_new_weights",
    ),
    Fault(
        "an adaptation's epoch is driven by the target",
        "data/loaders.py",
        "self.sampling.setting == ADAPTATION or not",
        "not",
        _PARTNERS + "test_an_epoch_is_a_pass_over_the_pool_and_in_adaptation_over_the_labels",
    ),
    Fault(
        "a case with two domains has the first",
        "datastore/domains.py",
        "if found.setdefault(case, domain) != domain:",
        "if not found.setdefault(case, domain):",
        _DOMAINS + "test_a_bad_file_is_refused_in_words",
    ),
    Fault(
        "each patient's folder is a domain",
        "datastore/domains.py",
        "len(names) < 2 or 2 * len(names) > len(found)",
        "len(names) < 2",
        _DOMAINS + "test_folders_that_say_nothing_are_no_domains",
    ),
    Fault(
        "augmentation for other scanners does not reach the crops",
        "data/loaders.py",
        "transforms.labelled_view(plan, augmentation)",
        "transforms.labelled_view(plan)",
        "tests/data/test_shift.py::test_a_loader_varies_its_crops_by_the_option_and_by_the_seed_alone",
    ),
    Fault(
        "a CT's contrast is inverted",
        "data/shift.py",
        "    if _is_ct(plan):",
        "    if False:",
        "tests/data/test_shift.py::test_values_of_a_ct_stay_in_its_window_and_keep_their_order",
    ),
    Fault(
        "a crop takes over the shapes of its partner",
        "data/shift.py",
        "torch.polar(amplitude, ours.angle())",
        "torch.polar(amplitude, theirs.angle())",
        "tests/data/test_shift.py::test_a_style_lends_brightness_and_keeps_the_shapes",
    ),
    Fault(
        "a setting is proposed where labels lie in several domains",
        "data/domains.py",
        "len(with_labels) != 1 or",
        "not with_labels or",
        _DESCRIBED + "test_otherwise_nothing_is_proposed",
    ),
)
