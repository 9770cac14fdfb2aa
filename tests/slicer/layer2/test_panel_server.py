"""The sections "Server" and "Cases", on servers of several kinds."""

import pytest

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")

OWN = ("skipCombo", "unskipButton", "undoButton", "uncertaintyCheck", "opacitySlider", "exportSection")


def ids(desk):
    """Cases in the table, from the top down."""
    return [desk.ui.caseTable.item(row, 0).text() for row in range(desk.ui.caseTable.rowCount)]


# --- who is there


def test_a_server_that_asks_for_a_password_gets_one_and_the_wrong_one_is_said(sit_down, server):
    server.protected = True
    desk = sit_down(lambda address: server)
    desk.connect(server.url)
    ui = desk.ui
    assert ui.loginFrame.visible
    assert ui.serverLabel.text.startswith("Login needed")
    ui.userEdit.text, ui.passwordEdit.text = "anna", "wrong"
    desk.do("loginButton")
    assert ui.loginFrame.visible
    assert ui.loginLabel.text == "Try again."
    assert ui.passwordEdit.text == ""
    ui.passwordEdit.text = "right"
    desk.do("loginButton")
    assert not ui.loginFrame.visible
    assert ids(desk) == ["a", "b", "c"]


def guard(plain_app, token):
    """Let a plain app ask for this token."""
    answers = plain_app.server.answers
    info = answers["GET", "/info/"]

    def ask(handler):
        known = handler.headers.get("Authorization") == f"Bearer {token}"
        if known and callable(info):
            return info(handler)
        return plain_app.server.send(handler, *(info if known else (401, {"detail": "Not authenticated"})))

    answers["GET", "/info/"] = ask
    answers["POST", "/auth/token"] = 200, {"access_token": token, "token_type": "bearer"}
    return info


@pytest.mark.parametrize("stay", [True, False])
def test_a_token_is_kept_only_for_who_stays_logged_in_and_only_while_it_is_right(sit_down, plain_app, stay):
    info = guard(plain_app, "a-token")
    desk = sit_down()
    desk.connect(plain_app.url)
    assert desk.ui.loginFrame.visible
    desk.ui.stayCheck.checked = stay
    desk.ui.passwordEdit.text = "a-token"
    desk.do("loginButton")
    assert not desk.ui.loginFrame.visible
    later = sit_down()
    later.connect(plain_app.url)
    assert later.ui.loginFrame.visible is not stay
    plain_app.server.answers["GET", "/info/"] = info
    guard(plain_app, "another-token")
    later.connect(plain_app.url)
    assert later.ui.loginFrame.visible
    assert later.panel.server.settings.token(plain_app.url) == ""


@pytest.mark.parametrize("answer", [(404, {"detail": "Not Found"}), (200, {"hello": 1})])
def test_a_server_that_is_no_monai_label_is_said_to_be_the_wrong_one(sit_down, plain_app, answer):
    plain_app.server.answers["GET", "/info/"] = answer
    desk = sit_down()
    desk.connect(plain_app.url)
    assert desk.ui.serverLabel.text.startswith("Wrong server")
    assert desk.has_message("is not a MONAI Label server")
    assert desk.ui.connectButton.enabled
    assert not desk.ui.nextButton.enabled


def test_an_address_at_which_nobody_listens_is_said_and_is_not_remembered(sit_down):
    desk = sit_down()
    desk.connect("127.0.0.1:1")
    assert desk.ui.serverLabel.text.startswith("Not reachable")
    assert desk.session.connection.addresses == []


def test_of_a_plain_app_only_what_it_offers_is_shown_and_works(sit_down, plain_app):
    desk = sit_down()
    desk.connect(plain_app.url)
    ui = desk.ui
    assert [name for name in OWN if getattr(ui, name).visible] == []
    assert [name for name in ("methodCombo", "minutesSpin", "deviceCombo") if getattr(ui, name).visible] == []
    assert ui.trainingSection.visible
    assert ids(desk) == ["a", "b"]
    desk.do("nextButton")
    desk.paint("tumour", desk.mask("tumour") | True)
    desk.do("submitButton")
    assert (plain_app.stored["a"] == 2).all()
    desk.do("skipButton")  # it has no list of skipped cases: the next one is asked for
    assert ui.caseLabel.text.startswith("b. ")


def test_an_app_that_does_not_train_has_no_section_for_it(sit_down, plain_app):
    plain_app.info["trainers"] = {}
    desk = sit_down()
    desk.connect(plain_app.url)
    assert not desk.ui.trainingSection.visible
    assert desk.ui.submitSection.visible


# --- the list


@pytest.fixture
def listed(sit_down, server):
    """At a panel with a list of four cases."""
    server.order = ["a", "b", "c", "d"]
    about = {
        "a": {"state": "unlabelled", "score": 0.2, "rank": 2},
        "b": {"state": "submitted", "flags": ["The liver is empty."]},
        "c": {"state": "unlabelled", "score": 0.7, "rank": 1},
        "d": {"state": "unlabelled", "skipped": True, "skip_reason": "blurred"},
    }
    server.cases = lambda: [{"id": case, "flags": [], **about[case]} for case in server.order]
    desk = sit_down(lambda address: server)
    desk.connect(server.url)
    return desk


def click_heading(desk, column):
    import qt
    from PySide6.QtTest import QTest

    header = desk.ui.caseTable.horizontalHeader()
    position = qt.QPoint(header.sectionViewportPosition(column) + 5, header.height // 2)
    QTest.mouseClick(header.viewport(), qt.Qt.LeftButton, pos=position)


def test_a_click_on_a_heading_sorts_and_a_second_one_turns_it_round(listed):
    click_heading(listed, 3)  # scores from the highest down, those without one last
    assert ids(listed) == ["c", "a", "b", "d"]
    click_heading(listed, 3)
    assert ids(listed) == ["a", "c", "b", "d"]
    click_heading(listed, 0)
    click_heading(listed, 0)
    assert ids(listed) == ["d", "c", "b", "a"]


def test_words_and_a_state_filter_and_the_chosen_case_stays_chosen(listed):
    ui = listed.ui
    ui.caseTable.setCurrentCell(3, 0)
    ui.filterEdit.text = "BLURRED"
    assert ids(listed) == ["d"]
    assert listed.panel.cases.chosen == "d"
    assert ui.casesLabel.text == "1 of 4 cases"
    ui.filterEdit.text = ""
    assert listed.panel.cases.chosen == "d"
    ui.stateCombo.setCurrentIndex(ui.stateCombo.findText("submitted"))
    assert ids(listed) == ["b"]
    assert not ui.openButton.enabled  # what was chosen is not seen any more


def test_a_skipped_case_is_offered_again(listed, server):
    ui = listed.ui
    ui.caseTable.setCurrentCell(0, 0)
    assert not ui.unskipButton.enabled
    ui.caseTable.setCurrentCell(3, 0)
    listed.do("unskipButton")
    assert ("unskip", "d") in server.calls


def test_a_double_click_opens_a_case(listed, qt):
    from PySide6.QtTest import QTest

    table = listed.ui.caseTable
    position = table.visualItemRect(table.item(2, 0)).center()
    QTest.mouseClick(table.viewport(), qt.Qt.LeftButton, pos=position)
    QTest.mouseDClick(table.viewport(), qt.Qt.LeftButton, pos=position)
    listed.settle()
    assert listed.ui.caseLabel.text.startswith("c. ")
    assert listed.ui.reasonLabel.text == "You opened it yourself."
