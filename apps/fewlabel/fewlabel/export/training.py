"""A bundle's ``train.json``: continues the training from the exported weights with stock MONAI."""

from __future__ import annotations

from typing import Any

from fewlabel.export.configs import CHECKPOINT, preprocessing, sliding_window
from fewlabel.networks import find
from fewlabel.plan import Plan

_KEYS = ["image", "label"]
_EXTENSIONS = "('.nii.gz', '.nii', '.nrrd')"


def training(plan: Plan) -> dict[str, Any]:
    """The bundle's ``train.json``.

    Images and labels are paired by file name. The last fifth of them, at least one, is for validation after each epoch;
    weights that are better than those at the beginning are kept in ``models/model.pt``.
    """
    pairs = "[(p, pathlib.Path(@labels_dir) / p.name) for p in sorted(pathlib.Path(@images_dir).iterdir())]"
    usable = f"image.name.endswith({_EXTENSIONS}) and label.is_file()"
    found = f"$[{{'image': str(image), 'label': str(label)}} for image, label in {pairs} if {usable}]"
    return {
        "imports": ["$import pathlib", "$import monai.handlers", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/dataset'",
        "images_dir": "$@dataset_dir + '/images'",
        "labels_dir": "$@dataset_dir + '/labels'",
        "datalist": found,
        "measuring": "$max(1, len(@datalist) // 5)",
        "max_epochs": 50,
        "val_interval": 1,
        "learning_rate": 0.0005,
        "seed": 0,
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": find(plan.network).config(len(plan.classes) + 1),
        "network": "$@network_def.to(@device)",
        "loss": {"_target_": "DiceCELoss", "include_background": True, "to_onehot_y": True, "softmax": True},
        "optimizer": {
            "_target_": "torch.optim.AdamW",
            "params": "$@network.parameters()",
            "lr": "@learning_rate",
            "weight_decay": 0.01,
        },
        "train": _train(plan),
        "validate": _validate(plan),
        "initialize": ["$monai.utils.set_determinism(seed=@seed)"],
        "run": ["$@train#trainer.run()"],
    }


def _train(plan: Plan) -> dict[str, Any]:
    return {
        "preprocessing": {"_target_": "Compose", "transforms": [*preprocessing(plan, _KEYS), *_crops(plan)]},
        "dataset": {
            "_target_": "CacheDataset",
            "data": "$@datalist[: -@measuring] or @datalist",
            "transform": "@train#preprocessing",
            "cache_num": 64,
            "progress": False,
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@train#dataset", "batch_size": 1, "shuffle": True},
        "inferer": {"_target_": "SimpleInferer"},
        "handlers": [
            dict(CHECKPOINT),
            {
                "_target_": "ValidationHandler",
                "validator": "@validate#evaluator",
                "interval": "@val_interval",
                "epoch_level": True,
                "exec_at_start": True,  # so that only better weights than these are kept
            },
            {
                "_target_": "StatsHandler",
                "tag_name": "loss",
                "output_transform": "$monai.handlers.from_engine(['loss'], first=True)",
            },
        ],
        "trainer": {
            "_target_": "SupervisedTrainer",
            "max_epochs": "@max_epochs",
            "device": "@device",
            "train_data_loader": "@train#dataloader",
            "network": "@network",
            "optimizer": "@optimizer",
            "loss_function": "@loss",
            "inferer": "@train#inferer",
            "train_handlers": "@train#handlers",
        },
    }


def _crops(plan: Plan) -> list[dict[str, Any]]:
    """``fewlabel.data.transforms.labelled_view`` as a MONAI config."""
    classes = len(plan.classes) + 1
    return [
        {"_target_": "SpatialPadd", "keys": _KEYS, "spatial_size": list(plan.patch)},
        {
            "_target_": "RandCropByLabelClassesd",
            "keys": _KEYS,
            "label_key": "label",
            "spatial_size": list(plan.patch),
            "ratios": [1] * classes,
            "num_classes": classes,
            "num_samples": plan.batch,
            "warn": False,
        },
        {
            "_target_": "RandAffined",
            "keys": _KEYS,
            "prob": 0.7,
            "rotate_range": [0.25, 0.25, 0.25],
            "scale_range": [0.15, 0.15, 0.15],
            "mode": ["bilinear", "nearest"],
            "padding_mode": "border",
        },
        {"_target_": "RandScaleIntensityd", "keys": "image", "factors": 0.1, "prob": 0.5},
        {"_target_": "RandShiftIntensityd", "keys": "image", "offsets": 0.1, "prob": 0.5},
        {"_target_": "RandGaussianNoised", "keys": "image", "std": 0.05, "prob": 0.2},
        {"_target_": "RandAdjustContrastd", "keys": "image", "gamma": [0.7, 1.5], "prob": 0.3},
    ]


def _validate(plan: Plan) -> dict[str, Any]:
    classes = len(plan.classes) + 1
    return {
        "preprocessing": {"_target_": "Compose", "transforms": preprocessing(plan, _KEYS)},
        "dataset": {
            "_target_": "CacheDataset",
            "data": "$@datalist[-@measuring :]",
            "transform": "@validate#preprocessing",
            "cache_num": 16,
            "progress": False,
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@validate#dataset", "batch_size": 1},
        "inferer": sliding_window(plan, 0.25),
        "postprocessing": {
            "_target_": "AsDiscreted",
            "keys": ["pred", "label"],
            "argmax": [True, False],
            "to_onehot": classes,
        },
        "key_metric": {
            "val_mean_dice": {
                "_target_": "MeanDice",
                "include_background": False,
                "output_transform": "$monai.handlers.from_engine(['pred', 'label'])",
            }
        },
        "handlers": [
            {"_target_": "StatsHandler", "iteration_log": False},
            {
                "_target_": "CheckpointSaver",
                "save_dir": "$@bundle_root + '/models'",
                "save_dict": {"model": "@network"},
                "save_key_metric": True,
                "key_metric_filename": "model.pt",
            },
        ],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@validate#dataloader",
            "network": "@network",
            "inferer": "@validate#inferer",
            "postprocessing": "@validate#postprocessing",
            "key_val_metric": "@validate#key_metric",
            "val_handlers": "@validate#handlers",
        },
    }
