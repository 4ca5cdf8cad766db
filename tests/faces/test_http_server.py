"""How the HTTP API is served: for which hosts and origins, beside what, with which metrics and logs, to whom."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from html.parser import HTMLParser

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pydantic_hivemind import errors
from pydantic_hivemind.http import create_app, openapi_page, serve
from pydantic_hivemind.http.server import OPTIONS
from pydantic_hivemind.limits import HEAD_SECONDS
from pydantic_hivemind.tokens import ACTIONS


@pytest.fixture
def project(hive):
    return hive.scope("project")


@pytest.fixture
def run(project):
    return project.spawn("run")


@pytest.fixture
def client(hive, tokens, run):
    headers = {"Authorization": f"Bearer {tokens.create(run, can=ACTIONS)}"}
    with TestClient(create_app(hive), "http://localhost", headers=headers) as client:
        yield client


# -- hosts and origins -------------------------------------------------------------------------


def test_hosts(hive):
    """Names that another one could give to this machine are refused."""
    with TestClient(create_app(hive, hosts=["Hive.org"]), "http://localhost") as client:
        for host in ("localhost", "LOCALHOST:80", "127.0.0.1:8765", "[::1]:8765", "10.0.0.7", "hive.org"):
            assert (host, client.get("/health", headers={"Host": host}).status_code) == (host, 200)
        for host in ("evil.com", "localhost.evil.com", "127.0.0.1.evil.com", "", "[", "127.1", "2130706433"):
            for address in ("/health", "/metrics", "/openapi.json", "/v1/list_dir", "/nothing"):
                assert (host, client.get(address, headers={"Host": host}).status_code) == (host, 421)


def test_origins(hive):
    """Pages of other origins are refused, those of other addresses too."""
    with TestClient(create_app(hive, hosts=["hive.org"]), "http://10.0.0.7") as client:
        for origin in ("http://localhost:3000", "http://127.0.0.1", "https://hive.org", "http://10.0.0.7"):
            assert (origin, client.get("/health", headers={"Origin": origin}).status_code) == (origin, 200)
        for origin in ("http://evil.com", "null", "", "http://10.0.0.8", "http://localhost.evil.com", "["):
            assert (origin, client.get("/health", headers={"Origin": origin}).status_code) == (origin, 403)


# -- around it ---------------------------------------------------------------------------------


def test_it_can_be_mounted_in_an_app(hive, tokens, run):
    outer = FastAPI()
    outer.mount("/memory", create_app(hive))
    run.write_text("/f", "x")
    with TestClient(outer, "http://localhost", headers={"Authorization": f"Bearer {tokens.create(run)}"}) as client:
        assert client.get("/memory/v1/files/f").text == "x"
        assert client.get("/memory/v1/files/g").json()["error"] == "PathNotFound"
        assert client.get("/memory/openapi.json").json()["servers"] == [{"url": "/memory"}]


def test_its_page_needs_no_other_server_and_runs_no_script(hive):
    with TestClient(create_app(hive), "http://localhost") as client:
        answer = client.get("/docs")
        document = client.get("/openapi.json").json()
        assert client.get("/redoc").status_code == 404
    assert answer.status_code == 200
    found = HtmlParts()
    found.feed(answer.text)
    policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert (policy.pop("default-src"), policy.pop("base-uri"), policy.pop("frame-ancestors")) == ("'none'",) * 3
    digest = base64.b64encode(hashlib.sha256(found.style.encode()).digest()).decode()
    assert policy == {"style-src": f"'sha256-{digest}'", "form-action": "'none'"}
    assert found.tags.isdisjoint({"script", "link", "img", "iframe", "object", "base"})
    assert found.addresses == ["openapi.json"]
    assert not [name for name in found.names if name.startswith("on") or name == "style"]
    operations = {operation["operationId"] for methods in document["paths"].values() for operation in methods.values()}
    assert operations <= found.ids
    assert set(document["components"]["schemas"]) <= found.ids


class HtmlParts(HTMLParser):
    """What a browser would look at."""

    def __init__(self):
        super().__init__()
        self.tags, self.names, self.ids, self.addresses, self.style = set(), set(), set(), [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}
        self.ids |= {value for name, value in attrs if name == "id"}
        self.addresses += [value for name, value in attrs if name in ("href", "src", "action")]

    def handle_data(self, data):
        if self.lasttag == "style" and not self.style:
            self.style = data


def test_its_page_shows_text_as_text():
    document = {
        "info": {"title": "<script>1</script>", "version": '"', "description": "<b>"},
        "paths": {"/<i>": {"get": {"operationId": "<u>", "parameters": [{"name": "<s>", "in": "query"}]}}},
        "components": {"schemas": {"<em>": {"title": "</pre><img>"}}},
    }
    found = HtmlParts()
    found.feed(openapi_page.page(document))
    assert found.tags.isdisjoint({"script", "i", "u", "s", "em", "img"})
    assert found.ids == {"<u>", "<em>"}


def test_other_apps_are_served_beside_it(hive):
    running = []

    def lifespan(_):
        class Lives:
            async def __aenter__(self):
                running.append("begun")

            async def __aexit__(self, *_):
                running.append("ended")

        return Lives()

    other = Starlette(routes=[Route("/", lambda _: PlainTextResponse("other"))], lifespan=lifespan)
    with TestClient(create_app(hive, mounts={"/mcp": other}), "http://localhost") as client:
        assert client.get("/mcp/").text == "other"
        assert client.get("/mcp/", headers={"Host": "evil.com"}).status_code == 421
    assert running == ["begun", "ended"]


def test_metrics_name_nobody(hive, client, run):
    run.write_text("/private.md", "x")
    client.get("/v1/files/private.md")
    client.get("/v1/files/missing.md")
    client.request("BREW", "/v1/coffee")
    text = client.get("/metrics").text
    assert 'hivemind_http_requests_total{method="GET",operation="read",status="200"} 1.0' in text
    assert 'hivemind_http_requests_total{method="GET",operation="read",status="404"} 1.0' in text
    assert 'method="OTHER"' in text
    assert not re.search("private|missing|coffee|BREW|run|project", text)


@pytest.mark.sqlite
def test_logs_name_nobody(tmp_path, hive, tokens, run):
    """Of a server as `serve` runs it, which says everything it has to say."""
    token = tokens.create(run)
    run.write_text("/private.md", "x")
    program = (
        "import logging, sys\n"
        "from pydantic_hivemind import Hivemind\n"
        "from pydantic_hivemind.http import serve\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "with Hivemind.open(sys.argv[1]) as hive: serve(hive, port=0)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "hive")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        log = []
        while not (address := re.search(r"http://127.0.0.1:\d+", "".join(log[-1:]))):
            log.append(server.stderr.readline())
            assert log[-1], "it ended"
        with httpx.Client(base_url=address[0], headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
            assert client.get("/v1/files/private.md").text == "x"
            client.get("/v1/grep", params={"pattern": "s3cret", "token": token})
            client.get("/v1/grep", params={"pattern": "s3cret"}, headers={"Authorization": "Bearer s3cret"})
        server.terminate()
        log += server.stderr.readlines()
    assert any("GET read 200 " in line for line in log)
    assert not [line for line in log for secret in (token, "s3cret", "private") if secret in line]


# -- serving -----------------------------------------------------------------------------------


@pytest.fixture
def bound(monkeypatch):
    """Where it would listen."""
    bound = []
    monkeypatch.setattr("uvicorn.run", lambda _app, **how: bound.append(how))
    return bound


def test_it_listens_to_this_machine_alone(hive, bound):
    serve(hive)
    assert bound[0]["host"] == "127.0.0.1"
    assert bound[0]["access_log"] is False


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "hive.org", ""])
def test_it_listens_elsewhere_only_when_somebody_has_a_token(hive, tokens, bound, host):
    with pytest.raises(errors.InvalidOption, match="token"):
        serve(hive, host=host)
    assert bound == []
    hive.scope("ada")
    tokens.create("ada")
    serve(hive, host=host)
    assert bound[0]["host"] == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_this_machine_has_several_names(hive, bound, host):
    serve(hive, host=host)
    assert bound[0]["host"] == host


def test_a_connection_is_kept_for_longer_than_clients_keep_theirs(hive):
    """Else who asks every five seconds sends each request at the moment when the server closes."""
    config = uvicorn.Config(create_app(hive), **OPTIONS)
    assert min(config.timeout_keep_alive, HEAD_SECONDS) > 2 * httpx.Limits().keepalive_expiry
