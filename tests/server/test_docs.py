"""The requests in docs/server.md, run as a reader would run them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.server.running import Running

PAGE = Path(__file__).parents[2] / "docs" / "server.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_every_first_request_is_answered(server: Running) -> None:
    block = PAGE.read_text().partition("```bash\n")[2].partition("```")[0]
    asked = block.count("curl ")
    assert asked >= 9
    script = block.replace("localhost:8080", f"127.0.0.1:{server.port}").replace(
        "curl ", "curl -sSf -w '\\n' "
    )
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == asked
    assert all("error" not in answer for answer in answers)
