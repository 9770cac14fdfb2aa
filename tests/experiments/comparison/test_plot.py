import math

import matplotlib.image
import pytest
from matplotlib import pyplot as plt

from experiments.comparison.outcomes import groups
from experiments.comparison.plot import draw_ablations, draw_methods
from experiments.comparison.rows import CEILING, FLOOR, Row


def is_a_picture(file):
    pixels = matplotlib.image.imread(file)
    return min(pixels.shape[:2]) > 100 and pixels[..., :3].std() > 0


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_pictures_are_written_and_no_figure_is_left_open(tmp_path, outcome, seeds):
    outcomes = []
    for seed in seeds:
        outcomes += [outcome(Row(name, name, count, seed), 0.5) for name in (FLOOR, "uamt") for count in (4, 8)]
        outcomes.append(outcome(Row("uamt without ramp", "uamt", 4, seed, part="uamt"), 0.4))
        outcomes.append(outcome(Row(CEILING, FLOOR, None, seed), 0.9))
    outcomes = [{**each, "dice": each["cases"][0]["dice"]} for each in outcomes]
    outcomes[0]["dice"] = math.nan
    before = plt.get_fignums()
    draw_methods(groups(outcomes), tmp_path / "methods.png")
    draw_ablations(groups(outcomes), "uamt", tmp_path / "uamt.png")
    assert plt.get_fignums() == before
    assert is_a_picture(tmp_path / "methods.png")
    assert is_a_picture(tmp_path / "uamt.png")


def test_the_ceiling_alone_gives_no_picture(tmp_path, outcome):
    draw_methods(groups([outcome(Row(CEILING, FLOOR, None, 0))]), tmp_path / "methods.png")
    assert not list(tmp_path.iterdir())
