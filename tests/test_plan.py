from __future__ import annotations

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewlabel.networks import NETWORKS, divisor
from fewlabel.plan import Plan, ScanFacts, check_plan, is_ct, make_plan, save_plan, saved_plan, scan_facts
from fewlabel.settings import Settings
from fewlabel.volumes.reading import Volume

MR = ScanFacts((40, 50, 60), (1.0, 1.0, 1.0), hounsfield=False)
CT = dataclasses.replace(MR, hounsfield=True)


def plan_of(*facts, device="cpu", classes=("a",), foreground=None, **settings):
    return make_plan(facts, classes, Settings.from_conf(settings), device, foreground)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1)])
def test_shape_and_spacing_are_measured_along_the_body_however_the_axes_are_stored(order, signs):
    shape, spacing = (4, 5, 6), (0.5, 1.5, 3.0)
    affine = np.eye(4)
    affine[:3, :3] = (np.diag(spacing) @ np.diag(signs))[:, order]
    facts = scan_facts(Volume(np.zeros([shape[axis] for axis in order], np.float32), affine))
    assert facts.shape == shape
    assert facts.spacing == spacing


def test_an_oblique_scan_is_measured_along_its_nearest_axes():
    turn = np.array([[np.cos(0.4), -np.sin(0.4), 0], [np.sin(0.4), np.cos(0.4), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([2.0, 1.0, 4.0])
    facts = scan_facts(Volume(np.zeros((4, 5, 6), np.float32), affine))
    assert facts.shape == (4, 5, 6)
    assert facts.spacing == pytest.approx((2.0, 1.0, 4.0))


def test_intensities_are_measured_all_over_a_large_scan():
    array = np.zeros((200, 250, 256), np.float32)  # a stride of 64 over the flat array would stay in four planes
    array[:, :, 1:64] = -1000
    array[:, :, 64:128] = -100
    array[:, :, 129:192] = 100
    assert scan_facts(Volume(array, np.eye(4))).hounsfield


def test_a_saved_plan_keeps_its_normalisation_whatever_the_scans_look_like(tmp_path):
    plan = plan_of(MR)
    save_plan(tmp_path / "plan.json", plan)
    assert plan_of(CT).normalisation == "ct"
    assert saved_plan(tmp_path / "plan.json", ["a"], Settings()).normalisation == "meanstd"


def test_one_odd_scan_in_ten_does_not_change_what_the_study_is():
    assert is_ct([CT] * 9 + [MR])
    assert not is_ct([CT] * 5 + [MR] * 5)


def test_a_plan_for_ct_without_bounds_cannot_work_and_says_so():
    plan = dataclasses.replace(plan_of(CT), bounds=None)
    with pytest.raises(ValueError, match="range"):
        check_plan(plan)
    with pytest.raises(ValueError, match="no bounds"):
        _ = plan.window


def test_ct_gets_a_window_around_what_is_labelled_and_the_rest_its_own_deviation():
    without, narrow, wide = plan_of(CT), plan_of(CT, foreground=(40, 60)), plan_of(CT, foreground=(-1000, 200))
    assert without.bounds == (-175.0, 250.0)
    assert narrow.bounds[1] - narrow.bounds[0] == pytest.approx(300)
    assert narrow.bounds[0] < 40 < 60 < narrow.bounds[1]
    assert wide.bounds[0] < -1000 < 200 < wide.bounds[1]
    assert {without.normalisation, narrow.normalisation, wide.normalisation} == {"ct"}
    assert (plan_of(MR).normalisation, plan_of(MR).bounds) == ("meanstd", None)


SIDES = st.tuples(*[st.integers(1, 700)] * 3)
SPACINGS = st.tuples(*[st.floats(0.2, 8)] * 3)


@settings(deadline=None)
@given(SIDES, SPACINGS, st.sampled_from(sorted(NETWORKS)), st.sampled_from(["cpu", "cuda:0"]))
def test_every_network_gets_crops_that_it_can_take_and_that_are_quick_enough(shape, spacing, network, device):
    plan = plan_of(ScanFacts(shape, spacing, hounsfield=False), network=network, device=device)
    by = divisor(network)
    assert all(side % by == 0 and side >= by for side in plan.patch)
    assert max(plan.patch) > by
    limit = 40 * 48 * 40 if device == "cpu" else 112 * 112 * 80
    assert math.prod(plan.patch) <= limit
    extent = np.multiply(shape, spacing) / plan.spacing
    assert extent.prod() <= (3_500_000 if device == "cpu" else 24_000_000) * 1.01
    assert all(side <= math.ceil(voxels / by + 1) * by or by == max(plan.patch) / 2
               for side, voxels in zip(plan.patch, extent, strict=True))  # fmt: skip


@pytest.mark.parametrize("network", [name for name in NETWORKS if name != "vnet"])
def test_the_smallest_crop_runs_through_the_network(network):
    plan = plan_of(dataclasses.replace(MR, shape=(3, 3, 3)), network=network, patch="1")
    net = NETWORKS[network](2).train()
    assert net(torch.randn(1, 1, *plan.patch)).shape == (1, 2, *plan.patch)


def test_a_large_scan_is_worked_on_coarser_finest_axes_first():
    plan = plan_of(dataclasses.replace(CT, shape=(512, 512, 120), spacing=(0.7, 0.7, 2.5)))
    assert plan.spacing[0] == plan.spacing[1] > 0.7
    assert plan.spacing[2] == 2.5
    assert any("coarser" in reason for reason in plan.reasons)
    small = plan_of(dataclasses.replace(CT, shape=(100, 100, 40), spacing=(0.7, 0.7, 2.5)))
    assert small.spacing == (0.7, 0.7, 2.5)


def test_the_spacing_of_a_microscope_is_not_rounded_away():
    plan = plan_of(dataclasses.replace(MR, spacing=(0.00002, 0.00002, 0.00005)))
    assert plan.spacing == (0.00002, 0.00002, 0.00005)


def test_the_median_scan_decides_and_not_an_odd_one():
    odd = dataclasses.replace(MR, shape=(900, 900, 900), spacing=(9.0, 9.0, 9.0))
    assert plan_of(MR, MR, odd).spacing == MR.spacing


def test_what_people_choose_wins():
    plan = plan_of(MR, spacing="2,2,3", patch="20,30,40", network="basic_unet", batch="3", classes=("a", "b"))
    assert plan.spacing == (2.0, 2.0, 3.0)
    assert plan.patch == (32, 32, 48)
    assert (plan.network, plan.batch, plan.classes) == ("basic_unet", 3, ("a", "b"))


@pytest.mark.parametrize("facts", [MR, CT])
def test_a_plan_survives_its_file(tmp_path, facts):
    plan = plan_of(facts)
    save_plan(tmp_path / "plan.json", plan)
    read = saved_plan(tmp_path / "plan.json", ["a"], Settings())
    assert read == plan
    assert read.reasons == plan.reasons


@pytest.mark.parametrize(
    ("classes", "conf", "kept"),
    [
        (["a"], {}, True),
        (["a"], {"network": "unet", "spacing": "1", "batch": "2"}, True),
        (["a"], {"patch": "33,41,40"}, True),
        (["a"], {"method": "supervised", "seed": "3"}, True),
        (["a", "b"], {}, False),
        (["b"], {}, False),
        (["a"], {"network": "unet_small"}, False),
        (["a"], {"spacing": "2"}, False),
        (["a"], {"patch": "64"}, False),
        (["a"], {"batch": "4"}, False),
    ],
)
def test_a_saved_plan_serves_until_classes_or_choices_differ(tmp_path, classes, conf, kept):
    plan = dataclasses.replace(plan_of(MR), patch=(40, 48, 40))
    save_plan(tmp_path / "plan.json", plan)
    read = saved_plan(tmp_path / "plan.json", classes, Settings.from_conf(conf))
    assert read == (plan if kept else None)


@pytest.mark.parametrize(
    "change",
    [
        {"network": "gone"},
        {"patch": [33, 32, 32]},
        {"patch": [8, 8, 8]},
        {"patch": [32, 32]},
        {"patch": ["a", 8, 8]},
        {"spacing": [0, 1, 1]},
        {"spacing": None},
        {"normalisation": "other"},
        {"normalisation": "ct"},
        {"normalisation": "ct", "bounds": [5, 5]},
        {"batch": 0},
        {"of another version": 1},
    ],
)
def test_a_plan_that_was_edited_wrongly_is_made_anew(tmp_path, change, caplog):
    values = {**dataclasses.asdict(plan_of(MR)), **change}
    (tmp_path / "plan.json").write_text(json.dumps(values))
    assert saved_plan(tmp_path / "plan.json", ["a"], Settings()) is None
    assert "a new plan is made" in caplog.text


@pytest.mark.parametrize("content", ["", "{", "[]", "[1]", "3", '"x"', "null", "{}"])
def test_a_damaged_plan_is_made_anew(tmp_path, content):
    (tmp_path / "plan.json").write_text(content)
    assert saved_plan(tmp_path / "plan.json", ["a"], Settings()) is None


def test_without_a_saved_plan_there_is_none(tmp_path):
    assert saved_plan(tmp_path / "plan.json", ["a"], Settings()) is None


def test_a_plan_edited_rightly_is_used(tmp_path):
    values = {**dataclasses.asdict(plan_of(MR)), "patch": [16, 24, 16], "spacing": [2, 2, 2]}
    (tmp_path / "plan.json").write_text(json.dumps(values))
    plan = saved_plan(tmp_path / "plan.json", ["a"], Settings())
    assert isinstance(plan, Plan)
    assert plan.patch == (16, 24, 16)


def test_crops_that_the_network_cannot_take_are_enlarged_and_the_plan_says_so():
    plan = plan_of(MR, patch="1", network="unet")
    assert plan.patch == (8, 8, 16)
    said = [reason for reason in plan.reasons if "asked for" in reason]
    assert len(said) == 1
    assert said[0].startswith("crops of 8x8x16 voxels instead of the 1x1x1 asked for: unet needs multiples of 8")
    assert not [reason for reason in plan_of(MR, patch="16", network="unet").reasons if "asked for" in reason]
