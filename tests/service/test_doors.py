"""Names, pages and computers, without a server."""

import pytest

from fewlabel.errors import Refusal
from fewlabel.service.doors import Doors, is_loopback

HERE = ("192.168.1.5", 8000)


def scope(host="127.0.0.1:8000", peer="127.0.0.1", server=HERE, scheme="http", **headers):
    given = [(b"host", host.encode())] if host is not None else []
    given += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"headers": given, "client": (peer, 5) if peer else None, "server": server, "scheme": scheme}


def refusal(doors, asked):
    with pytest.raises(Refusal) as caught:
        doors.check(asked)
    assert caught.value.status_code == 403
    return str(caught.value)


CLOSED = Doors((), (), False)
OPEN = Doors(("labels.local",), ("https://viewer.local",), True)


@pytest.mark.parametrize("host", ["127.0.0.1", "LOCALHOST:80", "[::1]:8000", "127.8.8.8", "localhost"])
def test_loopback_names_are_answered(host):
    CLOSED.check(scope(host))


@pytest.mark.parametrize(
    "host", ["evil.example", "192.168.1.5", "localhost.", "127.0.0.1@evil", "[::2]", "a:b:c", "", None]
)
def test_other_names_are_refused(host):
    sentence = refusal(CLOSED, scope(host))
    assert "--conf hosts" in sentence or "Host header" in sentence


def test_two_host_headers_are_refused():
    asked = scope()
    asked["headers"].append((b"host", b"127.0.0.1"))
    assert "one Host header" in refusal(CLOSED, asked)


@pytest.mark.parametrize("host", ["labels.local", "labels.local:8000", "192.168.1.5:8000", "[::ffff:192.168.1.5]"])
def test_where_others_are_let_in_named_hosts_and_this_computers_address_are_answered(host):
    OPEN.check(scope(host, peer="192.168.1.9"))


@pytest.mark.parametrize("host", ["192.168.1.6", "other.local", "xlabels.local", "0.0.0.0"])
def test_where_others_are_let_in_foreign_names_and_addresses_are_still_refused(host):
    assert "--conf hosts" in refusal(OPEN, scope(host, peer="192.168.1.9"))


@pytest.mark.parametrize("peer", ["192.168.1.9", "::2", "8.8.8.8", "::ffff:10.0.0.1"])
def test_another_computer_is_refused_with_both_settings(peer):
    sentence = refusal(CLOSED, scope("192.168.1.5", peer=peer))
    assert "--conf token FILE" in sentence
    assert "--conf remote yes" in sentence


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1", None, "testclient"])
def test_this_computer_is_answered(peer):
    CLOSED.check(scope(peer=peer))


@pytest.mark.parametrize(
    "origin", ["null", "https://127.0.0.1:8000", "http://127.0.0.1:9", "http://localhost:8000", "file://"]
)
def test_another_origin_is_refused(origin):
    assert "--conf origins" in refusal(CLOSED, scope(origin=origin))


def test_the_own_origin_and_a_named_one_are_let_in():
    CLOSED.check(scope(origin="http://127.0.0.1:8000", sec_fetch_site="same-origin"))
    OPEN.check(scope(origin="https://viewer.local", sec_fetch_site="cross-site"))
    refusal(OPEN, scope(sec_fetch_site="cross-site"))
    refusal(OPEN, scope(origin="https://viewer.local:1", sec_fetch_site="cross-site"))


@pytest.mark.parametrize(("name", "own"), [("localhost", True), ("127.9.9.9", True), ("[::1]", True), ("a", False)])
def test_loopback_is_known_by_name_and_address(name, own):
    assert is_loopback(name) is own
