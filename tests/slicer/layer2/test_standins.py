"""The stand-ins refuse what a real PythonQt would not do, so that it cannot pass here unseen."""

import pytest

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")

UI = """<ui version="4.0"><class>Form</class><widget class="qMRMLWidget" name="Form"><layout class="QVBoxLayout">
<item><widget class="{kind}" name="inside"><property name="{property}"><number>3</number></property></widget></item>
</layout></widget></ui>"""


@pytest.fixture
def load_ui(slicer, tmp_path):
    def load_ui(kind, name):
        (tmp_path / "some.ui").write_text(UI.format(kind=kind, property=name))
        return slicer.util.childWidgetVariables(slicer.util.loadUI(str(tmp_path / "some.ui")))

    return load_ui


def test_properties_are_attributes(qt):
    button = qt.QPushButton()
    button.text = "Go"
    button.enabled = False
    assert (button.text, button.enabled, button.isEnabled()) == ("Go", False, False)
    assert qt.QTableWidget(2, 3).horizontalHeader().defaultSectionSize > 0


def test_an_attribute_that_is_no_property_is_refused(qt):
    with pytest.raises(AttributeError, match="txet is no property of QPushButton"):
        qt.QPushButton().txet = "Go"
    with pytest.raises(AttributeError, match="cannot be written of QComboBox"):
        qt.QComboBox().count = 3
    with pytest.raises(ValueError, match="cannot be 'wide'"):
        qt.QLabel().minimumWidth = "wide"


def test_of_a_widget_of_the_ui_file_too(load_ui):
    assert load_ui("ctkSliderWidget", "value").inside.value == 3
    with pytest.raises(AttributeError, match="vaule is no property of ctkSliderWidget"):
        load_ui("ctkSliderWidget", "value").inside.vaule = 3
    with pytest.raises(AttributeError, match="vaule is no property of QSpinBox"):
        load_ui("QSpinBox", "value").inside.vaule = 3


def test_a_ui_file_with_an_unknown_class_or_property_is_refused(load_ui):
    with pytest.raises(ValueError, match="QSpinBox has no property vaule"):
        load_ui("QSpinBox", "vaule")
    with pytest.raises(ValueError, match="ctkSliderWidget has no property vaule"):
        load_ui("ctkSliderWidget", "vaule")
    with pytest.raises(ValueError, match="ctkNonsense"):
        load_ui("ctkNonsense", "enabled")


def test_a_slot_gets_as_many_arguments_as_it_takes(qt):
    class Listener:
        def none(self):
            got.append("none")

        def one(self, on):
            got.append(on)

    got = []
    box, listener = qt.QCheckBox(), Listener()
    for slot in (listener.none, listener.one, lambda: got.append("lambda"), lambda on=None: got.append(on)):
        box.connect("toggled(bool)", slot)
    box.checked = True
    assert got == ["none", True, "lambda", True]


def test_a_signal_that_does_not_exist_in_slicer_is_refused(qt):
    with pytest.raises(LookupError, match="QComboBox has no signal currentIndexChanged"):
        qt.QComboBox().connect("currentIndexChanged(QString)", print)
    with pytest.raises(LookupError, match="checkStateChanged"):
        qt.QCheckBox().connect("checkStateChanged(Qt::CheckState)", print)  # of Qt 6.7


def test_what_a_slot_raises_is_kept(qt, capsys):
    def fail():
        raise RuntimeError("in a slot")

    button = qt.QPushButton()
    button.connect("clicked()", fail)
    button.click()
    assert [str(error) for error in qt.raised] == ["in a slot"]
    qt.raised.clear()


def test_nothing_waits_for_a_person(qt, slicer):
    with pytest.raises(AssertionError, match="wait for a person"):
        qt.QFileDialog.getSaveFileName()
    with pytest.raises(AssertionError, match="wait for a person"):
        qt.QMessageBox().exec_()


def test_the_stand_ins_have_the_listed_signals_and_properties_and_no_others(qt):
    for name, kind in qt.QUiLoader.standins.items():
        widget = kind()
        meta = widget.metaObject()
        methods = [meta.method(number) for number in range(meta.methodOffset(), meta.methodCount())]
        signals = {bytes(each.methodSignature()).decode() for each in methods if each.methodType().name == "Signal"}
        properties = {meta.property(number).name() for number in range(meta.propertyOffset(), meta.propertyCount())}
        listed = qt.KNOWN["classes"][name]
        assert signals == {signal for signal in listed["signals"] if "vtkMRML" not in signal}, name
        assert properties == set(listed["properties"]), name
