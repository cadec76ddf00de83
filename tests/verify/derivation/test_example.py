"""The example runs, and writes what it says."""

import runpy
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "derivation.py"


def test_example(tmp_path, capsys):
    runpy.run_path(str(EXAMPLE))["main"](tmp_path)
    printed = capsys.readouterr().out
    assert "dL/dX22 = dL/dz11 K22 + dL/dz12 K21 + dL/dz21 K12 + dL/dz22 K11\n" in printed
    assert "dL/dX = crop(pad(dilate(dL/dZ)) (*) rot180(K))" in printed
    assert {path.name for path in tmp_path.iterdir()} == {
        "dX.html", "dX.tex", "dX_strided.html", "dX_strided.tex",
    }  # fmt: skip
