"""Where the domains of a study's images come from, and which files are refused."""

import pytest

from fewlabel.datastore.domains import FILE, read_domains
from fewlabel.errors import Refusal


def write(folder, text, encoding="utf-8"):
    path = folder.root / FILE
    path.write_bytes(text.encode(encoding))
    return path


def test_without_any_source_there_are_no_domains(folder):
    folder.put("a.nii.gz", "b.nii.gz")
    domains = folder.open().domains()
    assert (dict(domains.of), domains.source, domains.notes) == ({}, "", ())


@pytest.mark.parametrize(
    "text",
    [
        "id,domain\na,north\nb,south\n",
        "\ufeffid;domain\r\na;north\r\nb;south\r\n",
        "Domain\tnote\tID\nnorth\t1.5 T\ta.nii.gz\n\nsouth\t\tb\n",
        'id,domain\n"a", north \n./b,south'.replace("./", ""),
    ],
    ids=["plain", "of a spreadsheet", "other columns, file names, empty lines", "quotes and blanks"],
)
def test_the_file_says_the_domain_of_each_image(folder, text):
    folder.put("a.nii.gz", "b.nii.gz")
    write(folder, text)
    domains = folder.open().domains()
    assert (domains.of, domains.source, domains.notes) == ({"a": "north", "b": "south"}, FILE, ())
    assert domains.names == ["north", "south"]
    assert domains.count(["a", "unknown"]) == {"north": 1, "south": 0}


def test_images_in_subfolders_are_named_by_id_or_by_path(folder):
    folder.put("x/a.nii.gz", "x/b.nii.gz")
    write(folder, "id,domain\nx--a,north\nx/b.nii.gz,south\n")
    assert folder.open().domains().of == {"x--a": "north", "x--b": "south"}


def test_what_does_not_match_is_told(folder):
    folder.put("a.nii.gz", "b.nii.gz")
    write(folder, "id,domain\na,north\nA,south\n")
    domains = folder.open().domains()
    assert domains.of == {"a": "north"}
    assert domains.notes == (
        "No domain is known of b: add them to domains.csv.",
        "domains.csv names A, which this study does not have: check the ids.",
    )


def test_the_file_is_read_again_when_it_changes_and_is_no_stray_file(folder):
    folder.put("a.nii.gz")
    store = folder.open()
    write(folder, "id,domain\na,north\n")
    assert store.domains().of == {"a": "north"}
    write(folder, "id,domain\na,somewhere else\n")
    assert store.domains().of == {"a": "somewhere else"}
    store.refresh()
    assert not store.found().passed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "The first line of .* has the column 'id' not.*It needs a first line"),
        ("name,domain\na,b\n", "has the column 'id' not"),
        ("id,domain,domain\na,b,c\n", "has the column 'domain' twice"),
        ("id,domain\n", "names no scan.*Or remove the file"),
        ("id,domain\na\n", "line 2: the domain is missing. Write one"),
        ("id,domain\n\n,north\n", "line 3: the id is missing"),
        ("id,domain\na,north\na,south\n", "line 3: 'a' is in both 'north' and 'south'. Remove one"),
        ('id,domain\n"a,north\n', "line 2: .*It needs a first line"),
        ("id,domain\na," + "n" * 65, "line 2: .*at most 64 printable characters"),
        ("id,domain\na,n\x07rth\n", "line 2: .*printable"),
    ],
)
def test_a_bad_file_is_refused_in_words(folder, text, said):
    with pytest.raises(Refusal, match=f"(?s){said}") as caught:
        read_domains(write(folder, text))
    assert str(folder.root) in str(caught.value)
    assert caught.value.status_code == 422


def test_a_file_in_another_encoding_is_refused_in_words(folder):
    with pytest.raises(Refusal, match="not text in UTF-8: save it as"):
        read_domains(write(folder, "id,domain\na,Zürich\n", "latin-1"))


def test_the_pattern_finds_the_domain_in_the_id(folder):
    folder.put("ge_1.nii.gz", "siemens_2.nii.gz", "3.nii.gz")
    domains = folder.open(domain_pattern=r"^([a-z]+)_").domains()
    assert domains.of == {"ge_1": "ge", "siemens_2": "siemens"}
    assert domains.source == "the pattern ^([a-z]+)_ in the ids"
    assert domains.notes == ("No domain is known of 3: the pattern ^([a-z]+)_ finds none in the id.",)
    assert folder.open(domain_pattern="ge|siemens").domains().of == domains.of


def test_the_file_counts_before_the_pattern_and_the_pattern_before_subfolders(folder):
    folder.put("north/a1.nii.gz", "north/a2.nii.gz", "south/b1.nii.gz", "south/b2.nii.gz")
    assert set(folder.open().domains().names) == {"north", "south"}
    assert folder.open(domain_pattern="--(.)").domains().names == ["a", "b"]
    write(folder, "id,domain\nnorth--a1,east\n")
    assert folder.open(domain_pattern="--(.)").domains().names == ["east"]


def test_subfolders_are_domains_where_they_are_served(folder):
    scans = [f"images/{site}/p{number}/t1.nii.gz" for site in ("north", "south") for number in (1, 2)]
    folder.put("top.nii.gz", *(scan.removeprefix("images/") for scan in scans))
    domains = folder.open().domains()
    assert domains.count(domains.of) == {"north": 2, "south": 2}
    assert domains.source == "the names of subfolders"
    assert domains.notes == ("No domain is known of top: they lie beside the subfolders.",)
    assert not folder.open(subfolders=False).domains().source
    (folder.root / "top.nii.gz").unlink()
    folder.put(*scans)
    for site in ("north", "south"):
        (folder.root / site).rename(folder.root / "images" / f"{site}_too")
    assert folder.open(subfolders=True).domains().names == ["north", "north_too", "south", "south_too"]


@pytest.mark.parametrize(
    "scans",
    [
        ("p1/t1.nii.gz", "p2/t1.nii.gz", "p3/t1.nii.gz"),
        ("imagesTr/a.nii.gz", "imagesTr/b.nii.gz", "imagesTs/c.nii.gz", "imagesTs/d.nii.gz"),
        ("all/a.nii.gz", "all/b.nii.gz"),
    ],
    ids=["a folder for each patient", "training and test", "one folder"],
)
def test_folders_that_say_nothing_are_no_domains(folder, scans):
    folder.put(*scans)
    assert not folder.open().domains().source
