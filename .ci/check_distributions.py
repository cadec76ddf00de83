"""Check that the wheel and the sdist hold what git tracks: check_distributions.py TRACKED WHEEL SDIST.

TRACKED is a file with the output of `git ls-files -z`. The wheel holds every file of tinygrad_cnn/ and viz/ (as
tinygrad_cnn/viz/) and nothing else but its own metadata; the sdist holds every file but git's own.
"""

import sys
import tarfile
import zipfile
from pathlib import Path


def missing_and_extra(kind: str, expected: set[str], found: set[str]) -> list[str]:
    """Return a line for each file that is missing in a distribution or too many in it."""
    return [
        *(f"{kind}: {name} is missing" for name in sorted(expected - found)),
        *(f"{kind}: {name} should not be there" for name in sorted(found - expected)),
    ]


tracked_list, wheel_path, sdist_path = map(Path, sys.argv[1:])
tracked = set(tracked_list.read_text(encoding="utf-8").split("\0")) - {""}

with zipfile.ZipFile(wheel_path) as wheel:
    in_wheel = {name for name in wheel.namelist() if ".dist-info/" not in name}
expected_in_wheel = {name for name in tracked if name.startswith("tinygrad_cnn/")}
expected_in_wheel |= {f"tinygrad_cnn/{name}" for name in tracked if name.startswith("viz/")}
problems = missing_and_extra("wheel", expected_in_wheel, in_wheel)

with tarfile.open(sdist_path) as sdist:
    in_sdist = {member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()}
expected_in_sdist = {name for name in tracked if not name.startswith(".git")}
generated = {name for name in in_sdist if name == "PKG-INFO" or ".egg-info/" in name}
problems += missing_and_extra("sdist", expected_in_sdist, in_sdist - generated)

if problems:
    sys.exit("\n".join(problems))
print(f"{wheel_path.name}: {len(in_wheel)} files, {sdist_path.name}: {len(in_sdist)} files, as git tracks them")
