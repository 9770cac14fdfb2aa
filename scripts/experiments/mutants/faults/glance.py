"""Faults planted in what the panel shows at a glance."""

from __future__ import annotations

from experiments.mutants.fault import Fault

_PICTURES = "tests/slicer/test_session_thumbnails.py::"
_OVER = "tests/slicer/test_session_over.py::"
_TRAINING = "tests/slicer/test_session_training.py::"
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
    Fault(
        "pictures are downloaded while a person waits",
        "FewLabelLib/session/thumbnails.py",
        "self._under_way or self._context.worker.busy or",
        "self._under_way or",
        _PICTURES + "test_nothing_is_downloaded_while_a_person_waits_for_something",
    ),
    Fault(
        "a picture that is not there is asked for again and again",
        "FewLabelLib/session/thumbnails.py",
        "            self._arrived(wanted, None)\n",
        "            pass\n",
        _PICTURES + "test_a_picture_that_is_not_there_is_no_message_and_not_asked_for_again",
    ),
    Fault(
        "the picture of an older proposal stays",
        "FewLabelLib/session/thumbnails.py",
        "if each not in self._files)",
        "if each[0] not in {case for case, _ in self._files})",
        _PICTURES + "test_each_picture_is_downloaded_once_and_again_with_a_new_proposal",
    ),
    Fault(
        "an old error stays after a success",
        "FewLabelLib/session/context.py",
        "                    self.succeeded(about)\n",
        "",
        _OVER + "test_an_error_goes_with_the_next_success_of_the_same_request_only",
    ),
    Fault(
        "any success takes every error back",
        "FewLabelLib/session/context.py",
        'getattr(done, "__qualname__", "")',
        '"anything"',
        _OVER + "test_an_error_goes_with_the_next_success_of_the_same_request_only",
    ),
    Fault(
        "the time left stands still while cases are measured",
        "FewLabelLib/session/training.py",
        "said - (now - self._said[1])",
        "said",
        _TRAINING + "test_the_time_left_is_counted_down_while_validation_cases_are_measured",
    ),
    Fault(
        "two curves of one name have one colour",
        "FewLabelLib/panel/terms.py",
        "colors_of(losses, {})",
        "colors_of(losses, classes)",
        "tests/slicer/test_terms.py::test_a_loss_that_is_named_like_a_class_has_a_colour_of_its_own",
    ),
)
