import pytest

for module in ("pytrec_eval", "sklearn", "scipy"):
    pytest.importorskip(module, reason="needs quiver-embed[evaluate]")
