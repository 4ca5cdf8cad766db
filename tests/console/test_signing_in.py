"""Who gets in, with what, and what a browser is told to do."""

import re

import pytest
from console_pages import signed_in_pages
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pydantic_hivemind.console import create_console

ORIGIN = {"Origin": "http://localhost"}


def test_nobody_sees_anything_without_signing_in(browser, scope):
    scope.write_text("/secret.md", "the secret")
    for page in signed_in_pages():
        answer = browser().get(page, 401, workspace="user/ada", path="/secret.md", id="x")
        assert "Sign in" in answer.text
        assert "secret</" not in answer.text


def test_a_token_signs_in_and_leads_back(browser, scope, tokens):
    scope.write_text("/notes.md", "what we noted")
    visitor = browser()
    front = visitor.get("file", 401, workspace="user/ada", path="/notes.md").text
    afterwards = re.search(r'name="afterwards" value="([^"]*)"', front)[1].replace("&amp;", "&")
    answer = visitor.post("sign-in", {"token": tokens.create(scope), "afterwards": afterwards})
    assert answer.url.path == "/console/file"
    assert "what we noted" in answer.text


@pytest.mark.parametrize(
    "afterwards",
    ["https://evil.example/", "//evil.example/files", "/etc", "javascript:alert(1)", "http:files", "\\\\e"],
)
def test_it_leads_to_no_other_place(browser, scope, tokens, afterwards):
    answer = browser().post("sign-in", {"token": tokens.create(scope), "afterwards": afterwards})
    assert (answer.url.host, answer.url.path) == ("localhost", "/console/files")


def test_the_cookie_is_for_the_server_alone(hive, scope, tokens):
    app = FastAPI()
    app.mount("/console", create_console(hive))
    form = {"token": tokens.create(scope), "afterwards": ""}
    for scheme in ("http", "https"):
        client = TestClient(app, f"{scheme}://localhost", follow_redirects=False)
        answer = client.post("/console/sign-in", data=form, headers={"Origin": f"{scheme}://localhost"})
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Path=/console" in cookie
        assert ("Secure" in cookie) == (scheme == "https")


def test_a_token_that_is_revoked_is_signed_out(sign_in, scope, tokens):
    token = tokens.create(scope)
    visitor = sign_in(token)
    visitor.see("files")
    tokens.revoke(tokens.verify(token).id)
    assert "not valid" in visitor.see("files", 401)
    assert not visitor.cookies


def test_somebody_signs_out(sign_in, scope, tokens):
    visitor = sign_in(tokens.create(scope))
    visitor.post("sign-out", {}, 401)
    visitor.see("files", 401)


@pytest.mark.parametrize("token", ["", "nonsense", "hm_" + "0" * 32 + "_" + "A" * 43, "ü" * 50])
def test_a_token_that_is_none_is_refused(browser, scope, token):
    answer = browser().post("sign-in", {"token": token, "afterwards": ""}, 401)
    assert token not in answer.text or not token


def test_a_form_that_is_no_text_is_refused(browser, scope):
    headers = {**ORIGIN, "Content-Type": "application/x-www-form-urlencoded"}
    answer = browser()._client.post("/console/sign-in", content="token=%ED%A0%80", headers=headers)
    assert (answer.status_code, "UTF-8" in answer.text) == (400, True)


def test_a_token_is_not_the_operators_key(browser, scope, tokens):
    browser().get("open", 401, key=tokens.create(scope, can=["admin"]))
    browser().get("open", 401, key="")
    browser().get("open", 401)


def test_without_a_key_there_is_no_operator(hive):
    app = FastAPI()
    app.mount("/console", create_console(hive))
    client = TestClient(app, "http://localhost")
    for key in ("", "None"):
        assert client.get("/console/open", params={"key": key}).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "same-site"},
        {"Origin": "http://["},
    ],
)
def test_forms_of_other_pages_do_nothing(hive, scope, tokens, headers):
    app = FastAPI()
    app.mount("/console", create_console(hive))
    scope.write_text("/notes.md", "old")
    client = TestClient(app, "http://localhost")
    client.cookies.set("hivemind_console", tokens.create(scope))
    form = {"action": "remove"}
    answer = client.post("/console/file", params={"path": "/notes.md"}, data=form, headers=headers)
    assert answer.status_code == 403
    assert scope.read_text("/notes.md") == "old"


def test_looking_changes_nothing(sign_in, scope, tokens):
    scope.write_text("/notes.md", "old")
    visitor = sign_in(tokens.create(scope, can=["read", "write", "promote", "admin"]))
    before = scope.recent()
    for page in signed_in_pages():
        visitor._client.get(f"/console/{page}", params={"path": "/notes.md", "action": "remove", "id": "x"})
        visitor._client.head(f"/console/{page}", params={"path": "/notes.md", "action": "remove", "id": "x"})
    assert scope.recent() == before


def test_every_answer_forbids_what_is_not_the_consoles(sign_in, browser, scope, tokens):
    visitor = sign_in(tokens.create(scope))
    answers = [
        visitor.get("files"),
        visitor.get("files", 404, workspace="nobody"),
        visitor.get("no-such-page", 404),
        visitor.get("assets/console.js"),
        visitor.get("assets/limits.py", 403),
        browser().get("files", 401),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (
            not re.search(r"<script(?! defer src=)|<style|\son\w+=|style=", answer.text)
            or "javascript" in (answer.headers["content-type"])
        )
        for address in re.findall(r'(?:src|href|action)="([^"#]+)', answer.text):
            assert address.startswith("/console/"), address


def test_assets_are_sent_once(sign_in, scope, tokens, browser):
    visitor = browser()
    first = visitor.get("assets/console.css")
    again = visitor._client.get("/console/assets/console.css", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_forms_are_bounded(sign_in, scope, tokens):
    visitor = sign_in(tokens.create(scope))
    large = visitor.post("file", {"action": "save", "version": "", "text": "x" * (2 << 20)}, 400, path="/large.md")
    assert "bytes" in large.text
    many = visitor.post("changes", {"path": ["/x"] * 3000, "to": "x", "action": "promote"}, 400)
    assert "fields" in many.text
    assert not scope.exists("/large.md")


def test_it_can_be_mounted_anywhere(hive, scope, tokens):
    scope.write_text("/notes.md", "what we noted")
    app = FastAPI()
    app.mount("/internal/memory", create_console(hive))
    client = TestClient(app, "http://localhost")
    form = {"token": tokens.create(scope), "afterwards": ""}
    answer = client.post("/internal/memory/sign-in", data=form, headers=ORIGIN)
    assert (answer.status_code, answer.url.path) == (200, "/internal/memory/files")
    links = re.findall(r'(?:href|src)="([^"#]+)"', answer.text)
    assert links
    for link in links:
        assert client.get(link.replace("&amp;", "&")).status_code == 200, link


def test_it_can_be_an_app_of_its_own(hive, scope, tokens):
    client = TestClient(create_console(hive), "http://localhost")
    form = {"token": tokens.create(scope), "afterwards": ""}
    answer = client.post("/sign-in", data=form, headers=ORIGIN)
    assert (answer.status_code, answer.url.path) == (200, "/files")
    assert client.get("/assets/icon.svg").status_code == 200
