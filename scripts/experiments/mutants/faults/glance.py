"""Faults planted in what the panel shows at a glance."""

from __future__ import annotations

from experiments.mutants.fault import Fault

_TABLE = "tests/slicer/test_case_table.py::"

FAULTS = (
    Fault(
        "the most certain cases are called high",
        "FewLabelLib/panel/case_table.py",
        "levels[len(levels) - 1 - len(levels) * (rank - 1) // ranked]",
        "levels[len(levels) * (rank - 1) // ranked]",
        _TABLE + "test_a_score_says_what_it_is_among_the_others",
    ),
    Fault(
        "a column with something in it is hidden",
        "FewLabelLib/panel/case_table.py",
        "if not any(map(has, rows))",
        "if not all(map(has, rows))",
        _TABLE + "test_columns_in_which_nothing_stands_are_hidden",
    ),
    Fault(
        "times are sorted by their text",
        "FewLabelLib/panel/case_table.py",
        """    if column == WHEN:
        return row.get("submitted") or row.get("served")
""",
        """    if column == WHEN:
        return _when(row)
""",
        _TABLE + "test_every_column_can_be_sorted_by",
    ),
    Fault(
        "nobody sees who submitted a label",
        "service/cases.py",
        'said = info.get("client_id") or info.get("user")',
        'said = info.get("name")',
        "tests/service/test_cases.py::test_a_row_says_who_submitted_the_label",
    ),
)
