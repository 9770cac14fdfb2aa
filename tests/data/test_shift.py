"""Augmentation for other scanners: what it varies, and what it must leave alone."""

from __future__ import annotations

import pytest
import torch
from monai.transforms import Identityd
from scipy import ndimage

from fewlabel.data import transforms
from fewlabel.data.loaders import PairedLoader
from fewlabel.data.shift import Style, in_style_of, shift_intensity
from fewlabel.data.transforms import class_locations, guided_view, labelled_view, unlabelled_view
from fewlabel.plan import Plan
from fewlabel.settings import SHIFT, STANDARD

PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 2, ("a",))
CT = Plan((1.0, 1.0, 1.0), (16, 16, 16), "ct", (-100.0, 100.0), "unet_small", 2, ("a",))
COUNT = 60


@pytest.fixture
def still(monkeypatch):
    """Crops that are neither turned nor scaled: what is left is what happens to intensities."""
    monkeypatch.setattr(transforms, "_geometry", lambda keys: Identityd(keys=keys))


def scan(seed=0):
    """As large as a crop, so that each crop is the whole; mean 0 and deviation 1."""
    noise = torch.randn(1, *PLAN.patch, generator=torch.Generator().manual_seed(seed)).numpy()
    smooth = torch.as_tensor(ndimage.gaussian_filter(noise, (0, 2, 2, 2)))
    return (smooth - smooth.mean()) / smooth.std()


def labelled(image):
    data = {"image": image, "label": (scan() > 1).float()}
    return class_locations(PLAN)(data)


def crops(view, data, seed=1, count=COUNT):
    view.set_random_state(seed)
    results = [view(dict(data)) for _ in range(count)]
    return [result[0] if isinstance(result, list) else result for result in results]


def alike(crop, image):
    return float(torch.corrcoef(torch.stack([crop.flatten(), image.flatten()]))[0, 1])


@pytest.mark.parametrize("plan", [PLAN, CT], ids=["mr", "ct"])
def test_labels_are_the_same_voxel_by_voxel(still, plan):
    data = labelled(scan())
    for crop in crops(labelled_view(plan, SHIFT), data):
        assert torch.equal(crop["label"], data["label"])
        assert not torch.equal(crop["image"], data["image"])


def test_a_stored_guess_is_the_same_voxel_by_voxel(still):
    guess = torch.stack([scan()[0] > 1, torch.full(PLAN.patch, 255)]).to(torch.uint8)
    where = class_locations(PLAN)({"label": guess[:1]})["label_cls_indices"]
    data = {"image": scan(), "guess": guess, "guess_cls_indices": where}
    assert all(torch.equal(crop["guess"], guess) for crop in crops(guided_view(PLAN, ("strong",), SHIFT), data))


def test_values_stay_finite_and_near_those_of_the_scan(still):
    image = scan()
    for crop in crops(labelled_view(PLAN, SHIFT), labelled(image)):
        assert crop["image"].isfinite().all()
        assert crop["image"].abs().max() < 4 * image.abs().max()
        assert 0.1 < float(crop["image"].std()) < 3


@pytest.mark.filterwarnings("ignore:The image's intensity is a single value")
def test_a_scan_of_one_value_does_no_harm(still):
    for image in (torch.zeros_like(scan()), torch.ones_like(scan())):
        for crop in crops(labelled_view(PLAN, SHIFT), labelled(image), count=30):
            assert crop["image"].isfinite().all()


def test_some_crops_are_inverted_but_most_are_not(still):
    image = scan()
    inverted = [alike(crop["image"], image) < 0 for crop in crops(labelled_view(PLAN, SHIFT), labelled(image))]
    assert 0.05 < sum(inverted) / COUNT < 0.3


def test_values_of_a_ct_stay_in_its_window_and_keep_their_order(still):
    image = torch.sigmoid(scan())
    data = class_locations(CT)({"image": image, "label": (scan() > 1).float()})
    for crop in crops(labelled_view(CT, SHIFT), data):
        assert crop["image"].min() >= 0
        assert crop["image"].max() <= 1
        assert alike(crop["image"], image) > 0.5


def test_a_crop_differs_more_than_in_the_standard_and_the_teachers_view_does_not(still):
    image = scan()

    def difference(kind, key):
        view = unlabelled_view(PLAN, ("weak", "strong"), kind)
        return sum(float((crop[key] - image).abs().mean()) for crop in crops(view, {"image": image})) / COUNT

    assert difference(SHIFT, "strong") > 1.3 * difference(STANDARD, "strong")
    assert difference(SHIFT, "weak") < 0.15


@pytest.mark.parametrize("plan", [PLAN, CT], ids=["mr", "ct"])
def test_the_same_seed_gives_the_same_crops_and_another_one_others(plan):
    data = {"image": torch.sigmoid(scan())}
    results = []
    for seed, other in ((3, 1), (3, 2), (4, 3)):
        torch.manual_seed(other)
        results.append(
            torch.stack([crop["strong"] for crop in crops(unlabelled_view(plan, ("strong",), SHIFT), data, seed, 20)])
        )
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_every_part_changes_something():
    for part in shift_intensity(PLAN, "image"):
        part.set_random_state(0)
        assert any(not torch.equal(part({"image": scan()})["image"], scan()) for _ in range(30)), part


def test_a_style_lends_brightness_and_keeps_the_shapes():
    image, lender = scan(0)[None], scan(1)[None] * 0.5 + 2
    whole = in_style_of(image, lender, torch.ones(1))
    assert float(whole.mean()) == pytest.approx(2, abs=0.01)
    assert alike(whole - whole.mean(), image) > 0.6
    assert torch.equal(in_style_of(image, lender, torch.zeros(1)), image)


def test_some_labelled_crops_take_over_the_style_of_their_partner_alone():
    batch = {"image": torch.stack([scan(0), scan(1)]), "label": torch.zeros(2, 1, *PLAN.patch)}
    pool = {"weak": torch.stack([scan(2) + 9, scan(3) - 9])}
    style, means = Style(PLAN, SHIFT, 0), []
    for _ in range(40):
        found = style(batch, pool)
        assert found["label"] is batch["label"]
        means.append(found["image"].mean((1, 2, 3, 4)))
    first, second = torch.stack(means).T
    assert first.min() > -0.1
    assert second.max() < 0.1
    assert 0.15 < float((first > 0.1).float().mean()) < 0.5


@pytest.mark.parametrize(("plan", "kind"), [(PLAN, STANDARD), (CT, SHIFT)], ids=["standard", "ct"])
def test_otherwise_no_crop_takes_over_a_style(plan, kind):
    batch, pool = {"image": scan()[None]}, {"strong": scan(1)[None] + 9}
    style = Style(plan, kind, 0)
    assert all(style(batch, pool)["image"] is batch["image"] for _ in range(20))
    assert Style(PLAN, SHIFT, 0)(batch, None) is batch


def test_a_loader_varies_its_crops_by_the_option_and_by_the_seed_alone(monkeypatch, take, still):
    def load(plan, labelled_ones):
        return lambda record: labelled(scan()) if labelled_ones else {"image": scan()}

    monkeypatch.setattr("fewlabel.data.loaders.volume_loader", load)
    records = [{"id": "a"}], [{"id": "b"}]

    def images(kind):
        batches = take(PairedLoader(*records, PLAN, 0, augmentation=kind), 6)
        return torch.stack(
            [torch.cat([batch["labelled"]["image"], batch["unlabelled"]["strong"]]) for batch in batches]
        )

    first, again, standard = images(SHIFT), images(SHIFT), images(STANDARD)
    assert torch.equal(first, again)
    assert (first - scan()).abs().mean() > 1.2 * (standard - scan()).abs().mean()
