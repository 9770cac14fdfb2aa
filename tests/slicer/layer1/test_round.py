"""A clinician's round on Slicer's real nodes; only the server is one in memory."""

import numpy as np
import pytest
import SimpleITK

from FewLabelLib.label.labels import LabelClass
from FewLabelLib.session.session import State

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")

SHAPE = (4, 5, 6)


@pytest.fixture(params=["oblique", "mirrored"])
def panel(request, load_helper, scene, write, affines, tmp_path):
    """See fakes.Panel; with Slicer's scene, and files that Slicer can read."""

    class Server(load_helper("fake_server").FakeClient):
        def _file(self, name, array):
            return write(f"{name}.nii.gz", array, affines[request.param])

        def submit_label(self, case, file, label_info, **params):
            self.sent, self.info = SimpleITK.ReadImage(str(file)), label_info
            return super().submit_label(case, file, label_info, **params)

    panel = load_helper("fakes").Panel(tmp_path, Server)
    panel.session.close()
    panel.scene = scene
    panel.open()
    yield panel
    panel.session.close()


@pytest.fixture
def stroke(slicer, panel):
    """Paints voxels of the file's grid into a segment, as the Segment Editor would; 0 erases."""

    def stroke(name, index, value=1):
        from FewLabelLib.slicer import segmentation

        scene = panel.scene
        node, volume = scene.segmentation, scene.volume
        identity = node.GetSegmentation().GetSegmentIdBySegmentName(name)
        array = slicer.util.arrayFromSegmentBinaryLabelmap(node, identity, volume)
        drawn = np.zeros(SHAPE, np.uint8)
        drawn[index] = 1
        image = segmentation.oriented(drawn, scene.geometry(volume).ijk_to_ras)
        array[segmentation.on_grid(image, segmentation.geometry_of(volume)) != 0] = value
        slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, identity, volume)

    return stroke


def test_what_was_drawn_is_what_is_stored_on_the_grid_of_the_image(panel, stroke, tmp_path):
    server = panel.server("http://one")
    server.versions = 1
    panel.connect()
    panel.next()
    assert panel.session.state is State.EDITING
    assert panel.scene.uncertainty is not None
    stroke("tumour", np.s_[2:4, 1:3, 5])
    stroke("liver", np.s_[0, 0, :2], 0)
    panel.submit()
    expected = np.zeros(SHAPE, np.uint8)
    expected[0, 0, 2:] = 1
    expected[1, 0] = 2
    expected[2:4, 1:3, 5] = 2
    np.testing.assert_array_equal(server.stored["a"], expected)
    assert server.info == [{"name": "liver", "idx": 1}, {"name": "tumour", "idx": 2}]
    image = SimpleITK.ReadImage(str(tmp_path / "a-image.nii.gz"))
    np.testing.assert_allclose(server.sent.GetDirection(), image.GetDirection(), atol=1e-6)
    np.testing.assert_allclose(server.sent.GetOrigin(), image.GetOrigin(), atol=1e-5)
    np.testing.assert_allclose(server.sent.GetSpacing(), image.GetSpacing(), atol=1e-6)
    assert panel.drafts() == []


def test_a_deleted_liver_leaves_the_tumour_what_it_is_where_the_stock_plugin_submits_it_as_liver(panel, stroke):
    server = panel.server("http://one")
    server.versions = 1
    panel.connect()
    panel.next()
    segmentation = panel.scene.segmentation.GetSegmentation()
    segmentation.RemoveSegment(segmentation.GetSegmentIdBySegmentName("liver"))
    panel.submit()
    expected = np.zeros(SHAPE, np.uint8)
    expected[1, 0] = 2
    np.testing.assert_array_equal(server.stored["a"], expected)


def test_an_untouched_case_leaves_no_draft_and_an_edited_one_comes_back(panel, stroke):
    panel.connect()
    panel.cases.open("a")
    panel.settle()
    panel.cases.open("b")
    panel.settle()
    assert panel.drafts() == []
    stroke("liver", np.s_[3, 4, 5])
    panel.cases.open("a")
    panel.settle()
    assert [draft.case for draft in panel.drafts()] == ["b"]
    panel.cases.open("b")
    panel.settle()
    assert [(part.name, part.origin, part.mask.sum()) for part in panel.scene.segments(panel.scene.volume)] == [
        ("liver", "liver", 1),
        ("tumour", "tumour", 0),
    ]
    assert panel.scene.segments(panel.scene.volume)[0].mask[3, 4, 5]


def test_a_submitted_label_is_shown_again_in_the_colours_of_the_server(panel, stroke):
    server = panel.server("http://one")
    server.classes = [LabelClass("liver", 1, (200, 30, 0)), LabelClass("tumour", 2, (0, 160, 90))]
    panel.connect()
    panel.cases.open("a")
    panel.settle()
    stroke("tumour", np.s_[1:3, 2, 2])
    panel.submit()
    panel.cases.open("b")
    panel.settle()
    panel.cases.open("a")
    panel.settle()
    segments = panel.scene.segments(panel.scene.volume)
    assert [part.color for part in segments] == [(200, 30, 0), (0, 160, 90)]
    np.testing.assert_array_equal(segments[1].mask, server.stored["a"] == 2)
