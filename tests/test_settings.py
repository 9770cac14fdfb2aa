from __future__ import annotations

import dataclasses

import pytest

from fewlabel.methods import METHODS
from fewlabel.networks import NETWORKS
from fewlabel.settings import REQUEST_KEYS, Settings, table

BAD = {
    "labels": ["", "liver,liver", "background", "a/b"],
    "method": ["none", ""],
    "network": ["none", ""],
    "workspace": [""],
    "dicom": [""],
    "device": [" "],
    "training": ["always", ""],
    "publish_minutes": ["0", "-1", "soon"],
    "max_minutes": ["soon", "0", "-1", "nan", "inf", ""],
    "max_steps": ["many", "0", "1.5", "1e400", "9" * 400],
    "learning_rate": ["fast", "0", "nan"],
    "spacing": ["1,1", "0", "1,1,0", "1,1,1,1", "a", "1,,1", "nan", ""],
    "patch": ["48,48", "1.5", "0", "-16", "a"],
    "batch": ["0", "two", "1.5"],
    "validation_share": ["1", "-0.1", "half", "nan"],
    "scoring_minutes": ["0", "a"],
    "teacher": ["none", "", "Live"],
    "augmentation": ["", "strong", "Shift"],
    "predictions_gb": ["0", "-1", "much"],
    "seed": ["-1", "1.5", "x", str(2**31)],
    "hosts": ["", ",", "http://a", "a:80", "a b", "*", "a/b"],
    "domain_pattern": ["", "(", "[a-"],
    "setting": ["", "supervised", "Adaptation"],
    "target": ["", " "],
    "origins": ["", "*", "null", "a.example", "https://a.example/", "https://a b", "https://a.example/x"],
    "remote": ["", "maybe", "1"],
    "subfolders": ["", "maybe", "1"],
    "companions": ["", "maybe", "1"],
    "learn_accepted": ["", "maybe", "1"],
    "token": [""],
}


@pytest.mark.parametrize(("key", "text"), [(key, text) for key, texts in BAD.items() for text in texts])
def test_an_unusable_value_is_refused_with_its_key_its_value_and_what_is_allowed(key, text):
    with pytest.raises(ValueError, match=f"^--conf {key} ") as caught:
        Settings.from_conf({key: text})
    message = str(caught.value)
    assert text in message
    assert ".. It is" not in message
    assert "literal" not in message
    assert "convert" not in message
    help_text = {field.name: field.metadata["help"] for field in dataclasses.fields(Settings)}[key]
    assert help_text in message


def test_what_holds_a_blank_is_quoted():
    for conf in ({"a b": "c"}, {"method": "a b"}):
        with pytest.raises(ValueError, match=r"^--conf .*'a b': "):
            Settings.from_conf(conf)


def test_every_setting_is_tried_with_bad_values():
    assert set(BAD) == {field.name for field in dataclasses.fields(Settings)}


@pytest.mark.parametrize(("key", "tables"), [("method", METHODS), ("network", NETWORKS)])
def test_an_unknown_choice_is_answered_with_all_choices(key, tables):
    with pytest.raises(ValueError, match="must be one of") as caught:
        Settings.from_conf({key: "unknown"})
    assert all(name in str(caught.value) for name in tables)


def test_a_mistyped_key_is_answered_with_the_nearest_one_and_with_all():
    with pytest.raises(ValueError, match="Did you mean 'network'") as caught:
        Settings.from_conf({"netwrok": "unet"})
    assert "learning_rate" in str(caught.value)
    with pytest.raises(ValueError, match=r"there is no such setting\. There are"):
        Settings.from_conf({"zzzz": "1"})


@pytest.mark.parametrize("conf", [None, {}, {"models": "x", "skip_scoring": "true", "heuristic_planner": "false"}])
def test_keys_of_monai_label_itself_are_left_alone(conf):
    assert Settings.from_conf(conf) == Settings()


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("labels", "liver, tumour ,", ("liver", "tumour")),
        ("spacing", "1.5", (1.5, 1.5, 1.5)),
        ("spacing", "1x1x2.5", (1.0, 1.0, 2.5)),
        ("spacing", " 1, 2, 3 ", (1.0, 2.0, 3.0)),
        ("patch", "96,96,64", (96, 96, 64)),
        ("patch", "32.0", (32, 32, 32)),
        ("max_steps", 10.0, 10),
        ("max_steps", "2e3", 2000),
        ("validation_share", "0", 0.0),
        ("seed", "0", 0),
        ("hosts", "Labels.local, 10.0.0.5,[::2]", ("labels.local", "10.0.0.5", "::2")),
        ("origins", "https://Viewer.local:8443,http://[::2]:80", ("https://viewer.local:8443", "http://[::2]:80")),
        ("remote", "yes", True),
        ("remote", "No", False),
        ("subfolders", "no", False),
        ("companions", "Yes", True),
    ],
)
def test_values_are_read_as_people_write_them(key, text, value):
    read = getattr(Settings.from_conf({key: text}), key)
    assert read == value
    assert type(read) is type(value)


def test_a_request_overrides_what_it_may_and_nothing_else():
    settings = Settings.from_conf({"labels": "liver", "seed": "5"})
    request = {"method": "supervised", "max_minutes": "2", "seed": 0, "labels": "x", "workspace": "/tmp", "model": "m"}
    changed = settings.with_request(request)
    assert changed == dataclasses.replace(settings, method="supervised", max_minutes=2.0, seed=0)


@pytest.mark.parametrize("value", [None, "", "auto", [], ["auto", "unet"], [""]])
@pytest.mark.parametrize("key", REQUEST_KEYS)
def test_empty_and_automatic_values_of_a_request_change_nothing(key, value):
    settings = Settings.from_conf({"network": "unet_small", "device": "cpu"})
    assert settings.with_request({key: value}) == settings


def test_of_a_list_of_choices_the_first_is_meant():
    request = {"method": ["supervised", "mean_teacher"], "network": ["unet_large", "auto"], "max_steps": [5]}
    changed = Settings().with_request(request)
    assert (changed.method, changed.network, changed.max_steps) == ("supervised", "unet_large", 5)


@pytest.mark.parametrize("request_", [{"method": "x"}, {"max_steps": 0}, {"max_minutes": True}, {"method": {"a": 1}}])
def test_a_request_with_an_unusable_value_is_refused_in_words(request_):
    with pytest.raises(ValueError, match=next(iter(request_))):
        Settings().with_request(request_)


def test_the_table_for_people_names_every_setting_with_help_and_default():
    lines = table().splitlines()
    fields = dataclasses.fields(Settings)
    assert len(lines) == len(fields)
    for line, field in zip(lines, fields, strict=True):
        assert field.name in line
        assert field.metadata["help"] in line
