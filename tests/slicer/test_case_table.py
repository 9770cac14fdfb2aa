"""The list of cases as a table."""

import time

import pytest

from FewLabelLib.panel import case_table
from FewLabelLib.panel.case_table import CASE, DOMAIN, EXPECTED, LIMIT, REASON, SCORE, STATE, WHEN, WHO, Order, summary
from FewLabelLib.texts.cases import COLUMNS

ROWS = [
    {"id": "Anna 1", "state": "unlabelled", "score": 0.2, "rank": 2, "uncertain_class": "tumour", "flags": []},
    {"id": "berta 2", "state": "submitted", "correction": 0.75, "flags": ["Left and right are exchanged."]},
    {"id": "carl 3", "state": "unlabelled", "score": 0.9, "rank": 1, "skipped": True, "skip_reason": "blurred"},
    {"id": "dora 4", "state": "validation"},
]


def shown(rows, *arguments):
    return case_table.shown(rows, *arguments)[0]


def ids(*arguments):
    return [row.id for row in shown(ROWS, *arguments)]


def line(**row):
    (found,) = shown([{"id": "x", "state": "unlabelled", **row}], "", "", Order())
    return found


def test_a_row_says_why_a_case_is_worth_a_look_what_looks_wrong_first():
    anna, berta, carl, _ = shown(ROWS, "", "", Order())
    assert anna.texts[:4] == ("Anna 1", "number 2 by uncertainty; least sure of tumour", "unlabelled", "0.200")
    assert berta.texts[REASON].startswith("Left and right are exchanged.; the proposal agreed")
    assert berta.flagged
    assert carl.texts[1:4] == ("skipped: blurred; number 1 by uncertainty", "skipped", "0.900")
    assert not carl.flagged


def test_every_heading_says_what_its_column_means():
    assert [COLUMNS[column][0] for column in (CASE, REASON, STATE, SCORE)] == ["Case", "Reason", "State", "Score"]
    assert [COLUMNS[column][0] for column in (EXPECTED, DOMAIN, WHO, WHEN)] == [
        "Expected Dice",
        "Domain",
        "Who",
        "When",
    ]
    assert all(meaning.endswith(".") for _, meaning in COLUMNS)


def test_a_score_says_what_it_is_among_the_others():
    rows = [{"id": str(rank), "state": "unlabelled", "score": 1 / rank, "rank": rank} for rank in range(1, 7)]
    levels = [row.texts[SCORE].split(" ")[1] for row in shown(rows, "", "", Order())]
    assert levels == ["high", "high", "middle", "middle", "low", "low"]
    worst = shown([*rows, {**rows[0], "id": "0", "uncertain_class": "tumour"}], "", "", Order())[0]
    assert worst.tips[SCORE] == (
        "Compared with the other scans without a label, this is high. The model is least sure of tumour."
    )


def test_a_proposal_says_what_is_expected_of_it():
    proposal = {"version": 4, "newest": True, "score": 0.5, "dice": 0.871, "low": 0.8, "high": 0.93}
    row = line(score=0.1, proposal=proposal)
    assert row.texts[REASON : EXPECTED + 1] == ("proposal", "unlabelled", "0.500", "0.87 (0.80 to 0.93)")
    older = line(proposal={**proposal, "newest": False, "low": None})
    assert older.texts[REASON] == "proposal of version 4, not the newest"
    assert older.texts[EXPECTED] == "0.87"
    assert line(proposal={"version": 4, "newest": True, "score": None, "dice": None}).texts[EXPECTED] == ""


def test_a_row_says_who_submitted_its_label_and_when_else_when_it_was_handed_out():
    noon = time.mktime((2026, 11, 3, 12, 5, 0, 0, 0, -1))
    row = line(submitted=noon, by="anna", domain="scanner A", served=noon - 60)
    assert row.texts[DOMAIN:] == ("scanner A", "anna", "2026-11-03 12:05")
    assert line(served=noon).texts[WHEN] == "handed out 2026-11-03 12:05"


def test_a_scan_unlike_those_that_the_model_learned_from_is_marked():
    row = line(flags=["This scan is unlike those that the model learned from: draw it yourself."], rank=3)
    assert row.flagged
    assert row.texts[REASON].startswith("This scan is unlike")


def test_a_row_says_who_has_looked_at_its_label():
    texts = {"accepted": "accepted as proposed", "corrected": "a corrected proposal", "drawn": "drawn by a person"}
    for kind, text in texts.items():
        (row,) = shown([{"id": "x", "state": "submitted", "kind": kind}], text, "", Order())
        assert row.texts[REASON] == text
    assert line(kind="drawn", kind_unknown=True).texts[REASON] == "of unknown kind, counts as drawn"


def test_columns_in_which_nothing_stands_are_hidden():
    assert case_table.unused(ROWS) == {EXPECTED, DOMAIN, WHO, WHEN}
    assert case_table.unused([*ROWS, {"id": "e", "by": "anna", "submitted": 5.0}]) == {EXPECTED, DOMAIN}
    assert case_table.unused([{"id": "x", "proposal": {"dice": 0.5}, "domain": "a"}]) == {SCORE, WHO, WHEN}


def test_all_words_of_the_search_have_to_be_found_whatever_their_case():
    assert ids("", "", Order()) == ["Anna 1", "berta 2", "carl 3", "dora 4"]
    assert ids("UNLABELLED tumour", "", Order()) == ["Anna 1"]
    assert ids("exchanged", "", Order()) == ["berta 2"]
    assert ids("anna berta", "", Order()) == []
    rows = [{"id": "x", "state": "submitted", "by": "otto", "domain": "scanner A"}]
    assert len(shown(rows, "scanner otto", "", Order())) == 1


def test_only_one_state_is_shown_where_that_is_wanted():
    assert ids("", "unlabelled", Order()) == ["Anna 1"]
    assert ids("", "skipped", Order()) == ["carl 3"]


def test_a_click_sorts_scores_from_the_worst_on_and_what_has_none_comes_last_either_way():
    order = Order().clicked(SCORE)
    assert order == Order(SCORE, down=True)
    assert ids("", "", order)[:2] == ["carl 3", "Anna 1"]
    assert ids("", "", order.clicked(SCORE))[:2] == ["Anna 1", "carl 3"]
    assert ids("", "", Order().clicked(CASE))[0] == "dora 4"


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (EXPECTED, ({"proposal": {"dice": 0.09}}, {"proposal": {"dice": 0.5}})),
        (WHEN, ({"served": 9.0}, {"submitted": 1e9})),
        (WHO, ({"by": "anna"}, {"by": "Otto"})),
        (DOMAIN, ({"domain": "a"}, {"domain": "B"})),
        (STATE, ({"state": "submitted"}, {"state": "validation"})),
        (REASON, ({"flags": ["A."]}, {"kind": "drawn"})),
    ],
)
def test_every_column_can_be_sorted_by(column, values):
    low, high = ({"id": name, "state": "unlabelled", **each} for name, each in zip("ba", values, strict=True))
    assert [row.id for row in shown([high, low], "", "", Order(column))] == ["b", "a"]
    assert [row.id for row in shown([low, high], "", "", Order(column, down=True))] == ["a", "b"]


def test_of_a_server_that_tells_no_more_than_ids_and_states_there_is_a_list_too():
    (row,) = shown([{"id": "x", "state": "submitted"}], "", "", Order(SCORE))
    assert row.texts == ("x", "", "submitted", "", "", "", "", "")


def test_how_much_of_the_list_is_seen():
    assert summary(0, 0) == ""
    assert summary(3, 3) == "3 cases"
    assert summary(10, 1) == "1 of 10 cases"
    assert summary(10_000, 9_000).startswith(f"The first {LIMIT} of 9,000")
    rows, fitting = case_table.shown([{"id": str(number)} for number in range(LIMIT + 5)], "", "", Order())
    assert (len(rows), fitting) == (LIMIT, LIMIT + 5)
