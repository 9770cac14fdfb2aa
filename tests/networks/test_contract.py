"""What every network must do, whatever it is: over every name of the table."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from fewlabel import networks
from fewlabel.networks import NETWORKS, Network

WITH_MONAI = {"torch", "numpy", "monai", *sys.stdlib_module_names}  # what a bundle finds on any computer that runs it
NORMALISE = "normalise each crop by itself, with instance or group norm."


def missing(network: object) -> list[str]:
    """What a line of the table lacks, a sentence each."""
    if not isinstance(network, Network):
        return ["Make it a Network (fewlabel.networks)."]
    lacking = []
    if not (isinstance(network.kind, type) and issubclass(network.kind, nn.Module)) or network.kind is nn.Module:
        lacking.append("It has no kind: the class of the network.")
    elif not takes_out_channels(network.kind):
        lacking.append("Its class does not take out_channels, the number of classes.")
    if not isinstance(network.divisor, int) or network.divisor < 1:
        lacking.append("It has no divisor: what every side of a crop must be a multiple of.")
    said = network.description
    if not isinstance(said, str) or not 10 < len(said) < 100 or "\n" in said:
        lacking.append("It has no description: one line, which viewers show.")
    try:
        json.dumps(network.arguments)
    except TypeError as error:
        lacking.append(f"Its arguments cannot be written into a bundle: {error}.")
    return lacking or missing_in_use(network)


def takes_out_channels(kind):
    names = inspect.signature(kind).parameters.values()
    return any(each.name == "out_channels" or each.kind is each.VAR_KEYWORD for each in names)


def missing_in_use(network):
    """What is seen only once the network is built."""
    strangers = {name for file in network.sources for name in imports(file)} - WITH_MONAI
    if strangers:
        files, strange = " and ".join(network.sources), ", ".join(sorted(strangers))
        return [f"{files} import {strange}: a bundle copies them, and has torch, numpy and MONAI only."]
    try:
        built = network(3)
    except Exception as error:
        return [f"It cannot be built with out_channels=3 and its arguments: {error}"]
    image = torch.zeros(1, 1, 2 * network.divisor, network.divisor, network.divisor)
    try:
        with torch.no_grad():
            logits = built.eval()(image)
    except Exception as error:
        return [f"It does not take a crop whose sides are multiples of its divisor {network.divisor}: {error}"]
    wanted = (1, 3, *image.shape[2:])
    given = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if given != wanted:
        return [f"Of a crop {tuple(image.shape)} it gives {given}: give logits of all classes, {wanted}."]
    return missing_in_normalisation(built, image.shape)


def missing_in_normalisation(built, shape):
    """Whether each crop is normalised by itself: batches hold one or two, and whole scans come one by one."""
    kept = {type(each).__name__ for each in built.modules() if getattr(each, "running_mean", None) is not None}
    if kept:
        return [f"{' and '.join(sorted(kept))} keeps running statistics: {NORMALISE}"]
    for dropout in (each for each in built.double().train().modules() if "Dropout" in type(each).__name__):
        dropout.eval()
    crops = torch.randn(2, *shape[1:], dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        together, apart = built(crops), torch.cat([built(crops[:1]), built(crops[1:])])
    if not torch.allclose(together, apart, atol=1e-6):
        return [f"A crop has other logits when another is in its batch: {NORMALISE}"]
    return []


def missing_in_class(kind: object) -> list[str]:
    """What a class without a line lacks, as far as it can be seen before one is built."""
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        return ["Derive it from torch.nn.Module."]
    return [] if takes_out_channels(kind) else ["Its class does not take out_channels, the number of classes."]


def imports(file):
    """The packages that a file of the folder imports; its neighbours are among the files themselves."""
    tree = ast.parse(Path(networks.__file__).with_name(file).read_text(encoding="utf-8"))
    found = [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    found += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.split(".")[0] for name in found}


@pytest.fixture(scope="module")
def lacks():
    """Callable (name): what the network of the table lacks; each is looked at once."""
    return cache(lambda name: missing(NETWORKS[name]))


@pytest.mark.parametrize("row", NETWORKS)
def test_it_is_complete(complete, lacks, row):
    """The parts of the contract in words (see ``missing``)."""
    complete("network", row, lacks(row))


def test_every_network_has_its_line(every_line):
    every_line("networks", "NETWORKS", "__init__.py", missing_in_class)


@pytest.fixture(params=NETWORKS)
def name(request, if_complete, lacks):
    """Of a network that has all its parts."""
    return if_complete("network", request.param, lacks(request.param))


def test_one_crop_of_the_smallest_size_gives_logits_of_its_grid_and_trains(name):
    side = NETWORKS[name].divisor
    network = NETWORKS[name](3).train()
    image = torch.randn(1, 1, 2 * side, side, side)
    logits = network(image)
    assert logits.shape == (1, 3, 2 * side, side, side)
    logits.square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    with torch.no_grad():
        assert torch.isfinite(network.eval()(image)).all()


def test_the_files_that_a_bundle_copies_need_no_other(name):
    """Each neighbour that a copied file imports is copied as well."""
    network = NETWORKS[name]
    for file in network.sources:
        tree = ast.parse(Path(networks.__file__).with_name(file).read_text(encoding="utf-8"))
        beside = {f"{node.module}.py" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level}
        assert beside <= set(network.sources), file
    assert bool(network.sources) == network.kind.__module__.startswith("fewlabel.")
