"""Each part of each contract is forgotten once, in the examples of docs/extending.md: a sentence says what is missing.

``python3 scripts/test.py tests/docs/test_forgetting.py -s`` prints the sentences.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

import fewlabel
from fewlabel import networks
from fewlabel.export.table import EXPORTS
from fewlabel.networks import Network
from fewlabel.selection.leases import Leases
from fewlabel.selection.scores import ScoreFile

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")

METHOD = {
    "its base": ("(Method)", "(nn.Module)", "Derive it from Method"),
    "description": ("    description: ClassVar[str] =", "    said =", "It has no description"),
    "trains": ("    trains: ClassVar", "    trained: ClassVar", "It has no trains"),
    "step": ("def step(", "def step_(", r"It has no step\(labelled, unlabelled, progress\)"),
    "weights": ("def weights(", "def weights_(", r"It has no weights\(progress\)"),
    "deployed": ("def deployed(", "def deployed_(", "It has no deployed, a property"),
    "member_networks": ("def member_networks(", "def members_(", "It has no member_networks, a property"),
    "super().__init__": (
        "super().__init__(build, classes)",
        "pass",
        r"call super\(\).__init__\(build, classes\) first",
    ),
    "@property of deployed": ("    @property\n    def deployed", "    def deployed", "Its deployed is no network"),
    "@property of member_networks": (
        "    @property\n    def member_networks",
        "    def member_networks",
        "Its member_networks is no tuple",
    ),
    "Step": ("return Step(logits, losses)", "return logits, losses", r"give Step\(logits, losses\)"),
    "the weight of a term": (
        ', "pseudo": self.pseudo * sigmoid_ramp',
        "} or {0: sigmoid_ramp",
        "gives none for the term 'pseudo'",
    ),
    "the ramp": ("self.pseudo * sigmoid_ramp(progress, start=0.35, length=0.2)", "self.pseudo", "must have weight 0"),
    "a comma in trains": ('"pseudo": ("network",)', '"pseudo": ("network")', "a tuple of names"),
    "to give the weights": ("        return {", "        {", "gives no dictionary"),
    "a term in trains": (', "pseudo": ("network",)', "", "not the same names everywhere: step has .'pseudo'"),
    "the right part in trains": ('"pseudo": ("network",)', '"pseudo": ("student",)', "Its trains names student"),
}
STRATEGY = {
    "its base": ("(FewLabelStrategy)", "(Other)", "Derive it from FewLabelStrategy"),
    "super().__init__": ("super().__init__(", "(", r"call super\(\).__init__\(description, leases\)"),
    "description": ('"First the scans in which the model misses a structure"', '""', "It has no description"),
    "rank": ("def rank(", "def rank_(", r"It has no rank\(unlabelled, datastore, count\)"),
    "count": (", count: int)", ")", r"Its rank must take \(unlabelled, datastore, count\)"),
    "Ranking": ("return Ranking(order, describe)", "return order", r"give Ranking\(order, describe\)"),
    "a case": ("sorted(unlabelled, key", "sorted(unlabelled[1:], key", "Its rank leaves cases out"),
    "the reason": ('{"reason": reason, **scores.details(case)}', "scores.details(case)", 'gives no "reason"'),
    "to give the reason": ("return {", "x = {", 'gives no "reason"'),
    "what it needs": ("self.scores = scores", "pass", "its Ranking, fails on 3 cases"),
    "the end of the sentence": ("next by name.", "next by name", "a sentence for the person"),
}
EXPORT = {
    "Export": ("PLAIN_WEIGHTS = Export(", "PLAIN_WEIGHTS = write; _ = Export(", "Make it an Export"),
    "description": ('"Arrays of numpy, with a script that runs them"', '""', "It has no description"),
    "write": (", write, run, folder", ", run=run, folder", r"It has no write\(model, folder\)"),
    "run": (", write, run, folder", ", write, folder", r"It has no run\(folder, images, output\)"),
    "output": (", images: Path, output: Path)", ", images: Path)", r"Its run must take \(folder, images, output\)"),
    "folder": (', folder="fewlabel_weights"', "", "It has no folder"),
    "the card": ('_write_json(folder / "fewlabel.json"', '_write_json(folder / "x"', "write puts no fewlabel.json"),
    "the readme": ('(folder / "README.md")', '(folder / "x")', r"write puts no README\.md"),
    "the model's card": ('{"fewlabel": {', '{"card": {', "its card has no 'fewlabel'"),
    "the version": ("{**model.card, ", "{", "does not say the model's version"),
    "the classes": (', "classes": list(model.plan.classes)', "", "classes, in their order"),
    "the full disk": (
        '(folder / "weights.npz").write_bytes(',
        'write_as_torch_does(folder / "weights.npz", ',
        "on a full disk it fails with RuntimeError: write with functions that raise an OSError",
    ),
}
NETWORK = {
    "Network": ("Network(", "(", "Make it a Network"),
    "kind": ("Network(Half, ", "Network(", "It has no kind"),
    "divisor": (", 2, ", ", description=", "It has no divisor"),
    "description": (', "Two convolutions at half the side: an example."', "", "It has no description"),
    "out_channels": ("out_channels", "classes", "does not take out_channels"),
    "an argument": ('{"channels": 16}', "{}", "cannot be built with out_channels=3 and its arguments"),
    "JSON": ('{"channels": 16}', '{"channels": {16}}', "cannot be written into a bundle"),
    "the right divisor": (", 2, ", ", 3, ", r"give logits of all classes, \(1, 3, 6, 3, 3\)"),
    "the grid": (
        "nn.ConvTranspose3d(channels, out_channels, 2, stride=2)",
        "nn.Conv3d(channels, out_channels, 1)",
        "give",
    ),
    "a class": ("(channels, out_channels, 2", "(channels, out_channels - 1, 2", "give logits of all classes"),
    "to normalise each crop": ("InstanceNorm3d(channels, affine=True)", "BatchNorm3d(channels)", "running statistics"),
    "the same without statistics": (
        "InstanceNorm3d(channels, affine=True)",
        "BatchNorm3d(channels, track_running_stats=False)",
        "other logits when another is in its batch",
    ),
    "one map of logits": ("return self.layers(image)", "return [self.layers(image)]", "it gives list"),
    "that a bundle has no FewLabel": ("from torch import Tensor", "from fewlabel import plan", "a bundle copies them"),
}


def each(parts):
    return pytest.mark.parametrize(("old", "new", "words"), parts.values(), ids=parts)


def example(name: str) -> tuple[str, str]:
    """The file of an example in the document, and its line in the table."""
    file, line = re.search(
        rf"/{name}\.py`:\n\n```python\n(.*?)```.*?```python\n[^\n]*\n\n(.*?)\n```", TEXT, re.DOTALL
    ).groups()
    return file, line


def forget(text: str, old: str, new: str) -> str:
    assert old in text, f"the example has no {old!r} any more"
    return text.replace(old, new)


def run(source: str, name: str, **more: object) -> dict:
    """Its names, as a module of this name would have them."""
    found = {"__name__": name, **more}
    exec(compile(source, name, "exec"), found)
    return found


def module(path: str):
    """A file of the tests."""
    name = path.replace("/", "_").removesuffix(".py")
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / path)
    sys.modules[name] = loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def contracts():
    return {name: module(f"{name}/test_contract.py") for name in ("methods", "selection", "export", "networks")}


def said(sentences, words: str) -> None:
    """One of them has these words."""
    print("\n" + " ".join(sentences))
    assert re.search(words, " ".join(sentences))
    assert "AttributeError" not in " ".join(sentences)


@pytest.mark.parametrize("name", ["pseudo_label", "missing_structure", "plain_weights", "half"])
def test_the_whole_example_lacks_nothing(contracts, tmp_path, name):
    file, line = example(name)
    names = run(file, name)
    if name == "pseudo_label":
        assert missing_in_method(contracts, names) == []
    elif name == "missing_structure":
        assert missing_in_strategy(contracts, names, tmp_path) == []
    elif name == "plain_weights":
        assert contracts["export"].missing(names["PLAIN_WEIGHTS"]) == []
    else:
        assert contracts["networks"].missing(row_of_network(line, names)) == []


@each(METHOD)
def test_what_a_method_lacks_is_said(contracts, old, new, words):
    names = run(forget(example("pseudo_label")[0], old, new), "pseudo_label")
    said(missing_in_method(contracts, names), words)


class Other:
    """Some class of somebody."""

    def __init__(self, *_):
        pass


def missing_in_method(contracts, names):
    return contracts["methods"].missing(names["PseudoLabel"], module("methods/conftest.py").Trial())


def missing_in_strategy(contracts, names, folder):
    strategy = names["MissingStructure"](Leases(folder / "served.json"), ScoreFile(folder / "scores.json"))
    return contracts["selection"].missing(strategy, module("selection/conftest.py").Images("abc"))


@each(STRATEGY)
def test_what_a_strategy_lacks_is_said(contracts, tmp_path, old, new, words):
    names = run(forget(example("missing_structure")[0], old, new), "missing_structure", Other=Other)
    said(missing_in_strategy(contracts, names, tmp_path), words)


def write_as_torch_does(path, content):
    """torch's own writer has no OSError."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise RuntimeError("unexpected pos 16512 vs 16404") from error


def keep_what_is_written(contract, name, folder, monkeypatch):
    """The parts of the contract that look at what is written."""
    made = module("export/conftest.py")
    export = made.Exporting(made.LabelledStudy(folder / "study"))
    contract.test_it_is_written_whole_and_leaves_nothing_else(name, export, folder)
    contract.test_class_names_are_data_and_in_its_card(
        name, partial(made.LabelledStudy, folder / "other"), folder, monkeypatch
    )
    contract.test_a_full_disk_is_reported_and_all_stays_as_it_was(name, export, folder / "full", False, 20_000)


@each(EXPORT)
def test_what_an_export_lacks_is_said(contracts, tmp_path, monkeypatch, old, new, words):
    names = run(forget(example("plain_weights")[0], old, new), "plain_weights", write_as_torch_does=write_as_torch_does)
    row = names["PLAIN_WEIGHTS"]
    contract = contracts["export"]
    if contract.missing(row):
        said(contract.missing(row), words)
        return
    monkeypatch.setitem(EXPORTS, "example", row)
    with pytest.raises(AssertionError) as failed:
        keep_what_is_written(contract, "example", tmp_path, monkeypatch)
    said([str(failed.value).split("\n")[0]], words)


def row_of_network(line, names):
    return eval(f"{{{line}}}", {"Network": Network, **names})["half"]


@each(NETWORK)
def test_what_a_network_lacks_is_said(contracts, tmp_path, monkeypatch, old, new, words):
    file, line = example("half")
    changed = line if old in line else file
    file, line = (forget(text, old, new) if text is changed else text for text in (file, line))
    named = "half"
    if "fewlabel" in new:  # as a file of the package, which a bundle copies
        (tmp_path / "half.py").write_text(file, encoding="utf-8")
        monkeypatch.setattr(networks, "__file__", str(tmp_path / "__init__.py"))
        copied = ModuleType("fewlabel.networks.half")
        copied.__file__ = str(tmp_path / "half.py")
        monkeypatch.setitem(sys.modules, "fewlabel.networks.half", copied)
        file, named = example("half")[0], "fewlabel.networks.half"
    said(contracts["networks"].missing(row_of_network(line, run(file, named))), words)


def test_a_file_whose_line_is_forgotten_is_found(monkeypatch, tmp_path):
    """Also where the import is there; not what another file uses, nor what is private."""
    for package in ("methods", "export"):
        (tmp_path / package).mkdir()
    (tmp_path / "__init__.py").write_text("", encoding="utf-8")
    used = "from fewlabel.methods.a import Forgotten, Used\nTABLE = {'a': Used}\n"
    (tmp_path / "methods" / "__init__.py").write_text(used, encoding="utf-8")
    (tmp_path / "methods" / "a.py").write_text(
        "class _Part: ...\nclass Used(_Part): ...\nclass Forgotten(_Part):\n    def same(self): return Forgotten()\n",
        encoding="utf-8",
    )
    (tmp_path / "export" / "b.py").write_text("_PART = 1\nUSED = 2\nFORGOTTEN = USED\n", encoding="utf-8")
    monkeypatch.setattr(fewlabel, "__file__", str(tmp_path / "__init__.py"))
    shared = module("conftest.py")
    assert shared.unused("methods") == [("a", "Forgotten")]
    assert shared.unused("export") == [("b", "FORGOTTEN")]
