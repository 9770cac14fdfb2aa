"""What a person sees of the server's log."""

import os

import pytest

from serving import screen

HEAD = "[2026-01-02 03:04:05,678] [17] [MainThread] [{}] (fewlabel.study:190) - {}\n"


@pytest.fixture
def shown(tmp_path, capfd):
    """Writes lines to a log that is followed; gives what was shown of them, and the screen."""

    def show(*lines, before=""):
        log = screen.log_file(tmp_path)
        log.write_text(before)
        it = screen.Screen(log)
        it.start()
        with log.open("a", encoding="utf-8") as file:
            file.writelines(lines)
        it.stop()
        return capfd.readouterr().err.splitlines(), it

    return show


def test_warnings_and_errors_are_shown_with_the_lines_that_belong_to_them_and_nothing_else(shown):
    lines, _ = shown(
        "Allow Origins: ['*']\n",
        HEAD.format("INFO", "USING:: app = here"),
        HEAD.format("WARNING", "Not usable: 1 file."),
        "[2026-01-02 03:04:05,678] [timeloop] [INFO] Starting Timeloop..\n",
        "App Init...\n",
        HEAD.format("ERROR", "It failed."),
        "Traceback (most recent call last):\n",
        "ValueError: so\n",
        HEAD.format("INFO", "It goes on."),
        "INFO:     a line of another\n",
    )
    assert lines == ["Not usable: 1 file.", "It failed.", "Traceback (most recent call last):", "ValueError: so"]


def test_why_it_cannot_start_and_what_it_found_are_kept_for_the_end(shown):
    lines, it = shown(
        HEAD.format("INFO", "In short: 10 scans."),
        HEAD.format("ERROR", "SystemExit: FewLabel cannot start. There is no device.\n"),
        HEAD.format("ERROR", "Application startup failed. Exiting."),
    )
    assert lines == []
    assert it.short == it.wait_for_short() == "10 scans."
    assert it.failure == "FewLabel cannot start. There is no device."


def test_what_an_earlier_server_wrote_is_not_shown_again(shown):
    lines, it = shown(HEAD.format("ERROR", "new"), before=HEAD.format("ERROR", "old") + "In short: 1 scan.\n")
    assert lines == ["new"]
    assert "old" not in it.last()


def test_a_line_that_comes_in_pieces_is_one_line(shown):
    whole = HEAD.format("ERROR", "in pieces")
    assert shown(*whole)[0] == ["in pieces"]


def test_a_large_log_is_put_aside_and_another_one_is_continued(tmp_path, monkeypatch):
    log = screen.log_file(tmp_path)
    log.write_text("of before")
    assert screen.log_file(tmp_path).read_text() == "of before"
    monkeypatch.setattr(screen, "_LARGE", 3)
    assert screen.log_file(tmp_path).read_text() == ""
    assert sorted(os.listdir(tmp_path)) == ["server.log", "server.log.1"]
