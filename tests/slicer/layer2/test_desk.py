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
