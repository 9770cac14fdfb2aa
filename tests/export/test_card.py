"""The card of an exported model, in its three forms."""

import html.parser
import json

import pytest

from fewlabel.export.card import DATA, MARKDOWN, PAGE, contents, write_card
from fewlabel.export.card_pages import as_html, as_markdown
from fewlabel.export.comparing import Comparison
from fewlabel.export.evidence import Evidence, Scored
from fewlabel.export.source import Source
from fewlabel.quality import quality

ROWS = [Comparison("scan 1", 1000, 0, 2.5, {"organ": 1.0, "tumour": None}, 2e-7)]
EVIDENCE = Evidence(
    (
        Scored("a", (0.9, None), (1.5, None)),
        Scored("b", (0.7, 0.4), (2.5, 8.0)),
        Scored("c", (0.8, None), (None, None), ("tumour",)),
    ),
    (("best", "a", 0.9, b"\x89PNG first"), ("worst", "b", 0.55, b"\x89PNG second")),
    (("d", "Its label lies on another grid."),),
)
NAMES = ("<b>bold<img src=x onerror=alert(1)>", "[a](x) `b` *c* ~~d~~", "a|b", "$x_{$", "a_b_c", "a\nb")


@pytest.fixture
def model(publish):
    """Callable (more of the card): the published model."""

    def load(**more):
        with Source(publish(**more)) as source:
            return source.model

    return load


def forms(content):
    return as_markdown(content), as_html(content, EVIDENCE.pictures)


def test_it_tells_dice_and_distance_with_spread_and_the_cases_behind_them(model):
    content = contents(model(), EVIDENCE, ROWS, "A test")
    organ, tumour = content["validation"]["classes"]
    assert organ["dice"]["cases"] == 3
    assert (organ["dice"]["mean"], organ["dice"]["deviation"]) == (pytest.approx(0.8), pytest.approx(0.1))
    assert (organ["distance_mm"]["mean"], organ["distance_mm"]["cases"]) == (pytest.approx(2.0), 2)
    assert (tumour["dice"]["cases"], tumour["dice"]["deviation"]) == (1, None)
    assert tumour["seen_where_the_label_has_none"] == 1
    for text in forms(content):
        assert "0.800 ± 0.100 (0.700 to 0.900)" in text
        assert "2.0 ± 0.7 (1.5 to 2.5)" in text
        assert "d: Its label lies on another grid." in text


def test_every_form_has_the_one_sentence_of_the_quality(model):
    published = model(validated_on={"x": [0.8, None]})
    content = contents(published, Evidence(), ROWS, "A test")
    sentence = quality(published.card).sentence
    assert "on 1 validation case" in sentence
    assert content["quality"] == sentence
    for text in forms(content):
        assert text.count(sentence) == 2, "at the top, and as a warning"


def test_without_a_new_measurement_it_tells_what_was_measured_at_the_training(model):
    published = model(validated_on={"x": [0.9, None], "y": [0.7, None], "z": [None, None]})
    content = contents(published, Evidence(), None, "A test")["validation"]
    assert content["classes"][0]["dice"]["cases"] == 2
    assert [each["case"] for each in content["cases"]] == ["x", "y"]
    assert "when the model was published" in content["how"]


def test_a_model_of_an_earlier_version_has_its_dice_without_a_number_of_cases(model):
    card = contents(model(validation={"organ": 0.8, "tumour": None}), Evidence(), None, "A test")
    for text in forms(card):
        assert "0.800" in text
        assert "Nothing was measured" not in text
    nothing = contents(model(validation={}, validated_on={}), Evidence(), None, "A test")
    for text in forms(nothing):
        assert "Nothing was measured" in text


@pytest.mark.parametrize("rows", [None, []])
def test_what_was_not_verified_is_said(model, rows):
    for text in forms(contents(model(), Evidence(), rows, "A test")):
        assert "Not verified" in text


def test_the_verification_is_a_table(model):
    for text in forms(contents(model(), Evidence(), ROWS, "A test")):
        assert "Not verified" not in text
        assert all(word in text for word in ("scan 1", "1000", "2e-07", "2.5"))


def test_it_tells_method_settings_seed_time_and_software(model):
    published = model(
        settings={"seed": 7, "learning_rate": 0.002},
        seconds=61.5,
        software={"torch": "2.13.0"},
        method="bcp",
        progress=0.25,
        sent=True,
    )
    content = contents(published, Evidence(), None, "A test")
    assert content["training"]["settings"]["seed"] == 7
    assert content["learned_from"] == {"labelled": 4, "unlabelled": 9}
    markdown, page = forms(content)
    for word in ("seed", "61.5", "torch", "2.13.0", "bcp", "4 labelled and 9 unlabelled", "25%", "sent to the server"):
        assert word in markdown, word
        assert word in page, word


def test_it_tells_how_many_scans_of_each_domain_it_learned_from(model):
    counts = {"labelled": 4, "unlabelled": 0, "validation": 1}
    content = contents(model(domains={"scanner <A>": counts}), Evidence(), ROWS, "A test")
    assert content["domains"] == {"scanner <A>": counts}
    markdown, page = forms(content)
    assert "| 4 | 0 | 1 |" in markdown
    assert "<td>scanner &lt;A&gt;</td><td>4</td><td>0</td><td>1</td>" in page
    for none in ({}, None, "text", {"A": 3}):
        content = contents(model(domains=none), Evidence(), ROWS, "A test")
        assert content["domains"] == {}
        assert all("Domain" not in text for text in forms(content))


class Seen(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text, self.images = [], "", []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.images += [value for name, value in attrs if (tag, name) == ("img", "src")]

    def handle_data(self, data):
        self.text += data


def test_names_of_classes_and_cases_are_data_in_every_form(model):
    published = model(classes=NAMES, validation=dict.fromkeys(NAMES, 0.2))
    nothing = (None,) * len(NAMES)
    pictures = (("best", NAMES[0], 0.5, b"\x89PNG"),)
    evidence = Evidence(tuple(Scored(name, (0.5, *nothing[1:]), nothing) for name in NAMES), pictures)
    content = contents(published, evidence, ROWS, "A test")
    seen, plain = Seen(), Seen()
    seen.feed(as_html(content, evidence.pictures))
    plain.feed(as_markdown(content))
    ours = "html head meta title style body h1 h2 p ul li table tr th td figure img figcaption"
    assert set(seen.tags) <= set(ours.split())
    assert plain.tags == []
    assert all(image.startswith("data:image/png;base64,") for image in seen.images)
    assert all(name in seen.text for name in NAMES)
    assert "[a](x)" not in as_markdown(content)
    rows = [line for line in as_markdown(content).splitlines() if line.startswith("| 3 |")]
    assert rows == [r"| 3 | a\|b |"]
    json.dumps(content, allow_nan=False)


def test_every_model_format_holds_the_card(publish, tmp_path):
    with Source(publish()) as source:
        write_card(source, tmp_path, None, "A test")
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {MARKDOWN, DATA, PAGE}
    assert json.loads((tmp_path / DATA).read_text(encoding="utf-8"))["version"] == 3
