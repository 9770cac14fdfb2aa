"""How much each view differs from the crop that it shows: weakly, strongly, and in which ways."""

from __future__ import annotations

import pytest
import torch
from monai.transforms import Identityd
from scipy import ndimage

from fewlabel.data import transforms
from fewlabel.data.transforms import class_locations, labelled_view, unlabelled_view
from fewlabel.plan import Plan

PLAN = Plan((1.0, 1.0, 1.0), (24, 24, 24), "meanstd", None, "unet_small", 2, ("a",))
COUNT = 60


@pytest.fixture
def still(monkeypatch):
    """Crops that are neither turned nor scaled: what is left is what happens to intensities."""
    monkeypatch.setattr(transforms, "_geometry", lambda keys: Identityd(keys=keys))


def scan(blur):
    """As large as a crop, so that each crop is the whole."""
    noise = torch.randn(1, *PLAN.patch, generator=torch.Generator().manual_seed(0)).numpy()
    smooth = torch.as_tensor(ndimage.gaussian_filter(noise, (0, blur, blur, blur)))
    return (smooth - smooth.mean()) / smooth.std()


@pytest.fixture
def image():
    return scan(blur=2)


def crops(view, data):
    view.set_random_state(1)
    results = [view(dict(data)) for _ in range(COUNT)]
    return [result[0] if isinstance(result, list) else result for result in results]


def differences(results, key, image):
    return torch.stack([(crop[key] - image).abs().mean() for crop in results])


def test_the_strong_view_differs_far_more_from_its_crop_than_the_weak_one(still, image):
    results = crops(unlabelled_view(PLAN), {"image": image})
    weak, strong = (differences(results, key, image) for key in ("weak", "strong"))
    assert 0.01 < weak.mean() < 0.15
    assert strong.mean() > 2 * weak.mean()
    assert (strong > weak).float().mean() > 0.8


def holes(crop):
    """Voxels of exactly 0, in boxes."""
    return int((crop == 0).sum())


def roughness(crop):
    """Of what is not hidden: how much neighbours differ, against how much all voxels do."""
    return float((crop[:, 1:] - crop[:, :-1]).abs().mean() / crop.std())


def test_the_strong_view_has_holes_in_some_crops_and_the_weak_one_in_none(still, image):
    results = crops(unlabelled_view(PLAN), {"image": image})
    assert not any(holes(crop["weak"]) for crop in results)
    assert 0.1 * COUNT < sum(holes(crop["strong"]) >= 4**3 for crop in results) < 0.6 * COUNT


def test_the_strong_view_is_noisy_in_some_crops_and_blurred_in_others(still):
    smooth, rough = scan(blur=4), scan(blur=0)
    noisy = [roughness(crop["strong"]) / roughness(smooth) for crop in crops(unlabelled_view(PLAN), {"image": smooth})]
    assert 0.08 * COUNT < sum(each > 1.2 for each in noisy) < 0.6 * COUNT
    blurred = [roughness(crop["strong"]) / roughness(rough) for crop in crops(unlabelled_view(PLAN), {"image": rough})]
    assert 0.1 * COUNT < sum(each < 0.8 for each in blurred) < 0.6 * COUNT
    for blur in (0, 4):
        plain = [roughness(crop["weak"]) for crop in crops(unlabelled_view(PLAN), {"image": scan(blur)})]
        assert max(plain) < 2 * roughness(scan(blur))


def test_the_strong_view_has_other_contrasts(still, image):
    """A contrast moves the middle of the distribution to one side; scaling, noise and blur leave it where it is."""
    results = crops(unlabelled_view(PLAN), {"image": image})

    def lopsided(values):
        return float(((values - values.mean()) / values.std()).pow(3).mean())

    whole = [crop["strong"] for crop in results if not holes(crop["strong"])]
    moved = [abs(lopsided(crop) - lopsided(image)) > 0.15 for crop in whole]
    assert sum(moved) > 0.3 * len(whole)
    assert all(abs(lopsided(crop["weak"]) - lopsided(image)) < 0.05 for crop in results)


def test_labelled_crops_are_changed_in_intensity_and_not_beyond_recognition(still, image):
    data = class_locations(PLAN)({"image": image, "label": (image > 0).float()})
    results = crops(labelled_view(PLAN), data)
    found = differences(results, "image", image)
    assert found.mean() < 0.4
    assert 0.6 * COUNT < (found > 0.01).sum() < COUNT
    assert all(torch.equal(crop["label"], data["label"]) for crop in results)


def test_labelled_and_unlabelled_crops_are_turned_and_scaled(image):
    data = class_locations(PLAN)({"image": image, "label": (image > 0).float()})
    labels = {crop["label"].numpy().tobytes() for crop in crops(labelled_view(PLAN), data)}
    assert 0.4 * COUNT < len(labels) < 0.95 * COUNT
    moved = crops(unlabelled_view(PLAN), {"image": image})
    alike = [torch.corrcoef(torch.stack([crop["weak"].flatten(), image.flatten()]))[0, 1] for crop in moved]
    assert 0.4 * COUNT < sum(each < 0.9 for each in alike) < 0.95 * COUNT
