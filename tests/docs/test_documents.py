"""The documents: links lead somewhere, commands exist, the README stays short."""

import re
import shlex
from pathlib import Path

import pytest

import fewlabel
from experiments.commands import COMMANDS, parse

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "slicer_module").glob("*.md")])
LONGEST_README = 900  # words


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(path: Path) -> set[str]:
    """Anchors of a document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_each_link_leads_to_a_file_and_each_anchor_to_a_heading(document):
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_each_script_and_each_command_that_is_printed_exists(document):
    text = document.read_text(encoding="utf-8")
    for script in re.findall(r"python3? (scripts/\w+\.py)", text):
        assert (ROOT / script).is_file(), script
    for command in re.findall(r"scripts/experiment\.py (\w+)", text):
        assert command in {each.name for each in COMMANDS}, command


def printed_experiments() -> list[str]:
    """What is printed after ``python3 scripts/experiment.py``, in blocks and within sentences."""
    text = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS).replace("\\\n", " ")
    blocks = re.findall(r"^ *python3 scripts/experiment\.py ([^`\n]*)$", text, re.MULTILINE)
    return blocks + [" ".join(each.split()) for each in re.findall(r"`python3 scripts/experiment\.py ([^`]*)`", text)]


PLAYED = ("rare_pool", "results/rounds-pool/outcomes")  # what printed commands make for the next ones


def test_each_printed_experiment_is_understood(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("hippocampus", "left_atrium", "FOLDER", "UA-MT/data/2018LA_Seg_Training Set", *PLAYED):
        (tmp_path / folder).mkdir(parents=True)
    printed = [each for each in printed_experiments() if "--help" not in each]
    assert len(printed) >= 20
    for arguments in printed:
        assert parse(shlex.split(arguments)).command == arguments.split()[0]


def test_each_printed_comparison_has_a_folder_of_its_own():
    """One after the other, as printed: a folder holds the runs of one comparison only."""
    printed = [each for each in printed_experiments() if re.match(r"(compare|rounds|day) --", each)]
    folders = [re.findall(r"--output (\S+)", each) for each in printed]
    assert len(folders) >= 8
    assert all(len(each) == 1 for each in folders), folders
    assert len({each[0] for each in folders}) == len(folders)


def test_the_readme_can_be_read_in_a_few_minutes():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= LONGEST_README


def test_every_document_is_reached_from_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [path.name for path in (ROOT / "docs").glob("*.md") if f"docs/{path.name}" not in text]


def test_the_version_is_the_same_in_package_changelog_and_citation():
    newest = re.search(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest.group(1) == fewlabel.__version__
    assert f"\nversion: {fewlabel.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
