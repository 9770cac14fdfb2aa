"""What Slicer's build needs to know of the module: every file is listed."""

import re
from pathlib import Path

import numpy as np
from matplotlib.image import imread

MODULE = Path(__file__).resolve().parents[2] / "slicer_module" / "FewLabel"


def listed(variable):
    text = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8").replace("${MODULE_NAME}", MODULE.name)
    return set(re.search(rf"set\({variable}\s+(.*?)\s*\)", text, re.DOTALL).group(1).split())


def there(pattern):
    found = {path.relative_to(MODULE) for path in MODULE.rglob(pattern)}
    return {path.as_posix() for path in found if "Testing" not in path.parts and "__pycache__" not in path.parts}


def test_every_python_file_is_listed_for_the_build():
    assert listed("MODULE_PYTHON_SCRIPTS") == there("*.py") | {"FewLabel.py"}


def test_every_resource_is_listed_for_the_build():
    files = {name for name in there("*") if name.startswith("Resources/") and (MODULE / name).is_file()}
    assert listed("MODULE_PYTHON_RESOURCES") == files


def test_beside_the_module_lies_no_file_that_slicer_would_take_for_another_module():
    assert {path.name for path in MODULE.glob("*.py")} <= {"FewLabel.py"}


def test_the_icon_is_a_square_with_a_clear_background():
    icon = imread(MODULE / "Resources" / "Icons" / "FewLabel.png")
    assert icon.shape == (128, 128, 4)
    assert icon[0, 0, 3] == 0
    assert np.median(icon[48:80, 48:80, 3]) == 1
