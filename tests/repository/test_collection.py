"""The tests can be collected with nothing but the package, pytest and Hypothesis: what else is missing is skipped."""

import os
import subprocess
import sys
from pathlib import Path

OPTIONAL = ["fastmcp", "psycopg", "schemathesis"]
"""What the group `test` adds for some tests alone."""

PROGRAM = f"""
import sys
sys.modules.update(dict.fromkeys({OPTIONAL}))
import pytest
plugins = ["-p", "anyio", "-p", "timeout", "-p", "no:cacheprovider"]
sys.exit(pytest.main([*plugins, "--collect-only", "-qq", "tests"]))
"""


def test_what_is_optional_may_be_missing():
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", PROGRAM]
    result = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
