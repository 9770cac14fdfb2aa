"""The table of rules, the page for people and the running application say the same."""

import importlib
import re
import sys
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from monailabel.config import settings as monailabel_settings
from monailabel.endpoints import login as own_login
from monailabel.endpoints.user.auth import RBAC

from fewlabel.service import routes
from fewlabel.service.rules import ADMIN, ANNOTATOR, EVERYBODY, RULES, USER, Table

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
ROLES = {
    monailabel_settings.MONAI_LABEL_AUTH_ROLE_USER: USER,
    monailabel_settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR: ANNOTATOR,
    monailabel_settings.MONAI_LABEL_AUTH_ROLE_ADMIN: ADMIN,
}


@pytest.fixture
def application(service):
    """MONAI Label's, with FewLabel's routes, as a server holds it."""
    module = importlib.import_module("monailabel.app")
    before = list(module.app.router.routes)
    routes.mount(service.study)
    module.app.include_router(own_login.router)
    yield module.app
    module.app.router.routes[:] = before
    module.app.state.fewlabel_routes = []
    sys.modules.pop("monailabel.app")  # by which others know that they run in a server


def flat(found):
    """Every route, those of included routers too."""
    for route in found:
        inside = getattr(route, "effective_candidates", None)
        if inside is not None:
            yield from flat(inside())
        else:
            yield route


def role(route):
    """Whom a route itself asks for, None: nobody."""
    original = getattr(route, "original_route", route)
    if not isinstance(original, APIRoute):
        return None
    asked = [each.call.roles for each in original.dependant.dependencies if isinstance(each.call, RBAC)]
    return ROLES[asked[0]] if asked else None


def served(application):
    """(method, path): the role that the route asks for."""
    found = {}
    for route in flat(application.routes):
        route_ = getattr(route, "starlette_route", None) or route
        path = route_.path if route_.path is not None else route.path
        if not hasattr(route_, "methods") or not route_.methods:  # a mount
            found["GET", f"{path}/{{path:path}}"] = None
            continue
        methods = set(route_.methods)
        for method in methods - {"HEAD"} if "GET" in methods else methods:
            found.setdefault((method, path), role(route))  # the first that fits answers
    return found


def test_every_route_of_the_application_has_a_rule_and_every_rule_a_route(application):
    rules = {(rule.method, rule.path) for rule in RULES}
    assert len(rules) == len(RULES)
    assert rules == set(served(application))


def test_a_rule_asks_for_the_role_that_the_route_asks_for(application):
    found = served(application)
    others = {(rule.method, rule.path): rule.who for rule in RULES if found[rule.method, rule.path] is None}
    assert {key: who for key, who in others.items() if who != EVERYBODY} == {("GET", "/auth/token/valid"): USER}
    asked = {(rule.method, rule.path): rule.who for rule in RULES if (rule.method, rule.path) not in others}
    assert asked == {key: who for key, who in found.items() if who is not None}


def test_the_page_for_people_names_every_route_and_who_may_call_it():
    rows = re.findall(r"^\| ([A-Z]+) \| `([^`]+)` \| (\w+) \|(.*)\|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.M)
    documented = {(method, path): who for method, path, who, _, _ in rows}
    assert len(documented) == len(rows)
    assert documented == {(rule.method, rule.path): "off" if rule.off else rule.who for rule in RULES}
    assert [
        path for _, path, who, reads, writes in rows if who != "off" and not (reads.strip() and writes.strip())
    ] == []


@pytest.mark.parametrize("prefix", ["", "/labels"])
def test_the_rule_that_is_found_is_that_of_the_route_that_would_answer(prefix):
    table = Table(prefix)
    assert table.find("GET", f"{prefix}/model/info/a")[0].path == "/model/info/{model}"
    assert table.find("GET", f"{prefix}/proxy/dicom/wado/a/b")[0].path == "/proxy/dicom/wado/{path:path}"
    assert table.find("GET", f"{prefix}/session/abc")[1] == {"session_id": "abc"}
    assert table.find("POST", "/reload")[0].who == ADMIN
    assert table.find("PATCH", f"{prefix}/info/") is None
    assert table.knows(f"{prefix}/info/")
    assert not table.knows(f"{prefix}/info/x")


def test_a_sentence_stands_wherever_something_is_switched_off():
    assert all(rule.off == "" or rule.off.endswith("is switched off.") for rule in RULES)
