"""What tests of several packages share."""

import ast
import gzip
import os
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest


def in_words(kind, name, lacking):
    return f"The {kind} '{name}' is not complete. {' '.join(lacking)}"


@pytest.fixture(scope="session")
def complete():
    """Callable (kind, name, what its row lacks): the test fails in words if that is anything."""

    def check(kind, name, lacking):
        if lacking:
            pytest.fail(in_words(kind, name, lacking), pytrace=False)

    return check


@pytest.fixture(scope="session")
def if_complete():
    """Callable (kind, name, what its row lacks): the name; the test is skipped, with the reason, if a part is missing.

    ``test_it_is_complete`` fails then, and what else would fail says nothing new.
    """

    def check(kind, name, lacking):
        if lacking:
            pytest.skip(in_words(kind, name, lacking))
        return name

    return check


@pytest.fixture(scope="session")
def every_line():
    """Callable (package of fewlabel, table, its file, lacks): the test fails if what a file defines has no line there.

    ``lacks`` gives what such an object lacks besides, a sentence each.
    """

    def check(package, table, file, lacks):
        said = []
        for module, name in unused(package):
            where = f"apps/fewlabel/fewlabel/{package}"
            said.append(f"Nothing uses {name} of {where}/{module}.py.")
            said.append(f"If it is for the table {table}, add its import and its line to {where}/{file}.")
            said += lacks(getattr(import_module(f"fewlabel.{package}.{module}"), name))
        if said:
            pytest.fail(" ".join(said), pytrace=False)

    return check


def unused(package):
    """Public classes and constants of a package's files that no code of FewLabel reads: (module, name) each."""
    import fewlabel

    root, defined, read = Path(fewlabel.__file__).parent, [], Counter()
    for path in sorted(root.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        read.update(names_read(tree))
        if path.parent != root / package or path.stem == "__init__":
            continue
        for node in tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            names = [each.id for each in targets if isinstance(each, ast.Name) and each.id.isupper()]
            names += [node.name] if isinstance(node, ast.ClassDef) else []
            inside = names_read(node)
            defined += [(path.stem, name, inside[name]) for name in names if not name.startswith("_")]
    return [(module, name) for module, name, inside in defined if read[name] <= inside]


def names_read(tree):
    """How often each name is read, as a name or as an attribute."""
    read = Counter(each.id for each in ast.walk(tree) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load))
    read.update(each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute))
    return read


@pytest.fixture
def inference_workflow(monkeypatch, tmp_path):
    """Callable (folder of an exported bundle) -> MONAI's inference workflow of it, initialised on an empty folder."""
    from monai.bundle import ConfigWorkflow

    def make(bundle):
        (tmp_path / "images").mkdir()
        monkeypatch.setattr(sys, "path", list(sys.path))
        workflow = ConfigWorkflow(
            config_file=str(bundle / "configs" / "inference.json"),
            meta_file=str(bundle / "configs" / "metadata.json"),
            logging_file=False,
            workflow_type="infer",
            bundle_root=str(bundle),
            dataset_dir=str(tmp_path / "images"),
        )
        workflow.initialize()
        return workflow

    return make


@pytest.fixture(scope="session")
def write_segmentation():
    """Callable (path, layers, affine, segments): write a ``.seg.nrrd`` as Slicer does, without any code of the product.

    Layers: one array (i, j, k), or several of one shape. Affine: voxel -> RAS mm. Segments: (name, value) or (name,
    value, layer) each.
    """

    def write(path, layers, affine, segments):
        several = np.ndim(layers) == 4
        array = np.asarray(layers)
        lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
        directions = " ".join("(" + ",".join(f"{value:.17g}" for value in row) + ")" for row in lps[:3, :3].T)
        lines = ["NRRD0004", "type: unsigned char", f"dimension: {array.ndim}", "space: left-posterior-superior"]
        lines += [f"sizes: {' '.join(str(size) for size in array.shape)}"]
        lines += [f"space directions: {'none ' if several else ''}{directions}"]
        lines += [f"kinds: {'list ' if several else ''}domain domain domain", "encoding: gzip"]
        lines += [f"space origin: ({','.join(f'{value:.17g}' for value in lps[:3, 3])})"]
        for number, (name, value, *layer) in enumerate(segments):
            lines += [f"Segment{number}_ID:=Segment_{number + 1}", f"Segment{number}_Name:={name}"]
            lines += [f"Segment{number}_LabelValue:={value}", f"Segment{number}_Layer:={layer[0] if layer else 0}"]
            lines += [
                f"Segment{number}_Extent:=0 {array.shape[-3] - 1} 0 {array.shape[-2] - 1} 0 {array.shape[-1] - 1}"
            ]
        lines += ["Segmentation_ReferenceImageExtentOffset:=0 0 0"]
        header = "\n".join([*lines, "", ""]).encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(header + gzip.compress(array.astype(np.uint8).tobytes(order="F")))
        return path

    return write


@pytest.fixture
def sessions(tmp_path, monkeypatch):
    """The folder of MONAI Label's sessions, which else is in the home folder; no folder is watched."""
    from monailabel.config import settings

    folder = tmp_path / "sessions"
    monkeypatch.setattr(settings, "MONAI_LABEL_SESSION_PATH", str(folder))
    monkeypatch.setattr(settings, "MONAI_LABEL_DATASTORE_AUTO_RELOAD", False)
    monkeypatch.setenv("FEWLABEL_SERVER", str(os.getpid()))  # set by a server for its children: put back afterwards
    folder.mkdir()
    return folder


@pytest.fixture
def studies(tmp_path, sessions):
    """A folder of two images, a.nii.gz and b.nii.gz."""
    from fewlabel.volumes.reading import write_volume

    folder = tmp_path / "studies"
    image = np.random.default_rng(0).normal(size=(8, 8, 8)).astype(np.float32)
    for name in ("a", "b"):
        write_volume(folder / f"{name}.nii.gz", image, np.eye(4))
    return folder


@pytest.fixture
def lay_label(studies):
    """Callable (class names): put a label of image a into the folder by hand, with these names in it or with none."""
    from fewlabel.volumes.reading import write_volume

    path = studies / "labels" / "final" / "a.nii.gz"
    return lambda *classes: write_volume(path, np.ones((8, 8, 8), np.uint8), np.eye(4), classes)


@pytest.fixture
def study(studies):
    """Of two images, and open."""
    from fewlabel.study import Study

    study = Study(str(studies), {})
    study.datastore()
    return study


@pytest.fixture
def trained(study):
    """That study with a published model of one class."""
    from fewlabel.networks import NETWORKS
    from fewlabel.plan import Plan
    from fewlabel.published import save_published

    plan = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 2, ("liver",))
    save_published(study.workspace.model, NETWORKS["unet_small"](2), plan, {"version": 1})
    return study
