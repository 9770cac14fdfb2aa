"""The module ``ctk``: stand-ins for those of CTK's widgets that the panel has, with CTK's properties and signals."""

import qt
from PySide6.QtCore import Property, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QAbstractButton, QComboBox, QDoubleSpinBox, QHBoxLayout, QSlider, QToolButton, QWidget

HEADER = 24  # pixels


class ctkCollapsibleButton(QAbstractButton):
    """A section with a header; collapsed, only that is seen."""

    contentsCollapsed = Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        self.setCheckable(True)
        self.setChecked(True)
        self.setContentsMargins(0, HEADER, 0, 0)
        self.connect("toggled(bool)", self._toggled)

    def _toggled(self, on):
        self.setMaximumHeight(16777215 if on else HEADER)
        self.contentsCollapsed.emit(not on)

    def getCollapsed(self):
        return not self.checked

    def setCollapsed(self, collapsed):
        self.setChecked(not collapsed)

    collapsed = Property(bool, getCollapsed, setCollapsed)

    def hitButton(self, position):
        return position.y() < HEADER

    def paintEvent(self, _):
        painter = QPainter(self)
        painter.fillRect(0, 0, self.width, HEADER - 2, self.palette.button())
        painter.drawText(6, 0, self.width, HEADER - 2, Qt.AlignVCenter, ("▸ " if self.collapsed else "▾ ") + self.text)
        painter.end()


class ctkSliderWidget(QWidget):
    """A slider of real numbers beside a spin box."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider, self._spin = QSlider(Qt.Horizontal), QDoubleSpinBox()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._spin)
        self._slider.setRange(0, 1000)
        self._slider.connect("valueChanged(int)", self._slid)
        self._spin.connect("valueChanged(double)", self._spun)

    def _slid(self, position):
        low, high = self._spin.minimum, self._spin.maximum
        if self._position(self._spin.value) != position:
            self._spin.setValue(low + position / 1000 * (high - low))

    def _spun(self, value):
        self._slider.setValue(self._position(value))
        self.valueChanged.emit(value)

    def _position(self, value):
        low, high = self._spin.minimum, self._spin.maximum
        return round(1000 * (value - low) / (high - low)) if high > low else 0

    def getValue(self):
        return self._spin.value

    def setValue(self, value):
        self._spin.setValue(value)

    def getMinimum(self):
        return self._spin.minimum

    def setMinimum(self, value):
        self._spin.setMinimum(value)

    def getMaximum(self):
        return self._spin.maximum

    def setMaximum(self, value):
        self._spin.setMaximum(value)

    def getSingleStep(self):
        return self._spin.singleStep

    def setSingleStep(self, value):
        self._spin.setSingleStep(value)

    def getPageStep(self):
        return self._slider.pageStep / 1000

    def setPageStep(self, value):
        self._slider.setPageStep(round(1000 * value))

    def getDecimals(self):
        return self._spin.decimals

    def setDecimals(self, value):
        self._spin.setDecimals(value)

    value = Property(float, getValue, setValue)
    minimum = Property(float, getMinimum, setMinimum)
    maximum = Property(float, getMaximum, setMaximum)
    singleStep = Property(float, getSingleStep, setSingleStep)
    pageStep = Property(float, getPageStep, setPageStep)
    decimals = Property(int, getDecimals, setDecimals)


class ctkPathLineEdit(QWidget):
    """A path that is typed; its "..." button does nothing here."""

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._combo, button = QComboBox(), QToolButton()
        self._combo.setEditable(True)
        button.text = "..."
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo, 1)
        layout.addWidget(button)
        self._combo.connect("editTextChanged(QString)", self.currentPathChanged.emit)

    def getCurrentPath(self):
        return self._combo.currentText

    def setCurrentPath(self, path):
        self._combo.setEditText(path)

    currentPath = Property(str, getCurrentPath, setCurrentPath)

    def addCurrentPathToHistory(self):
        self._combo.insertItem(0, self.currentPath)


qt.QUiLoader.standins.update({kind.__name__: kind for kind in (ctkCollapsibleButton, ctkSliderWidget, ctkPathLineEdit)})
