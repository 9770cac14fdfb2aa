"""Installs the model beside this file into 3D Slicer's extension MONAIAuto3DSeg. Run it in Slicer's Python console."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path


def install(folder: Path, extension: Path, home: Path) -> str:
    """Unpack the model where the extension looks for it and add it to its list; an earlier copy of it is replaced.

    Args:
        folder: with the zip and ``model_entry.json``.
        extension: folder of the extension's module, with ``Resources/Models.json``.
        home: the user's home folder.

    Returns the name of the model.
    """
    archive = sorted(folder.glob("*.zip"))[0]
    models, listed = home / ".MONAIAuto3DSeg" / "models", extension / "Resources" / "Models.json"
    shutil.rmtree(models / archive.stem, ignore_errors=True)
    zipfile.ZipFile(archive).extractall(models / archive.stem)
    entry = json.loads((folder / "model_entry.json").read_text(encoding="utf-8"))
    known = json.loads(listed.read_text(encoding="utf-8"))
    known["models"] = [each for each in known["models"] if each["versions"] != entry["versions"]] + [entry]
    saved = listed.with_name("Models.json.before-fewlabel")
    if not saved.exists():
        shutil.copyfile(listed, saved)
    listed.write_text(json.dumps(known, indent=4), encoding="utf-8")
    return archive.stem


if __name__ == "__main__":
    import slicer

    found = install(Path(__file__).parent, Path(slicer.modules.monaiauto3dseg.path).parent, Path.home())
    print(found + " is installed: restart Slicer, then choose it in MONAI Auto3DSeg.")
