"""CT is recognised by its values, whatever fills what the scanner did not measure."""

import os
from pathlib import Path

import numpy as np
import pytest

from experiments.demo.phantom import generate
from fewlabel.hounsfield import in_hounsfield_units
from fewlabel.volumes.reading import read_volume

SIDE = 48
PADDINGS = (-1024, -2000, -2048, -3024, -8192, -32768, 0, 3071)


def body(tissues, shares, seed=0, noise=12.0, air=-1000.0, outside=0.35):
    """An ellipse of tissues in air, blurred a little at every border, as scanners see it: (k, j, i)."""
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*[np.linspace(-1, 1, SIDE)] * 3, indexing="ij")
    inside = axes[1] ** 2 + axes[2] ** 2 * 1.6 < 1 - outside
    blocks = random.choice(len(tissues), size=(8, 8, 8), p=np.array(shares) / np.sum(shares))
    values = np.array(tissues, float)[blocks.repeat(6, 0).repeat(6, 1).repeat(6, 2)]
    scan = np.where(inside, values, air)
    scan = (scan + np.roll(scan, 1, 1) + np.roll(scan, 1, 2)) / 3
    return scan + random.normal(0, noise, scan.shape)


def circle(scan, padding):
    """Outside of the scanner's circle nothing is measured."""
    axes = np.meshgrid(*[np.linspace(-1, 1, SIDE)] * 3, indexing="ij")
    return np.where(axes[1] ** 2 + axes[2] ** 2 > 1, padding, scan)


def abdomen(**changed):
    return body([-100, 50, 110, 180, 600, -900], [3, 5, 2, 1, 0.6, 0.2], **changed)


CTS = {
    "abdomen": abdomen(),
    "noisy abdomen": abdomen(noise=60.0),
    "chest": body([-850, -700, -100, 50, 600], [5, 2, 1, 3, 0.5]),
    "head": body([35, 25, 5, 900, -80], [5, 3, 1, 1, 0.5]),
    "knee": body([60, -100, 300, 1100], [4, 3, 2, 1.5]),
    "contrast": body([-100, 60, 150, 350, 700], [3, 3, 3, 2, 1]),
}


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("name", CTS)
def test_ct_is_recognised_whatever_the_padding(name, padding):
    assert in_hounsfield_units(circle(CTS[name], padding).astype(np.float32))


@pytest.mark.parametrize("name", CTS)
def test_ct_is_recognised_without_padding_clipped_and_in_whole_numbers(name):
    assert in_hounsfield_units(CTS[name])
    assert in_hounsfield_units(np.clip(CTS[name], -1024, 3071).astype(np.int16))
    assert in_hounsfield_units(np.clip(CTS[name], -1000, 1000).astype(np.float32))


@pytest.mark.parametrize("padding", [-1024, -3024, -8192])
def test_ct_is_recognised_with_all_but_the_body_masked(padding):
    scan = abdomen(air=0.0)
    axes = np.meshgrid(*[np.linspace(-1, 1, SIDE)] * 3, indexing="ij")
    assert in_hounsfield_units(np.where(axes[1] ** 2 + axes[2] ** 2 * 1.6 < 0.6, scan, padding))


@pytest.mark.parametrize("padding", [-2048, -3024, -8192])
def test_ct_is_recognised_after_padding_was_interpolated_with_its_neighbours(padding):
    scan = circle(abdomen(), padding)
    assert in_hounsfield_units((scan + np.roll(scan, 1, 1)) / 2)


def test_ct_is_recognised_with_two_paddings_and_with_metal():
    scan = circle(abdomen(), -3024)
    scan[:4] = -2048
    scan[20:24, 20:24, 20:24] = 12000
    scan[20:24, 24:27, 20:24] = np.random.default_rng(0).uniform(-3000, -1100, (4, 3, 4))
    assert in_hounsfield_units(scan)


def test_ct_of_the_belly_without_the_air_around_it_is_recognised_by_the_gas_in_it():
    assert in_hounsfield_units(abdomen()[8:40, 16:32, 16:32])


def mr(seed=0):
    return np.abs(body([700, 400, 900, 150], [4, 3, 2, 1], seed, noise=25.0, air=0.0))


RANDOM = np.random.default_rng(0)
NOT_CT = {
    "MR": mr(),
    "MR with padding": circle(mr(), -1024),
    "MR with padding far below": circle(mr(), -8192),
    "dark MR with padding": circle(mr() / 4, -1000),
    "MR scaled to its deviation": (mr() - mr().mean()) / mr().std(),
    "MR scaled to its deviation, padded": circle((mr() - mr().mean()) / mr().std(), -1000),
    "MR scaled to a thousand deviations": 1000 * RANDOM.normal(size=(SIDE,) * 3),
    "MR scaled to half as many": 500 * RANDOM.normal(size=(SIDE,) * 3),
    "difference of two MR": mr(0) - mr(1),
    **{f"difference of tail {tail}": RANDOM.laplace(0, tail, (SIDE,) * 3) for tail in (100, 200, 300, 500)},
    **{f"noise of {width}": RANDOM.normal(0, width, (SIDE,) * 3) for width in (100, 200, 300, 400, 700)},
    "phase": RANDOM.uniform(-4096, 4096, (SIDE,) * 3),
    "phase in radians": RANDOM.uniform(-3.14, 3.14, (SIDE,) * 3),
    "PET in SUV": body([1, 2, 8, 15], [5, 3, 1, 0.2], noise=0.2, air=0.0),
    "PET in Bq/ml": body([2000, 5000, 30000], [5, 3, 1], noise=300.0, air=0.0),
    "PET with noise below zero": RANDOM.normal(0, 400, (SIDE,) * 3) + mr() * 10,
    "uint8": np.clip(mr() / 4, 0, 255).astype(np.uint8),
    "probability": RANDOM.uniform(0, 1, (SIDE,) * 3),
    "window of a CT": np.clip(abdomen(), -160, 240),
    "CT scaled to 0..1": (np.clip(abdomen(), -1000, 1000) + 1000) / 2000,
    "CT scaled to -1..1": np.clip(abdomen(), -1000, 1000) / 1000,
    "CT stored without its intercept": np.clip(abdomen() + 1024, 0, 4095),
    "ultrasound": np.abs(RANDOM.normal(60, 40, (SIDE,) * 3)),
    "constant": np.full((8, 8, 8), -1000.0),
}


@pytest.mark.parametrize("name", NOT_CT)
def test_what_is_no_ct_is_not_taken_for_one(name):
    assert not in_hounsfield_units(NOT_CT[name].astype(np.float32))


@pytest.mark.parametrize("seed", range(3))
def test_phantoms_are_what_they_were_made_as(seed):
    assert in_hounsfield_units(generate(seed, modality="ct").image.array)
    assert in_hounsfield_units(generate(seed, modality="ct", hard=True).image.array)
    assert not in_hounsfield_units(generate(seed, modality="mr").image.array)
    assert not in_hounsfield_units(generate(seed, modality="mr", hard=True).image.array)


@pytest.mark.data
@pytest.mark.parametrize("study", ["hippocampus", "oasis_hippocampus", "left_atrium"])
def test_real_mr_is_not_taken_for_ct(study):
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    files = sorted((Path(os.environ.get("FEWLABEL_DATA") or beside) / study / "images").glob("*.n*"))[::20]
    if not files:
        pytest.skip(f"needs real volumes: set FEWLABEL_DATA to a folder with {study}/images")
    assert not any(in_hounsfield_units(read_volume(file).array) for file in files)
