"""Batches by the setting: an epoch, and partners of another domain; nothing is read from files."""

from collections import Counter

import pytest
import torch

from fewlabel.data.joining import JoiningStream
from fewlabel.data.loaders import PairedLoader
from fewlabel.data.setting import Sampling
from fewlabel.plan import Plan
from fewlabel.settings import ADAPTATION, GENERALISATION, SEMI_SUPERVISED
from fewlabel.volumes.reading import UnreadableVolume

PLAN = Plan((1.0, 1.0, 1.0), (4, 4, 4), "meanstd", None, "unet_small", 2, ("organ",))
LABELLED = ["n1", "n2", "s1"]
POOL = ["n3", "n4", "n5", "n6", "s2", "s3", "e1"]
NUMBERS = {case: number for number, case in enumerate([*LABELLED, *POOL])}
CASES = {number: case for case, number in NUMBERS.items()}
OF = {case: {"n": "north", "s": "south", "e": "east"}[case[0]] for case in NUMBERS}
BATCHES = 60


class Marks:
    """Makes crops that hold the number of their volume."""

    def set_random_state(self, seed):
        pass

    def __call__(self, volume):
        mark = torch.full((1, 1, 1, 1), float(NUMBERS[volume["id"]]))
        return {**volume, **dict.fromkeys(("image", "label", "weak", "strong"), mark)}


def loader(setting=GENERALISATION, labelled=LABELLED, pool=POOL, of=OF, damaged=(), seed=0, joining=False):
    def load(record):
        if record["id"] in damaged:
            raise UnreadableVolume(f"{record['id']} is damaged")
        return {"id": record["id"]}

    made = PairedLoader(
        *([{"id": case} for case in cases] for cases in (labelled, pool)), PLAN, seed, sampling=Sampling(setting, of)
    )
    for stream in (made.labelled, made.unlabelled):
        stream.load, stream.view = load, Marks()
    if joining:
        made.labelled, made.unlabelled = JoiningStream.of(made.labelled), JoiningStream.of(made.unlabelled)
    return made


def pairs(batches):
    """(labelled case, unlabelled case) of each pair of crops."""
    names = [
        [
            [CASES[int(value)] for value in crops.flatten()]
            for crops in (batch["labelled"]["image"], batch["unlabelled"]["strong"])
        ]
        for batch in batches
    ]
    return [pair for labelled, unlabelled in names for pair in zip(labelled, unlabelled, strict=True)]


@pytest.mark.parametrize("joining", [False, True], ids=["once", "continuous"])
@pytest.mark.parametrize("setting", [ADAPTATION, GENERALISATION])
def test_partners_are_always_of_different_domains_and_every_volume_is_used(setting, joining, take):
    made = loader(setting, joining=joining)
    found = pairs(take(made, BATCHES))
    assert all(OF[labelled] != OF[unlabelled] for labelled, unlabelled in found)
    assert {labelled for labelled, _ in found} == set(LABELLED)
    assert {unlabelled for _, unlabelled in found} == set(POOL) == made.unlabelled.read


def test_they_stay_so_when_the_pool_was_not_wanted_for_a_while(take):
    made, seen = loader(), []
    for number, batch in enumerate(made):
        seen += [batch] if batch["unlabelled"] is not None else []
        made.pool_wanted = number % 7 > 2
        if number == BATCHES:
            break
    assert len(seen) > BATCHES / 3
    assert all(OF[labelled] != OF[unlabelled] for labelled, unlabelled in pairs(seen))


def test_without_a_domain_that_differs_any_crop_is_a_partner(take):
    found = pairs(take(loader(labelled=["n1"], pool=["n3", "n4"]), 8))
    assert {unlabelled for _, unlabelled in found} == {"n3", "n4"}


def test_in_the_ordinary_setting_partners_are_drawn_whatever_their_domain(take):
    found = pairs(take(loader(SEMI_SUPERVISED), BATCHES))
    assert {OF[labelled] == OF[unlabelled] for labelled, unlabelled in found} == {True, False}


def test_domains_are_drawn_by_their_size(take):
    counted = Counter(OF[case] for _, case in pairs(take(loader(labelled=["s1"]), 4 * BATCHES)))
    assert counted["north"] > 2 * counted["east"] > 0


def test_the_labelled_crops_are_the_same_with_and_without_partners(take):
    with_domains, without = (
        [batch["labelled"]["image"].flatten().tolist() for batch in take(loader(setting), 20)]
        for setting in (GENERALISATION, SEMI_SUPERVISED)
    )
    assert with_domains == without


def test_the_same_seed_gives_the_same_pairs(take):
    first, second, other = (pairs(take(loader(seed=seed), BATCHES)) for seed in (3, 3, 4))
    assert first == second != other


def test_a_domain_that_cannot_be_read_is_replaced_by_the_others(take):
    made = loader(damaged=["s2", "s3"])
    found = pairs(take(made, BATCHES))
    assert {OF[unlabelled] for _, unlabelled in found} == {"north", "east"}
    assert made.unlabelled.bad.keys() == {"s2", "s3"}


def test_a_pool_that_cannot_be_read_leaves_the_labels(take):
    assert all(batch["unlabelled"] is None for batch in take(loader(damaged=POOL), 3))


def test_no_thread_is_left(take, reading_threads):
    take(loader(), 5)
    assert not reading_threads()


@pytest.mark.parametrize(
    ("setting", "pool", "steps"),
    [(SEMI_SUPERVISED, POOL, 4), (GENERALISATION, POOL, 4), (ADAPTATION, POOL, 2), (SEMI_SUPERVISED, [], 2)],
)
def test_an_epoch_is_a_pass_over_the_pool_and_in_adaptation_over_the_labels(setting, pool, steps):
    assert len(loader(setting, pool=pool)) == steps
