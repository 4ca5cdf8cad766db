"""Routes for each user's files, behind an app's own sign-in."""

import io
import json
import zipfile
from typing import Annotated

import pytest
from fastapi import FastAPI, Header
from fastapi.testclient import TestClient

from pydantic_hivemind.adapters import files_router as module
from pydantic_hivemind.adapters.fastapi import user_scope
from pydantic_hivemind.adapters.files_router import files_router

ATTACK = "<script>alert(1)</script>"


def current_user(x_user: Annotated[str, Header()]) -> str:
    return x_user


@pytest.fixture
def client(hive):
    app = FastAPI()
    app.state.hivemind = hive
    mine = user_scope(current_user, project="acme")
    app.include_router(files_router(mine, max_bytes=1000), prefix="/files")
    app.include_router(files_router(mine, writable=False), prefix="/looked-at")
    with TestClient(app, headers={"X-User": "ada"}, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def project(hive, client):
    return hive.scope("project/acme")


def put(client, path, data=b"x", status=200, **headers):
    response = client.put("/files/raw", params={"path": path}, content=data, headers=headers)
    assert response.status_code == status, response.text
    return response


def get(client, address, status=200, user="ada", **params):
    response = client.get(f"/files/{address}".rstrip("/"), params=params, headers={"X-User": user})
    assert response.status_code == status, response.text
    return response


def test_a_user_stores_lists_reads_and_removes(client, project):
    project.write_text("/handbook.md", "of the project")
    stored = put(client, "/notes/a b.md", "# Ünï\r\n".encode())
    assert stored.json()["own"] is True
    listed = get(client, "", path="/").json()["entries"]
    assert [(each["path"], each["is_dir"], each["own"]) for each in listed] == [
        ("/handbook.md", False, False),
        ("/notes", True, True),
    ]
    content = get(client, "content", path="/notes/a b.md").json()
    assert (content["text"], content["note"], content["etag"]) == ("# Ünï\n", None, stored.headers["etag"])
    raw = get(client, "raw", path="/notes/a b.md")
    assert raw.content == "# Ünï\r\n".encode()
    assert raw.headers["content-disposition"] == "attachment; filename=\"a b.md\"; filename*=UTF-8''a%20b.md"
    assert client.delete("/files/raw", params={"path": "/notes"}).status_code == 204
    get(client, "content", 404, path="/notes/a b.md")


def test_users_are_apart(client, project):
    put(client, "/secret.md", b"of Ada")
    get(client, "content", 404, user="bo", path="/secret.md")
    assert get(client, "", user="bo").json()["entries"] == []
    archive = zipfile.ZipFile(io.BytesIO(get(client, "archive", user="bo").content))
    assert archive.namelist() == []


def test_no_name_of_a_scope_is_told(client, project):
    project.write_text("/handbook.md", "of the project")
    put(client, "/own.md")
    texts = [get(client, "").text, get(client, "content", path="/own.md").text]
    texts += [get(client, "content", 404, path="/gone.md").text, get(client, "raw", 409, path="/").text]
    assert not [text for text in texts if "user/ada" in text or "project/acme" in text]


def test_nobody_is_overwritten(client, project):
    first = put(client, "/a.md", b"one", **{"If-None-Match": "*"})
    put(client, "/a.md", b"two", 409, **{"If-None-Match": "*"})
    second = put(client, "/a.md", b"two", **{"If-Match": first.headers["etag"]})
    put(client, "/a.md", b"three", 409, **{"If-Match": first.headers["etag"]})
    gone = {"path": "/a.md"}
    assert client.delete("/files/raw", params=gone, headers={"If-Match": first.headers["etag"]}).status_code == 409
    assert get(client, "raw", path="/a.md").content == b"two"
    assert client.delete("/files/raw", params=gone, headers={"If-Match": second.headers["etag"]}).status_code == 204
    put(client, "/a.md", b"x", 400, **{"If-None-Match": "x"})


@pytest.mark.parametrize("name", ["page.html", "picture.svg", "script.js", "page.xhtml", "none", "x.pdf", "x.png"])
@pytest.mark.parametrize("address", ["raw", "preview"])
def test_what_is_stored_runs_nothing(client, project, name, address):
    put(client, f"/{name}", ATTACK.encode())
    answer = get(client, address, path=f"/{name}")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-type"].split(";")[0] in {
        "application/octet-stream",
        "text/plain",
        "application/pdf",
        "image/png",
    }


@pytest.mark.parametrize("name", ['a"b.txt', "a\\b.txt", "a\r\nX: y.txt", "é中.txt", "a;b.txt"])
def test_names_stay_within_their_header(client, project, name):
    put(client, f"/{name}")
    answer = get(client, "raw", path=f"/{name}")
    assert "x" not in answer.headers
    assert answer.headers["content-disposition"].isascii()
    assert answer.headers["content-disposition"].count('"') == 2


def test_an_archive_has_what_the_user_sees(client, project):
    project.write_text("/docs/of-all.md", "all")
    put(client, "/docs/mine.md", b"mine")
    put(client, "/other.md")
    archive = zipfile.ZipFile(io.BytesIO(get(client, "archive", path="/docs").content))
    assert {name: archive.read(name) for name in archive.namelist()} == {"of-all.md": b"all", "mine.md": b"mine"}
    everything = zipfile.ZipFile(io.BytesIO(get(client, "archive").content))
    assert sorted(everything.namelist()) == ["docs/mine.md", "docs/of-all.md", "other.md"]
    get(client, "archive", 404, path="/gone")


def test_sizes_are_bounded(client, project, monkeypatch):
    put(client, "/large", b"x" * 1001, 413)
    get(client, "raw", 404, path="/large")
    put(client, "/one", b"x" * 600)
    put(client, "/two", b"x" * 600)
    monkeypatch.setattr(module, "MAX_ARCHIVE_BYTES", 1000)
    get(client, "archive", 413)


def test_long_directories_have_pages(client, project, monkeypatch):
    monkeypatch.setattr(module, "MAX_PAGE_ITEMS", 2)
    for name in "abcde":
        put(client, f"/{name}")
    seen, after = [], ""
    while after is not None:
        page = get(client, "", after=after).json()
        seen += [entry["path"] for entry in page["entries"]]
        after = page["next"]
    assert seen == ["/a", "/b", "/c", "/d", "/e"]


def test_binary_files_are_not_shown_as_text(client, project):
    put(client, "/x.bin", b"\0\1")
    get(client, "content", 415, path="/x.bin")
    get(client, "preview", 415, path="/x.bin")
    put(client, "/x.png", b"\x89PNG")
    assert get(client, "preview", path="/x.png").headers["content-type"] == "image/png"


@pytest.mark.parametrize("path", ["relative/../../x", "\0", "x" * 300])
def test_odd_paths_are_said_to_be(client, project, path):
    answer = client.get("/files/content", params={"path": path})
    assert answer.status_code in (400, 404)
    assert set(json.loads(answer.text)) == {"error", "detail"}


def test_who_may_only_look_changes_nothing(client, project):
    put(client, "/a.md")
    assert client.put("/looked-at/raw", params={"path": "/a.md"}, content=b"y").status_code == 405
    assert client.delete("/looked-at/raw", params={"path": "/a.md"}).status_code == 405
    assert client.get("/looked-at/content", params={"path": "/a.md"}).json()["text"] == "x"


def test_without_a_user_there_is_nothing(client, project):
    client.headers.pop("x-user")
    for address in ("", "/content", "/raw", "/preview", "/archive"):
        assert client.get(f"/files{address}", params={"path": "/a"}).status_code == 422
