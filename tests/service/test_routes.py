"""Who may ask which route, and where the routes are."""

import importlib.util
import inspect
import json
import sys
import types

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from monailabel.config import settings as monailabel_settings
from monailabel.endpoints.user import auth

from fewlabel.service import plain, pool_routes, routes


@pytest.fixture
def guarded(service, monkeypatch):
    """A client of the routes behind MONAI Label's authentication; a token is the list of its roles."""
    monkeypatch.setattr(monailabel_settings, "MONAI_LABEL_AUTH_ENABLE", True)
    specification = importlib.util.spec_from_file_location("auth_enabled", auth.__file__)
    enabled = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(enabled)  # it decides when it is loaded
    enabled.from_token = lambda token: enabled.User(username="somebody", roles=json.loads(token))
    roles = [monailabel_settings.MONAI_LABEL_AUTH_ROLE_USER, monailabel_settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR]
    roles.append(monailabel_settings.MONAI_LABEL_AUTH_ROLE_ADMIN)
    monkeypatch.setattr(plain, "RBAC", enabled.RBAC)
    for name, role in zip(("_USER", "_ANNOTATOR", "_ADMIN"), roles, strict=True):
        for module in (routes, pool_routes):
            monkeypatch.setattr(module, name, plain.role(role), raising=False)
    app = FastAPI()
    app.include_router(routes.make_router(service.study))
    return TestClient(app), dict(zip(("user", "annotator", "admin"), roles, strict=True))


REQUESTS = {
    ("GET", "study"): "user",
    ("GET", "cases"): "user",
    ("GET", "history"): "user",
    ("GET", "history.png"): "user",
    ("GET", "export"): "user",
    ("GET", "export/file"): "annotator",
    ("POST", "skip/a"): "annotator",
    ("DELETE", "skip/a"): "annotator",
    ("POST", "undo/a"): "annotator",
    ("GET", "label_all"): "user",
    ("POST", "label_all"): "annotator",
    ("DELETE", "label_all"): "annotator",
    ("GET", "thumbnail/a"): "user",
    ("POST", "accept/a"): "annotator",
    ("POST", "export"): "admin",
}


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_with_authentication_only_the_right_role_may_ask(guarded, method, path):
    client, roles = guarded
    assert client.request(method, f"/fewlabel/{path}").status_code == 401
    for name, role in roles.items():
        token = {"Authorization": f"Bearer {json.dumps([role])}"}
        answered = client.request(method, f"/fewlabel/{path}", headers=token).status_code
        assert (answered == 403) == (name != REQUESTS[method, path])
        assert answered != 401


def test_every_route_is_in_the_openapi_page_with_its_answer_and_its_refusals(service):
    page = service.client.app.openapi()
    there = {(method.upper(), path) for path, each in page["paths"].items() for method in each}
    assert there == {(method, f"/fewlabel/{path.replace('/a', '/{case}')}") for method, path in REQUESTS}
    for each in (each for path in page["paths"].values() for each in path.values()):
        assert each["tags"] == ["FewLabel"]
        assert each["summary"]
        assert each["responses"]["422"]["content"]["application/json"]["schema"]["$ref"].endswith("Problem")
    assert "409" in page["paths"]["/fewlabel/undo/{case}"]["post"]["responses"]
    schema = page["paths"]["/fewlabel/cases"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema["$ref"].endswith("CasesAnswer")


@pytest.fixture
def server(monkeypatch):
    """Stands in for the module monailabel.app of a running server."""
    app = FastAPI()
    app.get("/auth/")(lambda: {})
    monkeypatch.setitem(sys.modules, "monailabel.app", types.SimpleNamespace(app=app))
    return app


def test_a_study_that_is_mounted_again_replaces_the_former(server, service, open_service):
    other = open_service("other", names="a")
    client = TestClient(server, "http://127.0.0.1")
    routes.mount(service.study)
    number = len(server.router.routes)
    assert client.get("/fewlabel/study").json()["name"] == "studies"
    assert "/fewlabel/study" in client.get("/openapi.json").json()["paths"]
    routes.mount(other.study)
    assert len(server.router.routes) == number
    assert client.get("/fewlabel/study").json()["name"] == "other"
    assert client.get("/auth/").json() == {}
    assert "/fewlabel/study" in client.get("/openapi.json").json()["paths"]


def test_nothing_is_mounted_without_a_server_or_in_a_background_process(server, service, monkeypatch):
    number = len(server.router.routes)
    started = types.SimpleNamespace(__spec__=types.SimpleNamespace(name="monailabel.interfaces.utils.app"))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "__main__", started)
        routes.mount(service.study)
    monkeypatch.delitem(sys.modules, "monailabel.app")
    routes.mount(service.study)
    assert len(server.router.routes) == number


def test_no_handler_runs_in_the_event_loop(service):
    page = routes.make_router(service.study)
    assert len(page.routes) == len(REQUESTS)
    assert not any(inspect.iscoroutinefunction(route.endpoint) for route in page.routes)
