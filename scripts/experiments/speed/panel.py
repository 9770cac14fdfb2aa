"""How long the code of the 3D Slicer module holds the thread of the user interface, by what it is doing.

Rounds are played at the real panel on stand-ins for Slicer's widgets (tests/slicer/layer2), with a server in memory. A
Markdown table is printed: milliseconds of one press of a button, or of one look of the panel's timer.
"""

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from operator import attrgetter
from pathlib import Path

import environment
import slicer_environment
from experiments.harness.errors import ExperimentError

SHAPES = {"{2} x {1} x {0}".format(*shape): shape for shape in ((36, 50, 40), (128, 256, 256), (300, 512, 512))}
CLASSES = {"liver": 1, "tumour": 2, "kidney": 3, "spleen": 4, "aorta": 5}
TESTS = environment.ROOT / "tests" / "slicer"
# What a look of the timer is called: after the first of these methods of the scene that was called in it, ...
CALLS = {
    "load_volume": "the image has arrived",
    "show_segmentation": "the segments have arrived",
    "replace_segments": "the segments of a draft have arrived",
    "show_uncertainty": "the map of uncertainty has arrived",
    "segments": "the edits are taken for a draft",
    "put_back": "locked segments were compared",
}
# ... or else after the first of these signals of the session.
SIGNALS = {
    "cases.submitted": "the label was submitted",
    "training.changed": "news of the training have arrived",
    "connection.changed": "what the server offers has arrived",
    "cases.listed": "the list of cases has arrived",
}
NAMES = ["look: " + name for name in (*CALLS.values(), *SIGNALS.values())]
NOTHING = "nothing new"


class Watch:
    """Times of the outermost calls on the interface's thread.

    Attributes:
        held: by kind, milliseconds of wall clock and of the processor, one pair for each call.
        kind: of the call that is under way.
    """

    def __init__(self) -> "None":
        self.held, self.kind = {}, ""

    def time(self, kind, call, *values):
        """Do a call and note how long it took; ``kind`` may be refined by what happens in it."""
        self.kind, start, worked = kind, time.perf_counter(), time.thread_time()
        try:
            return call(*values)
        finally:
            pair = 1000 * (time.perf_counter() - start), 1000 * (time.thread_time() - worked)
            self.held.setdefault(self.kind, []).append(pair)

    def happens(self, name):
        """Something happens in the look that is under way, which is called after it if nothing better is known."""
        name = f"look: {name}"
        if self.kind.startswith("look") and self.kind not in NAMES[: NAMES.index(name)]:
            self.kind = name

    def around(self, name, method):
        """The same method; a look in which it is called is called after it."""

        def call(*values):
            self.happens(name)
            return method(*values)

        return call


def load(name, path):
    """A file as a module."""
    specification = importlib.util.spec_from_file_location(name, str(path))
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def make_server(folder, shape):
    """A server in memory with volumes of this shape, made once."""
    import nibabel
    import numpy as np

    from FewLabelLib.label.labels import LabelClass

    grid = np.ogrid[tuple(slice(side) for side in shape)]
    label = np.zeros(shape, np.uint8)
    for value in CLASSES.values():
        centre = value / 6, 0.3 + 0.1 * value, 0.5
        away = sum((grid[axis] / shape[axis] - centre[axis]) ** 2 for axis in range(3)).astype(np.float32)
        label[away < (0.25 if value == 1 else 0.12) ** 2] = value
    arrays = {
        "image": np.random.default_rng(0).normal(100, 20, shape).astype(np.int16),
        "label": label,
        "fewlabel": label,
        "fewlabel_uncertainty": np.exp(-20 * np.abs(np.sqrt(away) - 0.12)),
    }
    files = {name: folder / f"{name}.nii.gz" for name in arrays}
    for name, array in arrays.items():
        nibabel.save(nibabel.Nifti1Image(array.T, np.diag([0.8, 0.8, 1.5, 1.0])), files[name])

    class Server(load("fake_server", TESTS / "fake_server.py").FakeClient):
        def _file(self, name, array):
            return files[name.split("-", 1)[1]]

        def infer(self, model, case, **options):
            file, answer = super().infer(model, case, **options)
            return file, {**answer, "label_names": CLASSES}

        def submit_label(self, case, file, label_info, **params):
            self._call("submit_label", case)
            self.before[case], self.stored[case] = self.stored.get(case), True
            return {"image": case}

    server = Server("http://one", folder / "server")
    server.classes = [LabelClass(*each) for each in CLASSES.items()]
    server.order = [f"case{number:03d}" for number in range(200)]
    server.versions = 1
    return server


def watched(desk, watch):
    """Note from now on how long each look of the panel's timer takes, and what happened in it."""
    scene = desk.session.scene
    for method, name in CALLS.items():
        setattr(scene, method, watch.around(name, getattr(scene, method)))
    for path, name in SIGNALS.items():
        attrgetter(path)(desk.session).connect(lambda *_, name=name: watch.happens(name))
    desk.panel._timer.stop()
    timer = desk.panel._timer = type(desk.panel._timer)()
    timer.setInterval(5)
    timer.connect("timeout()", lambda: watch.time(f"look: {NOTHING}", desk.panel.tick))
    timer.start()


def play(desk, server, watch, rounds):
    """Rounds of connect, next, edit, draft, submit, undo, training, and a draft that is opened again."""

    def do(name):
        watch.time(f"press: {name}", desk.press, name)
        desk.settle()

    desk.ui.addressCombo.setEditText(server.url)
    for number in range(rounds):
        do("connectButton")
        do("nextButton")
        edit(desk, number)
        desk.session.cases.case.kept = 0.0  # as if minutes had passed
        desk.until(lambda: desk.session.cases.case.kept)
        desk.settle()
        do("sliceButton")
        do("skipButton")
        desk.ui.segmentEditor.mrmlSegmentEditorNode().SetSelectedSegmentID("tumour")
        desk.until(lambda: desk.ui.lockButton.enabled)
        do("lockButton")
        edit(desk, number)
        desk.panel.tick()
        do("lockButton")
        do("submitButton")
        do("undoButton")
        do("submitButton")
        do("trainButton")
        server.progress.update(losses=[[step, 1 / (1 + step)] for step in range(200)], progress=0.5)
        desk.session.training.poll()
        desk.settle()
        server.publish()
        desk.session.training.poll()
        desk.settle()
        desk.ui.caseTable.setCurrentCell(number, 0)  # the case with the draft
        do("openButton")


def edit(desk, number):
    """Paint something; Slicer's work, not the panel's."""
    mask = desk.mask("liver")
    mask[2 + number, 5:20, 5:20] = True
    desk.paint("liver", mask)


def measure(shape, rounds, slicer):
    """Times by kind for volumes of this shape."""
    import desk as people

    watch = Watch()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = make_server(folder, shape)
        with people.room(slicer, folder) as room, people.loaded() as module, people.seats(room, module) as sit_down:
            desk = sit_down(lambda address: server)
            watched(desk, watch)
            play(desk, server, watch, rounds)
    return watch.held


def table(measured):
    """Markdown: a line for each kind of action."""
    lines = ["| volume | what | times | median, ms | longest, ms | longest on the processor, ms |", "|" + "---|" * 6]
    for called, held in measured.items():
        for kind in sorted(held):
            wall, worked = ([pair[index] for pair in held[kind]] for index in range(2))
            numbers = f"{statistics.median(wall):.1f} | {max(wall):.1f} | {max(worked):.1f}"
            lines.append(f"| {called} | {kind} | {len(wall)} | {numbers} |")
    return "\n".join(lines)


def panel_table(rounds):
    """The table, measured in the environment of the Slicer parts: another process where this one is not in it.

    Raises:
        ExperimentError: that environment cannot be had.
    """
    try:
        python = slicer_environment.slicer_environment()
    except environment.SetupTrouble as trouble:
        raise ExperimentError(f"Set-up stopped: {trouble}") from trouble
    command = [str(python), "-m", "experiments.speed.panel", str(rounds)]
    measured = subprocess.run(command, cwd=str(environment.ROOT / "scripts"), stdout=subprocess.PIPE, text=True)
    if measured.returncode:
        raise ExperimentError("The panel could not be measured; the reason is in the lines above.")
    return measured.stdout


def main(rounds):
    """Measure here, in the environment of the Slicer parts, and print the table."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    for folder in (environment.ROOT / "slicer_module" / "FewLabel", TESTS / "layer2" / "standins"):
        sys.path.insert(0, str(folder))
    import slicer

    load("layer1", TESTS / "layer1" / "conftest.py").boot(slicer)
    import desk

    desk.open_qt()
    print(table({called: measure(shape, rounds, slicer) for called, shape in SHAPES.items()}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
