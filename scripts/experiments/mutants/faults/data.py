"""Faults in pools, loaders, transforms and the reading of scans."""

from experiments.mutants.fault import Fault

_VIEWS = "tests/data/test_views.py"
_TRANSFORMS = "tests/data/test_transforms.py"
_LOADERS = "tests/data/test_loaders.py"
_POOLS = "tests/data/test_pools.py"

DATA = (
    Fault(
        "the strong view has no strong intensities",
        "data/transforms.py",
        '            *_strong_intensity("strong"),\n',
        "",
        _VIEWS,
    ),
    Fault(
        "the weak view is the strong one",
        "data/transforms.py",
        '*_strong_intensity("strong"),',
        '*_strong_intensity("weak"),',
        _VIEWS,
    ),
    Fault(
        "the strong view has no holes",
        "data/transforms.py",
        "holes=2, spatial_size=4, max_spatial_size=12, fill_value=0.0, prob=0.3",
        "holes=2, spatial_size=4, max_spatial_size=12, fill_value=0.0, prob=0.0",
        _VIEWS,
    ),
    Fault(
        "the strong view has hardly any noise",
        "data/transforms.py",
        "std=0.15, prob=0.4",
        "std=0.015, prob=0.4",
        _VIEWS,
    ),
    Fault(
        "the two views are turned differently",
        "data/transforms.py",
        '            _geometry(("image",)),\n            CopyItemsd(keys="image", names=["strong"]),',
        '            CopyItemsd(keys="image", names=["strong"]),\n            _geometry(("image",)),',
        _TRANSFORMS,
    ),
    Fault(
        "labels are interpolated between classes when they are turned",
        "data/transforms.py",
        'mode=["nearest" if key == "label" else "bilinear" for key in keys],',
        'mode=["bilinear" for key in keys],',
        _TRANSFORMS,
    ),
    Fault(
        "labels are interpolated between classes when they are resampled",
        "data/transforms.py",
        'mode = ["nearest" if key == "label" else "bilinear" for key in keys]',
        'mode = ["bilinear" for key in keys]',
        _TRANSFORMS,
    ),
    Fault(
        "images lie to the left where they are right",
        "data/transforms.py",
        'axcodes="RAS"',
        'axcodes="LAS"',
        _TRANSFORMS,
    ),
    Fault(
        "the spacing is taken in the other order",
        "data/transforms.py",
        "pixdim=plan.spacing, mode",
        "pixdim=plan.spacing[::-1], mode",
        "tests/data/test_transforms.py::test_each_axis_has_the_spacing_of_the_plan_for_it",
    ),
    Fault(
        "crops are drawn all over a labelled scan and small classes forgotten",
        "data/transforms.py",
        "ratios=[1] * classes,",
        "ratios=[1] + [0] * (classes - 1),",
        _TRANSFORMS,
    ),
    Fault(
        "labelled crops are not augmented",
        "data/transforms.py",
        '            *_weak_intensity("image"),\n'
        '            RandAdjustContrastd(keys="image", gamma=(0.7, 1.5), prob=0.3),\n',
        "",
        _VIEWS,
    ),
    Fault(
        "labelled crops are flipped",
        "data/transforms.py",
        "rotate_range=(0.25, 0.25, 0.25),",
        "rotate_range=(3.2, 0.25, 0.25),",
        _TRANSFORMS,
    ),
    Fault(
        "unlabelled crops come from the middle",
        "data/transforms.py",
        'RandSpatialCropd(keys="image", roi_size=plan.patch, random_size=False)',
        'RandSpatialCropd(keys="image", roi_size=plan.patch, random_center=False, random_size=False)',
        _TRANSFORMS,
    ),
    Fault(
        "Hounsfield units are scaled by each scan",
        "data/transforms.py",
        'if plan.normalisation == "meanstd":',
        'if plan.normalisation != "none":',
        _TRANSFORMS,
    ),
    Fault(
        "small volumes are padded with their border",
        "data/transforms.py",
        'mode="constant")',
        'mode="edge")',
        _TRANSFORMS,
    ),
    Fault(
        "a label on another grid is trained on",
        "data/transforms.py",
        'not same_grid(volumes["image"], volumes["label"])',
        "False",
        _TRANSFORMS,
    ),
    Fault(
        "the seed of the crops is ignored",
        "data/loaders.py",
        "        self.view.set_random_state(seed)\n",
        "",
        "tests/data/test_loaders.py::test_the_same_seed_gives_the_same_batches_though_volumes_are_replaced",
    ),
    Fault(
        "the seed of the order is ignored",
        "data/loaders.py",
        "np.random.RandomState(seed)",
        "np.random.RandomState()",
        "tests/data/test_loaders.py::test_the_order_depends_on_the_seed_alone",
    ),
    Fault(
        "only the first volumes of a large pool are seen",
        "data/loaders.py",
        "held = [*held, volume][-self.resident :]",
        "held = [*held, volume][: self.resident]",
        "tests/data/test_loaders.py::test_every_volume_of_a_pool_is_seen_and_about_as_often",
    ),
    Fault(
        "all volumes stay in memory",
        "data/loaders.py",
        "held = [*held, volume][-self.resident :]",
        "held = [*held, volume]",
        "tests/data/test_loaders.py::test_only_the_resident_volumes_and_the_one_read_ahead_are_in_memory",
    ),
    Fault(
        "labelled crops are taken from the unlabelled pool as well",
        "data/loaders.py",
        'self._batch(unlabelled, ("weak", "strong"))',
        'self._batch(labelled, ("image", "label"))',
        _LOADERS,
    ),
    Fault(
        "weak and strong views are of different crops",
        "data/loaders.py",
        "batch = {key: torch.stack([_plain(item[key]) for item in items]) for key in keys}",
        "batch = {key: torch.stack([_plain(item[key]) for item in (items if key != 'strong' else items[::-1])])"
        " for key in keys}",
        "tests/data/test_batches.py::test_what_lies_side_by_side_in_a_batch_is_of_one_crop",
    ),
    Fault(
        "labels of a batch are of other crops than its images",
        "data/loaders.py",
        "batch = {key: torch.stack([_plain(item[key]) for item in items]) for key in keys}",
        "batch = {key: torch.stack([_plain(item[key]) for item in (items if key != 'label' else items[::-1])])"
        " for key in keys}",
        "tests/data/test_batches.py::test_what_lies_side_by_side_in_a_batch_is_of_one_crop",
    ),
    Fault(
        "the labels of the pool are read",
        "data/loaders.py",
        'keys = ("image", "label") if labelled else ("image",)',
        'keys = ("image", "label")',
        _LOADERS,
    ),
    Fault(
        "validation cases are learnt from without their labels",
        "data/pools.py",
        "set(images) - set(labelled) - kept_back)",
        "set(images) - set(labelled) | kept_back)",
        _POOLS,
    ),
    Fault(
        "validation cases are trained on",
        "data/pools.py",
        "training = sorted(set(labelled) - set(validation))",
        "training = sorted(set(labelled))",
        _POOLS,
    ),
    Fault(
        "cases that were trained on become validation",
        "data/pools.py",
        ' - set(kept.get("trained", ()))',
        "",
        _POOLS,
    ),
    Fault(
        "validation cases are drawn anew at each training",
        "data/pools.py",
        'sorted({*kept.get("validation", ()), *pools.validation})',
        "sorted(pools.validation)",
        _POOLS,
    ),
    Fault(
        "the seed of validation is ignored",
        "data/pools.py",
        'f"{seed}:{case}"',
        'f"{case}"',
        _POOLS,
    ),
)
