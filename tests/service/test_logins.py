"""Tokens in files, and MONAI Label's own login with a realm that signs."""

import base64
import http.server
import json
import threading
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from monailabel.config import settings as monailabel_settings
from monailabel.endpoints.user import auth

from fewlabel.errors import Refusal
from fewlabel.service.logins import OwnLogin, TokenLogin, make_login, renew

TOKEN = "correct-horse-battery-staple-0815"


@pytest.fixture
def file(tmp_path):
    """Callable (content): a file that only this user reads."""

    def write(content):
        path = tmp_path / "token"
        path.write_bytes(content)
        path.chmod(0o600)
        return str(path)

    return write


def test_a_reload_takes_the_token_that_the_file_holds_now_and_keeps_it_where_there_is_none(file):
    login = make_login(file(TOKEN.encode()))
    file(f"{TOKEN}-new".encode())
    renew(login)
    login.check(f"{TOKEN}-new", "user")
    with pytest.raises(Refusal):
        login.check(TOKEN, "user")
    file(b"short")
    with pytest.raises(Refusal, match="stays valid"):
        renew(login)
    login.check(f"{TOKEN}-new", "user")
    renew(None)


def test_only_the_whole_token_is_right(file):
    login = TokenLogin(file(f" {TOKEN}\n".encode()))
    login.check(TOKEN, "admin")
    for wrong in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "é", "\0"):
        with pytest.raises(Refusal) as caught:
            login.check(wrong, "user")
        assert caught.value.status_code == 401


@pytest.mark.parametrize("content", [b"", b"short", b"two words that are long enough", b"\xff" * 40, b"x" * 5000])
def test_a_file_without_a_usable_token_is_refused_without_showing_it(file, content):
    with pytest.raises(ValueError, match=r"^--conf token ") as caught:
        TokenLogin(file(content))
    assert "short" not in str(caught.value)
    assert "two words" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"--conf token .*nowhere: this file cannot be used: No such file"):
        TokenLogin(str(tmp_path / "nowhere"))


def test_a_file_that_others_can_read_is_said(file, tmp_path, caplog):
    path = file(TOKEN.encode())
    (tmp_path / "token").chmod(0o644)
    TokenLogin(path)
    assert "chmod 600" in caplog.text
    assert TOKEN not in caplog.text


def test_two_logins_at_once_are_refused(file, monkeypatch):
    assert make_login(None) is None
    assert isinstance(make_login(file(TOKEN.encode())), TokenLogin)
    monkeypatch.setattr(monailabel_settings, "MONAI_LABEL_AUTH_ENABLE", True)
    with pytest.raises(ValueError, match="Choose one"):
        make_login(file(TOKEN.encode()))


@pytest.fixture
def realm(monkeypatch):
    """MONAI Label's login switched on, with a realm of our own; gives its private key."""
    key = rsa.generate_private_key(65537, 2048)
    shapes = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    public = base64.b64encode(key.public_key().public_bytes(*shapes)).decode()

    class Realm(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"public_key": public}).encode())

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Realm)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(auth, "jwt", auth.jwt)  # which a login replaces for good
    monkeypatch.setattr(monailabel_settings, "MONAI_LABEL_AUTH_ENABLE", True)
    monkeypatch.setattr(monailabel_settings, "MONAI_LABEL_AUTH_REALM_URI", f"http://127.0.0.1:{server.server_port}")
    yield key
    server.shutdown()
    server.server_close()


def signed(key, algorithm="RS256", **claims):
    payload = {"preferred_username": "anna", "exp": time.time() + 60, "realm_access": {"roles": ["monailabel-user"]}}
    return jwt.encode({**payload, **claims}, key, algorithm)


def test_monai_labels_own_login_lets_in_who_has_the_role(realm):
    login = make_login(None)
    assert isinstance(login, OwnLogin)
    login.check(signed(realm), "user")
    with pytest.raises(Refusal, match="monailabel-admin") as caught:
        login.check(signed(realm), "admin")
    assert caught.value.status_code == 403


def test_monai_labels_own_login_refuses_strangers(realm):
    other = rsa.generate_private_key(65537, 2048)
    for token in ("", "x", signed(realm, exp=1), signed(other), signed(None, "none"), signed("0" * 40, "HS256")):
        with pytest.raises(Refusal) as caught:
            OwnLogin().check(token, "user")
        assert caught.value.status_code == 401


def test_a_realm_that_does_not_answer_is_named(realm, monkeypatch):
    monkeypatch.setattr(monailabel_settings, "MONAI_LABEL_AUTH_REALM_URI", "http://127.0.0.1:9/none")
    with pytest.raises(Refusal, match=r"http://127\.0\.0\.1:9/none cannot be reached") as caught:
        OwnLogin().check(signed(realm), "user")
    assert caught.value.status_code == 503
