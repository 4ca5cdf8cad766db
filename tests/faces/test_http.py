"""The HTTP API: versions as ETags, operations done once, pages, errors, large files, many callers."""

from __future__ import annotations

import base64
import json
import threading

import httpx
import pytest
from fastapi.testclient import TestClient

from pydantic_hivemind import errors
from pydantic_hivemind.http import create_app
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


def is_problem(answer, status, error):
    """Whether an answer says so as RFC 9457 has it."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (answer.status_code, body["status"], body["error"]) == (status, status, error)
    assert body["type"] == "about:blank"
    assert body["title"]
    assert body["detail"]
    return True


# -- versions and operations -------------------------------------------------------------------


def test_versions_are_etags(client, run):
    etag = client.put("/v1/files/f.md", content=b"1").headers["etag"]
    assert etag == f'"{run.stat("/f.md").version}"' == client.get("/v1/files/f.md").headers["etag"]
    assert client.put("/v1/files/f.md", content=b"2", headers={"If-Match": etag}).status_code == 200
    stale = client.put("/v1/files/f.md", content=b"3", headers={"If-Match": etag})
    assert is_problem(stale, 412, "VersionConflict")
    assert stale.json()["actual"] == run.stat("/f.md").version
    assert run.read_bytes("/f.md") == b"2"
    body = {"path": "/f.md", "old": "2", "new": "3"}
    assert is_problem(client.post("/v1/edit", json=body, headers={"If-Match": etag}), 412, "VersionConflict")
    assert is_problem(client.delete("/v1/files/f.md", headers={"If-Match": etag}), 412, "VersionConflict")
    fresh = client.post("/v1/edit", json=body, headers={"If-Match": client.get("/v1/files/f.md").headers["etag"]})
    assert fresh.headers["etag"] == f'"{run.stat("/f.md").version}"'


def test_a_file_is_made_only_where_there_is_none(client, run):
    new = {"If-None-Match": "*"}
    assert client.put("/v1/files/f.md", content=b"1", headers=new).status_code == 200
    assert is_problem(client.put("/v1/files/f.md", content=b"2", headers=new), 412, "VersionConflict")


def test_a_version_that_is_there_is_not_sent_again(client, run):
    etag = client.put("/v1/files/f.md", content=b"1").headers["etag"]
    answer = client.get("/v1/files/f.md", headers={"If-None-Match": f'"0", {etag}'})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    for known in (f"W/{etag}", "*", f'"0",W/"1" , W/{etag}'):
        assert (known, client.get("/v1/files/f.md", headers={"If-None-Match": known}).status_code) == (known, 304)
    run.write_text("/f.md", "2")
    for known in (etag, f"W/{etag}", '"0"', "0", ""):
        assert client.get("/v1/files/f.md", headers={"If-None-Match": known}).content == b"2"
    assert is_problem(client.get("/v1/files/missing", headers={"If-None-Match": "*"}), 404, "PathNotFound")
    assert is_problem(client.get("/v1/files/", headers={"If-None-Match": "*"}), 409, "IsADirectory")


def test_preconditions_that_make_no_sense(client, run):
    for etag in ("*", "7", 'W/"7"', '"7", "8"', '"x"', '""', '"-1"', '"9999999999999999999999"'):
        answer = client.put("/v1/files/f.md", content=b"1", headers={"If-Match": etag})
        assert is_problem(answer, 400, "InvalidOption")
    both = {"If-Match": '"7"', "If-None-Match": "*"}
    assert is_problem(client.delete("/v1/files/f.md", headers=both), 400, "InvalidOption")
    assert not run.exists("/f.md")


def test_an_operation_is_done_once(client, run):
    once = {"Idempotency-Key": "op-1"}
    first = client.put("/v1/files/f.md", content=b"1", headers=once)
    run.write_text("/f.md", "2")
    assert client.put("/v1/files/f.md", content=b"1", headers=once).json() == first.json()
    assert run.read_text("/f.md") == "2"
    assert is_problem(client.put("/v1/files/f.md", content=b"3", headers=once), 409, "OperationConflict")


@pytest.mark.parametrize(
    ("method", "address", "body", "unheeded"),
    [
        ("POST", "spawn", {}, ("Idempotency-Key", "If-Match", "If-None-Match")),
        ("POST", "workspaces", {"name": "x"}, ("Idempotency-Key", "If-Match")),
        ("POST", "tokens", {}, ("Idempotency-Key", "If-Match")),
        ("POST", "renew", {"ttl": 60}, ("Idempotency-Key", "If-Match")),
        ("POST", "destroy", {}, ("Idempotency-Key", "If-Match")),
        ("POST", "merge", {"path": "/f.md", "data": "eA==", "base": None}, ("If-Match", "If-None-Match")),
        ("POST", "promote", {}, ("If-Match", "If-None-Match")),
        ("POST", "revert", {"promotion_id": "x"}, ("If-Match", "If-None-Match")),
    ],
)
def test_a_condition_that_would_not_be_heeded_is_refused(client, hive, tokens, run, method, address, body, unheeded):
    before = hive.scopes(), tokens.list(), run.diff()
    for header in unheeded:
        answer = client.request(method, f"/v1/{address}", json=body, headers={header: '"7"'})
        assert is_problem(answer, 400, "InvalidOption")
        assert header in answer.json()["detail"]
    assert (hive.scopes(), tokens.list(), run.diff()) == before


@pytest.mark.parametrize(
    "header", [{"Content-Range": "bytes 5-9/10"}, {"If-Unmodified-Since": "Sat, 01 Jan 2022 00:00:00 GMT"}]
)
def test_a_part_of_a_file_is_not_taken_for_all_of_it(client, run, header):
    """RFC 9110, section 14.5: some clients go on with an upload where they stopped."""
    run.write_text("/f.md", "0123456789")
    assert is_problem(client.put("/v1/files/f.md", content=b"56789", headers=header), 400, "InvalidOption")
    assert run.read_text("/f.md") == "0123456789"


# -- parts of files ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=2-5", (2, 6)),
        ("bytes=5-", (5, 10)),
        ("bytes=5-1000", (5, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-1000", (0, 10)),
        (" Bytes=1-2 ", (1, 3)),
    ],
)
def test_a_part_of_a_file(client, wanted, got):
    etag = client.put("/v1/files/f", content=b"0123456789").headers["etag"]
    answer = client.get("/v1/files/f", headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, b"0123456789"[slice(*got)])
    assert answer.headers["content-range"] == f"bytes {got[0]}-{got[1] - 1}/10"
    assert answer.headers["content-length"] == str(got[1] - got[0])
    assert answer.headers["etag"] == etag


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=10-20", "bytes=-0", f"bytes={10**30}-"])
def test_a_part_that_is_not_there(client, wanted):
    client.put("/v1/files/f", content=b"0123456789")
    answer = client.get("/v1/files/f", headers={"Range": wanted})
    assert is_problem(answer, 416, "RangeNotSatisfiable")
    assert answer.headers["content-range"] == "bytes */10"


@pytest.mark.parametrize("wanted", ["", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "lines=0-1", "é"])
def test_what_is_no_part_is_the_whole(client, wanted):
    client.put("/v1/files/f", content=b"0123456789")
    answer = client.get("/v1/files/f", headers={"Range": wanted.encode()})
    assert (answer.status_code, answer.content) == (200, b"0123456789")
    assert answer.headers["accept-ranges"] == "bytes"


def test_a_part_of_one_version_only(client, run):
    etag = client.put("/v1/files/f", content=b"0123456789").headers["etag"]
    part = {"Range": "bytes=5-", "If-Range": etag}
    assert client.get("/v1/files/f", headers=part).content == b"56789"
    assert client.get("/v1/files/f", headers={**part, "If-Range": f"W/{etag}"}).content == b"0123456789"
    run.write_text("/f", "abcdefghij")
    assert client.get("/v1/files/f", headers=part).content == b"abcdefghij"


def test_heads(client, run):
    etag = client.put("/v1/files/f", content=b"0123456789").headers["etag"]
    head = client.head("/v1/files/f")
    assert (head.status_code, head.content) == (200, b"")
    assert {**head.headers} == {**client.get("/v1/files/f").headers}
    assert client.head("/v1/files/f", headers={"If-None-Match": etag}).status_code == 304
    assert client.head("/v1/files/g").status_code == 404
    run.make_dir("/d")
    assert client.head("/v1/files/d").status_code == client.get("/v1/files/d").status_code == 409
    assert client.head("/health").status_code == 200


# -- paths and pages ---------------------------------------------------------------------------


def test_paths_that_are_not_utf8_do_not_stand_for_others(client, run):
    run.write_text("/\ufffd", "another file")
    assert is_problem(client.get("/v1/files/%FF"), 400, "InvalidPath")
    assert client.get("/v1/files/%EF%BF%BD").text == "another file"


def test_heads_stay_small(client, run):
    run.write_text("/f", "x", tags=["x"])
    assert json.loads(client.get("/v1/files/f").headers["hivemind-stat"])["tags"] == ["x"]
    run.tag("/f", [f"{number}" * 40 for number in range(10, 74)])
    for answer in (client.get("/v1/files/f"), client.head("/v1/files/f")):
        assert "hivemind-stat" not in answer.headers
        assert sum(map(len, answer.headers.raw)) < 4096


def test_what_is_in_a_file_does_not_become_a_page(client, run):
    run.write_text("/x.html", "<script>alert(1)</script>")
    headers = client.get("/v1/files/x.html").headers
    assert (headers["content-type"], headers["x-content-type-options"]) == ("application/octet-stream", "nosniff")


def test_pages(client, run):
    for number in range(7):
        run.write_text(f"/d/{number}", f"{number}\nx\n")
        run.write_text("/d/0", str(number))
    for address, fixed, every in (
        ("list_dir", {"path": "/d"}, [f"/d/{number}" for number in range(7)]),
        ("glob", {"pattern": "/d/*"}, [f"/d/{number}" for number in range(7)]),
        (
            "grep",
            {"pattern": ".", "under": "/d"},
            ["/d/0", *(path for number in range(1, 7) for path in [f"/d/{number}"] * 2)],
        ),
        ("diff", {}, ["/d", *(f"/d/{number}" for number in range(7))]),
        ("history", {"path": "/d/0"}, ["/d/0"] * 8),
    ):
        found, params = [], {**fixed, "limit": 3}
        while params.get("cursor", "") is not None:
            page = client.get(f"/v1/{address}", params=params).json()
            assert 0 < len(page["items"]) <= 3
            found += page["items"]
            params["cursor"] = page["next"]
        assert [item["path"] for item in found] == every
        assert len({json.dumps(item) for item in found}) == len(every)


def test_a_cursor_that_is_none(client, run):
    run.write_text("/f", "x")
    for cursor in ("", "x", "////", "bnVsbA==", "W10=", "Wzdd", "W1tdXQ==", "é", "WyJ4Iiwg", "e30="):
        answer = client.get("/v1/list_dir", params={"cursor": cursor})
        assert answer.status_code == 200 or is_problem(answer, 400, "InvalidOption")


# -- errors ------------------------------------------------------------------------------------


def test_errors_are_problems(client, run, project):
    assert is_problem(client.get("/v1/files/missing"), 404, "PathNotFound")
    assert is_problem(client.get("/v1/nothing"), 404, "NotFound")
    assert is_problem(client.post("/v1/stat"), 405, "MethodNotAllowed")
    assert is_problem(client.get("/v1/stat"), 422, "UnprocessableContent")
    assert is_problem(client.post("/v1/edit", content=b"{"), 422, "UnprocessableContent")
    run.write_text("/f.md", "mine")
    project.write_text("/f.md", "theirs")
    conflict = client.post("/v1/promote", json={})
    assert is_problem(conflict, 409, "PromotionConflict")
    assert conflict.json()["report"]["conflicts"] == [
        {"path": "/f.md", "base": None, "ours": "dGhlaXJz", "theirs": "bWluZQ=="}
    ]


@pytest.mark.parametrize("data", ["-_-_", "eA=", "eA", "e A==", "eA==\n", "é", "=", "eA==eA==", "e%A=="])
def test_what_is_no_base64_is_not_written(client, run, data):
    run.write_text("/f", "kept")
    base = {"version": run.stat("/f").version, "data": data}
    for how, body in (("merge", {"base": None}), ("merge", {"data": "eA==", "base": base}), ("write", {})):
        answer = client.post(f"/v1/{how}", json={"path": "/f", "data": data, **body})
        assert is_problem(answer, 422, "UnprocessableContent")
    assert run.read_text("/f") == "kept"


def test_what_was_sent_is_not_in_an_error(client):
    for body in ({"path": "/f", "old": 7, "new": "s3cret"}, {"s3cret": 1}, {"path": "\ud800s3cret"}, ["s3cret"]):
        answer = client.post("/v1/edit", content=json.dumps(body).encode())
        assert is_problem(answer, 422, "UnprocessableContent")
        assert "s3cret" not in json.dumps([answer.json()["detail"].replace("body.s3cret: Extra", "")])


def test_what_is_wrong_with_the_store_is_for_who_runs_it(hive, client, monkeypatch):
    def full(*_, **__):
        raise errors.StoreFull("no space left in /srv/hive")

    monkeypatch.setattr("pydantic_hivemind.hive.scope.Scope.write_bytes", full)
    answer = client.put("/v1/files/f", content=b"x")
    assert is_problem(answer, 507, "StoreFull")
    assert "/srv" not in answer.text


def test_a_failure_says_nothing(hive, tokens, run, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("s3cret")

    monkeypatch.setattr("pydantic_hivemind.hive.scope.Scope.stat", fail)
    headers = {"Authorization": f"Bearer {tokens.create(run)}"}
    with TestClient(create_app(hive), "http://localhost", headers=headers, raise_server_exceptions=False) as client:
        answer = client.get("/v1/stat?path=/")
    assert is_problem(answer, 500, "InternalServerError")
    assert "s3cret" not in answer.text


# -- numbers ----------- -------------------------------------------------------------------------


def test_many_at_once(served, hive, tokens, run):
    """Edits of one file from many threads all land."""
    run.write_text("/f", "")
    headers = {"Authorization": f"Bearer {tokens.create(run)}"}
    failed = []

    def add(number):
        with httpx.Client(base_url=served, headers=headers, timeout=60) as client:
            for each in range(5):
                while True:
                    now = client.get("/v1/files/f")
                    body = now.content + f"{number}.{each}\n".encode()
                    answer = client.put("/v1/files/f", content=body, headers={"If-Match": now.headers["etag"]})
                    if answer.status_code == 200:
                        break
                    if answer.status_code != 412:
                        failed.append(answer.text)
                        return

    threads = [threading.Thread(target=add, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(run.read_text("/f").split()) == sorted(f"{number}.{each}" for number in range(4) for each in range(5))


def test_a_history_comes_in_pages_that_tell_no_numbers(client, run):
    for number in range(7):
        run.write_text("/f.md", str(number))
    names, cursor = [], None
    while True:
        page = client.get("/v1/history", params={"path": "/f.md", "limit": 3, "cursor": cursor}).json()
        names += [version["version"] for version in page["items"]]
        run.write_text("/f.md", "one more")  # comes before the pages that follow
        if (cursor := page["next"]) is None:
            break
        last, at = json.loads(base64.urlsafe_b64decode(cursor))
        assert (last, at) == (names[-1], page["items"][-1]["created_at"])
    assert names == [version.version for version in run.history("/f.md")][-7:]


@pytest.mark.parametrize("sent", [[-7], ["x"], ["x", "y"], [1.0, 2.0], [], ["x", 1.0, 2.0], [True, 1]])
def test_a_cursor_of_another_list_is_none_of_a_history(client, run, sent):
    run.write_text("/f.md", "1")
    cursor = base64.urlsafe_b64encode(json.dumps(sent).encode()).decode()
    assert is_problem(client.get("/v1/history", params={"path": "/f.md", "cursor": cursor}), 400, "InvalidOption")


def test_a_history_goes_on_where_its_last_version_is_gone(client, run):
    run.write_text("/f.md", "1")
    (version,) = run.history("/f.md")
    for later, expected in ((1, [version.version]), (0, [])):
        cursor = base64.urlsafe_b64encode(json.dumps(["vgone", version.created_at + later]).encode()).decode()
        page = client.get("/v1/history", params={"path": "/f.md", "cursor": cursor}).json()
        assert [item["version"] for item in page["items"]] == expected
