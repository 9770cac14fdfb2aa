"""Unlabelled scans that do harm on a real server: they rest, come back with a label or at half the weight."""

import json

import pytest
import torch

from fewlabel.workspace import read_json

CONF = {"training": "continuous", "max_steps": "1000000", "publish_minutes": "0.1", "labels": "organ,tumour"}
APP = '''
"""FewLabel whose labelled crops fit badly while somebody says so; all else is the product."""

import importlib.util
import pathlib

_specification = importlib.util.spec_from_file_location("fewlabel_main", {main!r})
_main = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(_main)

from fewlabel.training import clock, ongoing, recovery

HARM = pathlib.Path({harm!r})
clock.WARM_UP = 0.01  # pool terms at once
recovery.CHECK_EVERY, recovery.RETRY_AFTER = 0.05, 5.0
ongoing.dice_of_crops = lambda logits, label: 0.1 if HARM.exists() else 0.9


class MONAILabelApp(_main.FewLabelApp):
    pass


class Harmed(MONAILabelApp):
    pass
'''

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def study(serve, volumes, tmp_path_factory, goes_on):
    """Its app and the file that says so are beside it."""
    folder = tmp_path_factory.mktemp("harm")
    server = serve(volumes.study(folder / "studies", 9), {**CONF, "method": "mean_teacher"}, ready=None)
    harm = folder / "harm"
    (folder / "app").mkdir()
    text = APP.format(main=str(server.app / "main.py"), harm=str(harm))
    (folder / "app" / "main.py").write_text(text, encoding="utf-8")
    server.app = folder / "app"
    server.start()
    study = goes_on(server)
    study.harm = harm
    return study


def pool_weight(study):
    """Reported weight of the pool's term; None before the first step."""
    return study.progress().get("weights", {}).get("consistency")


def notes(study):
    return " ".join(study.progress().get("notes", []))


# The tests of this module are the steps of one story: each needs those before it.


def test_the_pool_is_learned_from(study):
    study.submit(0)
    study.wait(lambda: pool_weight(study))
    study.weight = pool_weight(study)
    study.wait_for_version(1)
    assert "harm" not in study.line()


def test_after_harm_it_goes_back_and_the_pool_rests(study):
    study.harm.touch()
    study.wait(lambda: study.progress().get("pool_rests"))
    study.harm.unlink()
    assert "did harm" in notes(study)
    study.server.wait_until(lambda: "the unlabelled scans rest, since they did harm" in study.line() or returned(study))
    assert read_json(study.workspace.progress)["phase"] != "failed"


def returned(study):
    return "at 0.5 of their weight" in notes(study)


def test_after_the_stated_time_it_comes_back_at_half_the_weight(study):
    study.wait(lambda: returned(study) and not study.progress()["pool_rests"])
    study.wait(lambda: pool_weight(study) == pytest.approx(study.weight / 2, rel=0.01))


def test_it_survives_a_restart(study):
    checkpoint = study.workspace.checkpoint  # written every few seconds
    study.wait(lambda: torch.load(checkpoint, weights_only=True)["guard"]["weight"] == 0.5)
    study.server.stop()
    study.server.start()
    study.wait(lambda: study.went_on() and pool_weight(study) == pytest.approx(study.weight / 2, rel=0.01))


def test_a_new_label_brings_it_back_at_its_whole_weight(study):
    study.harm.touch()
    study.wait(lambda: study.progress().get("pool_rests"))
    study.submit(1)
    study.harm.unlink()
    study.wait_for_labels(2)
    study.wait(lambda: pool_weight(study) == pytest.approx(study.weight, rel=0.01))
    assert not study.progress()["pool_rests"]
    version = study.version()
    study.wait_for_version(version + 1)
    assert json.dumps(study.server.info())
