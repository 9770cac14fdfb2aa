"""The list of cases as a table."""

from FewLabelLib.panel.case_table import LIMIT, Order, shown, summary

ROWS = [
    {"id": "Anna 1", "state": "unlabelled", "score": 0.2, "rank": 2, "uncertain_class": "tumour", "flags": []},
    {"id": "berta 2", "state": "submitted", "correction": 0.75, "flags": ["Left and right are exchanged."]},
    {"id": "carl 3", "state": "unlabelled", "score": 0.9, "rank": 1, "skipped": True, "skip_reason": "blurred"},
    {"id": "dora 4", "state": "validation"},
]


def ids(*arguments):
    return [row.id for row in shown(ROWS, *arguments)]


def test_a_row_says_what_is_known_of_its_case():
    anna, berta, carl, _ = shown(ROWS, "", "", Order())
    assert anna.texts == ("Anna 1", "unlabelled", "0.200", "number 2 by uncertainty; least sure of tumour")
    assert berta.texts[3].startswith("Left and right are exchanged.; the proposal agreed")
    assert berta.flagged
    (of_a_domain,) = shown([{"id": "x", "state": "unlabelled", "domain": "scanner A"}], "scanner", "", Order())
    assert of_a_domain.texts[3] == "domain scanner A"
    assert carl.texts[1:] == ("skipped", "0.900", "skipped: blurred; number 1 by uncertainty")


def test_a_row_says_who_has_looked_at_its_label():
    texts = {"accepted": "accepted as proposed", "corrected": "a corrected proposal", "drawn": "drawn by a person"}
    for kind, text in texts.items():
        (row,) = shown([{"id": "x", "state": "submitted", "kind": kind}], text, "", Order())
        assert row.texts[3] == text
    (row,) = shown([{"id": "x", "state": "submitted", "kind": "drawn", "kind_unknown": True}], "", "", Order())
    assert row.texts[3] == "of unknown kind, counts as drawn"


def test_all_words_of_the_filter_have_to_be_found_whatever_their_case():
    assert ids("", "", Order()) == ["Anna 1", "berta 2", "carl 3", "dora 4"]
    assert ids("UNLABELLED tumour", "", Order()) == ["Anna 1"]
    assert ids("exchanged", "", Order()) == ["berta 2"]
    assert ids("anna berta", "", Order()) == []


def test_only_one_state_is_shown_where_that_is_wanted():
    assert ids("", "unlabelled", Order()) == ["Anna 1"]
    assert ids("", "skipped", Order()) == ["carl 3"]


def test_a_click_sorts_scores_from_the_worst_on_and_what_has_none_comes_last_either_way():
    order = Order().clicked(2)
    assert order == Order(2, down=True)
    assert ids("", "", order)[:2] == ["carl 3", "Anna 1"]
    assert ids("", "", order.clicked(2))[:2] == ["Anna 1", "carl 3"]
    assert ids("", "", Order().clicked(0))[0] == "dora 4"


def test_of_a_server_that_tells_no_more_than_ids_and_states_there_is_a_list_too():
    assert [row.texts for row in shown([{"id": "x", "state": "submitted"}], "", "", Order(2))] == [
        ("x", "submitted", "", "")
    ]


def test_how_much_of_the_list_is_seen():
    assert summary(0, 0) == ""
    assert summary(3, 3) == "3 cases"
    assert summary(10, 1) == "1 of 10 cases"
    assert summary(10_000, 9_000).startswith(f"The first {LIMIT} of 9,000")
