"""The published model as a MONAI bundle: a folder that runs with stock MONAI, without FewLabel and without a server.

Run it with ``python -m monai.bundle run``, or put it into MONAI Label's monaibundle app.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from fewlabel import __version__, networks
from fewlabel.export.base import Export
from fewlabel.export.bundle_run import run_bundle
from fewlabel.export.configs import NAME, inference
from fewlabel.export.escaping import markdown
from fewlabel.export.metadata import metadata, requirements
from fewlabel.export.training import training
from fewlabel.inference.familiar import Familiar
from fewlabel.plan import Plan
from fewlabel.published import Published, save_tensors
from fewlabel.quality import quality

_LOGGING = """[loggers]
keys=root
[handlers]
keys=console
[formatters]
keys=plain
[logger_root]
level=INFO
handlers=console
[handler_console]
class=StreamHandler
args=(sys.stderr,)
formatter=plain
[formatter_plain]
format=%(asctime)s %(levelname)s %(message)s
"""


_OTHER_KINDS = (
    "deepedit",
    "deepgrow",
    "detection",
    "classification",
)  # words by which MONAI Label's monaibundle app recognises other kinds of models


def write_bundle(model: Published, folder: Path) -> None:
    """All files of a bundle into an empty folder."""
    for name in ("configs", "models", "docs"):
        (folder / name).mkdir(parents=True)
    save_tensors(folder / "models" / "model.pt", {"model": model.network.state_dict()})
    copy_sources(folder, model.plan)
    _json(folder / "configs" / "metadata.json", metadata(model))
    _json(folder / "configs" / "inference.json", inference(model.plan))
    _json(folder / "configs" / "train.json", training(model.plan))
    (folder / "configs" / "logging.conf").write_text(_LOGGING, encoding="utf-8")
    (folder / "docs" / "README.md").write_text(_readme(model), encoding="utf-8")
    (folder / "requirements.txt").write_text(requirements(), encoding="utf-8")
    (folder / "LICENSE").write_text(
        "The weights in this folder were trained on data of those who exported them; they decide on its licence.\n",
        encoding="utf-8",
    )


def copy_sources(folder: Path, plan: Plan) -> None:
    """Copy the source files of a network that stock MONAI lacks into the bundle's folder ``scripts``."""
    sources = networks.find(plan.network).sources
    if sources:
        scripts = folder / "scripts"
        scripts.mkdir()
        (scripts / "__init__.py").touch()
        for source in sources:
            shutil.copyfile(Path(networks.__file__).with_name(source), scripts / source)


def _json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")


def _readme(model: Published) -> str:
    plan, card = model.plan, model.card
    names = [markdown(name) for name in plan.classes]
    rows = "\n".join(f"- {value}: {name}" for value, name in enumerate(names, 1))
    measured = {name: dice for name, dice in (card.get("validation") or {}).items() if dice is not None}
    dice = ", ".join(f"{markdown(name)} {value:.3f}" for name, value in measured.items())
    known = markdown(quality(card).sentence) + (f" By class: {dice}." if dice else "")
    return f"""# {NAME}, version {card["version"]}

Segments {", ".join(names)} in 3-D volumes. Trained by FewLabel {__version__} ({card["method"]}) on
{card["labelled"]} labelled and {card["unlabelled"]} unlabelled volumes. {known} Not a medical device.{_familiar(card)}
More in `model_card.html`.

Values of the label maps:
{rows}

Packages: `pip install -r requirements.txt` (the versions that it was trained with). Run the commands in this folder.

Segment all volumes of a folder; label maps are written to another:

```
python -m monai.bundle run --bundle_root . --config_file configs/inference.json \\
    --meta_file configs/metadata.json --dataset_dir IMAGES --output_dir LABELS
```

Continue the training from these weights: DATASET has the folders `images` and `labels` with the same file names and the
values above (or give both folders by `--images_dir` and `--labels_dir`). The last fifth of the pairs is for validation;
weights that are better than those at the beginning replace `models/model.pt`:

```
python -m monai.bundle run --bundle_root . --config_file configs/train.json \\
    --meta_file configs/metadata.json --dataset_dir DATASET --max_epochs 50
```

In a MONAI Label server: put this folder into the monaibundle app's `model` folder and start the app with
`--conf models {NAME} --conf zoo_source local`.
"""


def _familiar(card: dict[str, Any]) -> str:
    """Where to find the scans that the model knows; "" where its card has nothing about them."""
    known = Familiar.from_card(card)
    if known is None:
        return ""
    return (
        f"\nUse it for scans like the {known.scans} that `familiar` in `configs/metadata.json` describes: "
        "the server warns of others, this bundle alone does not."
    )


def misnamed(name: str) -> str:
    """Why a bundle may not have this name; "" if it may."""
    found = [word for word in _OTHER_KINDS if word in name.lower()]
    if not found:
        return ""
    return (
        f"MONAI Label concludes from the folder's name what a bundle does, and '{name}' contains {found[0]}: choose a "
        "name without that word."
    )


BUNDLE = Export(
    "A MONAI bundle: runs with stock MONAI, and in MONAI Label's monaibundle app",
    write_bundle,
    run_bundle,
    folder=NAME,
    card="configs/metadata.json",
    readme="docs/README.md",
    misnamed=misnamed,
)
