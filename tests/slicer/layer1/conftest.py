"""Slicer's own scene, volumes and segmentations (slicer-core), without its windows. Skipped where it is missing."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest

MISSING = "needs slicer-core, in its own environment: python3 scripts/test.py sets it up and runs this"
SHAPE = (12, 20, 24)  # k, j, i
AFFINES = {}


def affine(degrees, spacing, signs=(1, 1, 1), origin=(-31.5, 12.25, 70.125)):
    """Voxel to RAS mm, turned about two axes."""
    first, second = np.radians(degrees)
    about_z = [[np.cos(first), -np.sin(first), 0], [np.sin(first), np.cos(first), 0], [0, 0, 1]]
    about_x = [[1, 0, 0], [0, np.cos(second), -np.sin(second)], [0, np.sin(second), np.cos(second)]]
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(about_z) @ np.array(about_x) @ np.diag(np.array(signs) * spacing)
    matrix[:3, 3] = origin
    return matrix


AFFINES.update(
    plain=np.eye(4),
    anisotropic=affine((0, 0), (0.9, 1.1, 2.5)),
    flipped=affine((0, 0), (0.9, 1.1, 2.5), (-1, -1, 1)),
    mirrored=affine((0, 0), (1, 1, 3), (-1, 1, 1)),
    oblique=affine((17, 31), (0.9, 1.1, 2.5), (-1, -1, 1)),
    swapped=affine((90, 0), (0.7, 0.8, 5)),
)


@pytest.fixture(scope="session")
def booted():
    """See boot."""
    return boot(pytest.importorskip("slicer", reason=MISSING))


def boot(slicer):
    """The module ``slicer`` with a scene and the logics that Slicer's application would make."""
    scene = slicer.mrmlScene = slicer.vtkMRMLScene()
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    colors = application.GetColorLogic()
    colors.SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    application.SetModuleLogic("Colors", colors)
    kinds = {
        "SubjectHierarchy": slicer.vtkSlicerSubjectHierarchyModuleLogic,
        "Terminologies": slicer.vtkSlicerTerminologiesModuleLogic,
        "Volumes": slicer.vtkSlicerVolumesLogic,
        "Segmentations": slicer.vtkSlicerSegmentationsModuleLogic,
    }
    logics = {name: kind() for name, kind in kinds.items()}
    for name, logic in logics.items():
        logic.SetMRMLApplicationLogic(application)
        logic.SetMRMLScene(scene)
        application.SetModuleLogic(name, logic)
    slicer.modules = SimpleNamespace(
        **{name.lower(): SimpleNamespace(logic=lambda logic=logic: logic) for name, logic in logics.items()}
    )
    slicer.app = SimpleNamespace(applicationLogic=lambda: application)
    return slicer


@pytest.fixture
def slicer(booted):
    """The same with an empty scene."""
    booted.mrmlScene.Clear(0)
    yield booted
    booted.mrmlScene.Clear(0)


@pytest.fixture
def scene(slicer):
    """The panel's scene in Slicer's."""
    from FewLabelLib.slicer.scene import SlicerScene  # imports slicer

    return SlicerScene()


@pytest.fixture
def write(tmp_path):
    """Writes a (k, j, i) array as NIfTI; gives its path."""

    def write(name, array, matrix=AFFINES["oblique"]):
        path = tmp_path / name
        image = nibabel.Nifti1Image(np.ascontiguousarray(array.T), matrix)
        image.header.set_xyzt_units("mm")
        nibabel.save(image, path)
        return path

    return write


@pytest.fixture
def shown(scene, write):
    """The handle of an image in the scene, oblique and anisotropic."""
    return scene.load_volume(write("image.nii.gz", np.random.default_rng(0).normal(100, 20, SHAPE).astype(np.int16)))


@pytest.fixture
def truth():
    """A label map with the values 1, 2 and 5."""
    array = np.zeros(SHAPE, np.uint8)
    array[2:8, 3:15, 4:20] = 1
    array[4:6, 5:9, 6:12] = 2
    array[9:11, 1:4, 2:22] = 5
    return array


class Editor:
    """Slicer's Segment Editor on the case's segments, without its widgets.

    Attributes:
        classes: of the values 1, 2 and 5.
    """

    def __init__(self, slicer, scene, shown, truth, write):
        from FewLabelLib.label.labels import LabelClass

        self.slicer, self.scene, self.shown = slicer, scene, shown
        self.classes = [LabelClass("liver", 1), LabelClass("kidney", 2), LabelClass("spleen", 5)]
        scene.show_segmentation(shown, write("label.nii.gz", truth), self.classes)
        self.node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
        self.node.SetAndObserveSegmentationNode(scene.segmentation)
        self.node.SetAndObserveSourceVolumeNode(shown)
        self.logic = slicer.vtkSlicerSegmentEditorLogic()
        self.logic.SetMRMLScene(slicer.mrmlScene)
        self.logic.SetSegmentEditorNode(self.node)

    def mask(self, name):
        return self.slicer.util.arrayFromSegmentBinaryLabelmap(self.scene.segmentation, name, self.shown) != 0

    def paint(self, name, where, mode="Add", by_hand=True):
        """An effect of the editor on a segment; ``by_hand``: with the editor's mask, as set by the panel."""
        from FewLabelLib.slicer.segmentation import geometry_of, oriented

        self.node.SetSelectedSegmentID(name)
        if by_hand:
            self.scene.locks.editor_mask.apply(self.scene.segmentation, self.node)
        self.logic.UpdateReferenceGeometryImage()
        self.logic.UpdateMaskLabelmap()
        self.logic.SaveStateForUndo()
        image = oriented(np.asarray(where, np.uint8), geometry_of(self.shown).ijk_to_ras)
        chosen = getattr(self.logic, f"ModificationMode{mode}")
        self.logic.ModifySegmentByLabelmap(self.scene.segmentation, name, image, chosen, False, False)


@pytest.fixture
def editor(slicer, scene, shown, truth, write):
    """See Editor; the label ``truth`` is shown."""
    return Editor(slicer, scene, shown, truth, write)


@pytest.fixture
def load_helper():
    """Loads a file of tests/slicer, by its name, as a module; the tests are no package."""

    def load(name):
        pytest.importorskip("nrrd", reason=MISSING)
        path = Path(__file__).resolve().parents[1] / f"{name}.py"
        specification = importlib.util.spec_from_file_location(f"layer1_{name}", path)
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def affines():
    """By name."""
    return AFFINES
