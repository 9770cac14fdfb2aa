"""What tests of several rooms share."""

import gzip
import sys

import numpy as np
import pytest


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
        for place, (name, value, *layer) in enumerate(segments):
            lines += [f"Segment{place}_ID:=Segment_{place + 1}", f"Segment{place}_Name:={name}"]
            lines += [f"Segment{place}_LabelValue:={value}", f"Segment{place}_Layer:={layer[0] if layer else 0}"]
            lines += [f"Segment{place}_Extent:=0 {array.shape[-3] - 1} 0 {array.shape[-2] - 1} 0 {array.shape[-1] - 1}"]
        lines += ["Segmentation_ReferenceImageExtentOffset:=0 0 0"]
        header = "\n".join([*lines, "", ""]).encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(header + gzip.compress(array.astype(np.uint8).tobytes(order="F")))
        return path

    return write
