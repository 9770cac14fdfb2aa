"""The module ``qt`` of Slicer's Python, made of PySide6 with the conventions of PythonQt.

PySide6's own classes are changed, so that objects which Qt itself makes (headers, line edits of combo boxes, what a
.ui file describes) follow them too:

* Qt properties are attributes, for reading and writing. Any other attribute is refused, as PythonQt does.
* ``sender.connect("clicked(bool)", slot)``, by signature. A signature that known_qt.json does not list is refused,
  where PythonQt only prints a line.
* A slot gets as many arguments as it takes. What it raises is kept in ``raised``; Qt would swallow it.
* Nothing that would wait for a person can be opened.

Only what the panel uses is bridged; nothing here is tested against a real PythonQt.
"""

import ctypes
import inspect
import json
import sys
import traceback
import xml.etree.ElementTree as ElementTree
from functools import partial
from pathlib import Path
from typing import ClassVar

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

KNOWN = json.loads(Path(__file__).with_name("known_qt.json").read_text(encoding="utf-8"))
RECURSIVE = {"sizeHint", "minimumSizeHint"}  # their getters are virtual: reading them as properties never ends
MARGINS = {f"{side}Margin" for side in ("left", "top", "right", "bottom")}  # of layouts, in .ui files only
SCENE_CONNECTION = ("mrmlSceneChanged(vtkMRMLScene*)", "setMRMLScene(vtkMRMLScene*)")

if sys.version_info < (3, 12):  # each call of a slot costs PySide6 6.12 a reference to None, until there is none left
    ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40

raised = []  # exceptions of slots

_get = QtCore.QObject.__getattribute__
_connect = QtCore.QObject.connect


def __getattr__(name):
    """A class or namespace, whichever of Qt's libraries it is in."""
    for library in (QtCore, QtGui, QtWidgets):
        if name.startswith("Q") and hasattr(library, name):
            return getattr(library, name)
    raise AttributeError(f"PythonQt's module qt has no {name}")


# --- properties

_known_properties = {}


def _properties(self):
    """Names of the Qt properties of an object's class, and whether they can be written."""
    if type(self) not in _known_properties:
        meta = QtCore.QObject.metaObject(self)
        found = [meta.property(number) for number in range(meta.propertyCount())]
        writable = {each.name(): each.isWritable() for each in found if each.name() not in RECURSIVE}
        _known_properties[type(self)] = writable
    return _known_properties[type(self)]


def _of_python(self, name):
    """Whether a property is one of a stand-in: Qt would ask Python for it, and Python Qt."""
    return isinstance(getattr(type(self), name, None), QtCore.Property)


def get_attribute(self, name):
    if name.startswith("__"):
        return _get(self, name)
    if name == "connect":
        return partial(connect, self)
    if name == "disconnect":
        raise NotImplementedError("disconnect is not bridged")
    if name == "name":
        return QtCore.QObject.objectName(self)
    if name == "className":
        return lambda: QtCore.QObject.metaObject(self).className()
    if name in _properties(self) and not _of_python(self, name):
        return QtCore.QObject.property(self, name)
    return _get(self, name)


def set_attribute(self, name, value):
    if QUiLoader.loading:
        return  # PySide6 makes the widgets of a .ui file attributes of the whole; PythonQt does not
    writable = _properties(self).get(name)
    if writable and _of_python(self, name):
        getattr(type(self), name).fset(self, value)
    elif name.startswith("_") or _is_of_a_test(type(self)):
        _get(self, "__dict__")[name] = value
    elif not writable:
        problem = "is no property" if writable is None else "cannot be written"
        raise AttributeError(f"{name} {problem} of {type(self).__name__}: PythonQt refuses this")
    elif not QtCore.QObject.setProperty(self, name, value):
        raise ValueError(f"{type(self).__name__}.{name} cannot be {value!r}")


def _is_of_a_test(kind):
    """Classes that are derived from Qt's in Python may have any attribute."""
    return not kind.__module__.startswith("PySide6") and kind.__name__ not in KNOWN["classes"]


# --- signals


def ancestors(sender):
    """Names of an object's class and of those above it."""
    meta = QtCore.QObject.metaObject(sender)
    while meta is not None:
        yield meta.className()
        meta = meta.superClass()


def connect(sender, signal, slot):
    """PythonQt's way; refuses what is not listed."""
    names = list(ancestors(sender))
    if not any(signal in KNOWN["classes"].get(name, {}).get("signals", ()) for name in names):
        raise LookupError(f"{names[0]} has no signal {signal} in known_qt.json")
    inside = signal[signal.index("(") + 1 : -1]
    count = inside.count(",") + 1 if inside else 0

    def call(*values):
        wanted = _wanted(slot)
        try:
            slot(*values[:wanted])
        except Exception as error:
            traceback.print_exc()
            raised.append(error)

    # PySide6 gives a function as many arguments as it names.
    exactly = (lambda: call(), lambda a: call(a), lambda a, b: call(a, b), lambda a, b, c: call(a, b, c))[count]
    if not _connect(sender, QtCore.SIGNAL(signal), exactly):
        raise LookupError(f"Qt 6 has no signal {signal} of {names[0]}")
    return True


def _wanted(slot):
    """How many arguments a slot takes; None: all of them."""
    code = getattr(getattr(slot, "__func__", slot), "__code__", None)
    if code is None or code.co_flags & inspect.CO_VARARGS:
        return None
    return code.co_argcount - inspect.ismethod(slot)


# --- .ui files


class QUiLoader(QtUiTools.QUiLoader):
    """Loads a .ui file with the stand-ins of CTK and qMRML; refuses classes and properties that nobody knows."""

    standins: ClassVar = {}  # classes by name; see ctk.py and qmrml.py
    loading = False

    def createWidget(self, kind, parent=None, name=""):
        QUiLoader.loading = False
        try:
            return self._create(kind, parent, name)
        finally:
            QUiLoader.loading = True

    def _create(self, kind, parent, name):
        self._unknown += [kind] if kind not in KNOWN["classes"] else []
        if kind not in self.standins:
            return QtUiTools.QUiLoader.createWidget(self, kind, parent, name)
        widget = self.standins[kind](parent)
        widget.setObjectName(name)
        return widget

    def load(self, device, parent=None):
        self._unknown = []
        tree = ElementTree.fromstring(bytes(device.readAll()))
        receivers = _take_scene_connections(tree)
        _leave_out(tree)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(tree))
        buffer.open(QtCore.QIODevice.ReadOnly)
        said = []
        before = QtCore.qInstallMessageHandler(lambda kind, context, text: said.append(text))
        try:
            QUiLoader.loading = True
            widget = super().load(buffer, parent)
        finally:
            QUiLoader.loading = False
            QtCore.qInstallMessageHandler(before)
        for child in [widget, *widget.findChildren(QtCore.QObject)]:
            names = {bytes(name).decode() for name in child.dynamicPropertyNames()} - MARGINS
            said += [f"{child.className()} has no property {name}" for name in names if not name.startswith("_")]
        if said or self._unknown:
            raise ValueError(f"The .ui file is wrong: {said}; unknown classes: {self._unknown}")
        for receiver in receivers:
            widget._follow(widget.findChild(QtCore.QObject, receiver))
        return widget


def _take_scene_connections(tree):
    """Names of the widgets that follow the scene: PySide6 cannot send a vtkMRMLScene*."""
    names = []
    for connections in tree.iter("connections"):
        for each in list(connections):
            if (each.findtext("signal"), each.findtext("slot")) == SCENE_CONNECTION:
                names.append(each.findtext("receiver"))
                connections.remove(each)
    return names


def _leave_out(tree):
    """Take away properties that exist, and that the stand-ins cannot have."""
    for widget in tree.iter("widget"):
        unread = KNOWN["classes"].get(widget.get("class"), {}).get("left out", ())
        for each in widget.findall("property"):
            if each.get("name") in unread:
                widget.remove(each)


# --- dialogs


def _refuse(*_, **__):
    raise AssertionError("This would wait for a person.")


for _kind in (QtWidgets.QDialog, QtWidgets.QMessageBox, QtWidgets.QMenu):
    _kind.exec_ = _kind.exec = _refuse
for _kind, _names in {
    QtWidgets.QMessageBox: ("information", "question", "warning", "critical"),
    QtWidgets.QFileDialog: ("getOpenFileName", "getSaveFileName", "getExistingDirectory"),
    QtWidgets.QInputDialog: ("getText", "getItem", "getInt"),
}.items():
    for _name in _names:
        setattr(_kind, _name, staticmethod(_refuse))

QtCore.QObject.__getattribute__ = get_attribute
for _library in (QtCore, QtGui, QtWidgets, QtUiTools):
    for _kind in (getattr(_library, _name) for _name in dir(_library)):
        if isinstance(_kind, type) and issubclass(_kind, QtCore.QObject):
            _kind.__setattr__ = set_attribute  # each class has its own
