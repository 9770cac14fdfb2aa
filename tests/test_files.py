"""What a file says is read again when, and only when, the file changed."""

import os

import pytest

from fewlabel.files import ReadAgain, stamp


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("one")
    return path


def replace(path, text):
    other = path.with_suffix(".new")
    other.write_text(text)
    os.replace(other, path)


def test_a_file_that_stays_is_read_once(path):
    read = []
    words = ReadAgain(lambda path: read.append(path) or path.read_text(), str)
    assert [words(path), words(path), words(path)] == ["one"] * 3
    assert read == [path]


def test_a_file_that_was_replaced_is_read_again(path):
    words = ReadAgain(lambda path: path.read_text(), str)
    assert words(path) == "one"
    replace(path, "another")
    assert words(path) == "another"


def test_a_file_that_was_replaced_by_one_of_the_same_size_is_read_again(path):
    words = ReadAgain(lambda path: path.read_text(), str)
    assert words(path) == "one"
    replace(path, "two")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))  # later, whatever the file system's clock
    assert words(path) == "two"


def test_another_file_of_the_same_size_and_time_is_not_taken_for_the_first(path, tmp_path):
    words = ReadAgain(lambda path: path.read_text(), str)
    other = tmp_path / "other.txt"
    other.write_text("two")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    assert (words(path), words(other)) == ("one", "two")


def test_a_file_that_is_not_there_is_given_by_absent_and_found_when_it_comes(tmp_path):
    words = ReadAgain(lambda path: path.read_text(), lambda: "none")
    path = tmp_path / "later.txt"
    assert words(path) == "none"
    path.write_text("now")
    assert words(path) == "now"
    path.unlink()
    assert words(path) == "none"


def test_an_error_is_not_kept(path):
    answers = iter([ValueError("damaged"), "mended"])

    def read(path):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    words = ReadAgain(read, str)
    with pytest.raises(ValueError, match="damaged"):
        words(path)
    assert words(path) == "mended"


def test_what_is_forgotten_is_read_again(path):
    read = []
    words = ReadAgain(lambda path: read.append(path) or path.read_text(), str)
    words(path)
    words.forget()
    words(path)
    assert len(read) == 2


def test_a_stamp_changes_with_content_of_another_size_and_is_none_without_a_file(path, tmp_path):
    before = stamp(path)
    assert before == stamp(path)
    replace(path, "longer")
    assert stamp(path) != before
    assert stamp(tmp_path / "absent") is None
