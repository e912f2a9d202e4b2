"""The native code by itself under sanitizers, for every instruction set that this processor has.

A C++ program, since sanitizers do not see into an extension that Python loads.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


HAS_TOOLS = shutil.which("cmake") and shutil.which("c++")


@pytest.mark.skipif(not HAS_TOOLS, reason="needs cmake and a C++ compiler")
def test_kernels_and_network_pass_their_checks_under_sanitizers(tmp_path: Path) -> None:
    build = tmp_path / "build"
    subprocess.run(["cmake", "-S", ROOT, "-B", build, "-DQUIVER_CHECKS=ON"], check=True)
    subprocess.run(["cmake", "--build", build, "--parallel", "2"], check=True)
    done = subprocess.run([build / "check", "10"], check=False, capture_output=True, text=True)
    assert done.stdout.endswith("good\n"), done.stdout + done.stderr
