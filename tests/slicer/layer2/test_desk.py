"""The panel comes up, works on the scene, and goes, on the stand-ins."""

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")


def test_a_label_that_was_painted_in_the_segmentation_node_is_submitted(desk, server):
    desk.do("nextButton")
    drawn = desk.mask("liver")
    drawn[2, 1:4, 2:5] = True
    desk.paint("liver", drawn)
    desk.do("submitButton")
    expected = np.zeros(drawn.shape, np.uint8)
    expected[2, 1:4, 2:5] = 1
    np.testing.assert_array_equal(server.stored["a"], expected)


def test_a_section_that_is_collapsed_at_first_shows_what_is_in_it_once_it_is_opened(desk):
    section, button = desk.ui.exportSection, desk.ui.exportButton
    assert section.collapsed
    assert section.height < 30  # its title
    section.collapsed = False
    desk.settle()
    assert section.height > button.geometry.bottom()


def test_of_the_formats_the_first_that_can_be_exported_is_selected_until_a_person_chooses(desk, server, tmp_path):
    def selected():
        rows = desk.ui.formatList
        return [rows.item(number).text() for number in range(rows.count) if rows.item(number).isSelected()]

    assert selected() == ["msd"]  # no model yet
    assert "no trained model" in desk.ui.formatList.item(0).toolTip()
    server.publish()
    desk.session.connection.refresh()
    desk.settle()
    assert selected() == ["bundle"]
    desk.ui.formatList.item(1).setSelected(True)
    desk.session.connection.refresh()
    desk.settle()
    assert selected() == ["bundle", "msd"]
    desk.ui.exportFolder.currentPath = str(tmp_path)
    desk.do("exportButton")
    assert ("start_export", ["bundle", "msd"]) in server.calls
    assert "No onnx." in desk.ui.formatList.item(2).toolTip()
