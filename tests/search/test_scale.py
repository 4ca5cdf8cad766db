"""Thousands of scopes in one process that may open few files."""

import json
import os
import subprocess
import sys

SCOPES = int(os.environ.get("HIVEMIND_SCOPES", "1200"))
"""More than are kept in memory; there were 5,000 before a release."""

MANY = """
import json, resource, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
from pydantic_hivemind import Hivemind

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6

scopes, passages, collected = int(sys.argv[2]), 6, 40
with Hivemind.open(sys.argv[1], durability="normal") as hive:
    project = hive.scope("project")
    project.write_text("/p.md", "The project builds boats.\\n")
    project.search("boats")
    before = resident()
    users = []
    for number in range(scopes):
        user = hive.scope(f"user{number}", parent=project)
        user.write_text("/u.md", "".join(f"- Thing {item} of user{number}.\\n" for item in range(passages)))
        assert user.search(f"user{number} thing 3", limit=1)[0].text == f"- Thing 3 of user{number}.\\n"
        users.append(user)
        if number % (scopes // collected) == 0:
            assert user.collection("/").count() == passages
    used = resident() - before
    for number in range(0, scopes, 7):
        users[number].edit("/u.md", "Thing 5", "Matter 5")
        hits = users[number].search(f"user{number} matter boats", limit=100)
        assert len(hits) == passages + 1
        assert f"- Matter 5 of user{number}.\\n" in {hit.text for hit in hits}
        assert {hit.scope for hit in hits} == {"project", f"user{number}"}
        if number % (7 * (scopes // collected)) == 0:
            assert users[number].collection("/").count() == passages
    print(json.dumps(used))
"""


def test_thousands_of_scopes(tmp_path):
    """None is confused with another, nothing is stale, and memory is bounded by what is kept of them."""
    done = subprocess.run(
        [sys.executable, "-c", MANY, tmp_path, str(SCOPES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # 1,024 scopes are kept: 6 passages take some 30 KB each; and 16 open Chromas of 10 MB.
    assert json.loads(done.stdout) < 400
