"""The page of all addresses."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fewlabel.service.page import make_page_router


@pytest.fixture
def client():
    app = FastAPI(docs_url=None, redoc_url=None)
    app.include_router(make_page_router())
    app.get("/cases/{case}", summary="<b>One</b> case")(lambda case: case)
    app.get("/hidden", include_in_schema=False)(lambda: None)
    return TestClient(app)


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_it_names_each_route_of_the_schema_as_plain_text(client, path):
    page = client.get(path).text
    assert "<tr><td>GET</td><td>/cases/{case}</td><td>&lt;b&gt;One&lt;/b&gt; case</td></tr>" in page
    assert "hidden" not in page


def test_a_browser_loads_nothing_for_it(client):
    response = client.get("/")
    assert not [sign for sign in ("://", "<script", "@import", "url(") if sign in response.text]
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
