"""Import every module of the installed package and read its data: what a wheel lacks shows here."""

import importlib
import pkgutil

import tinygrad_cnn
from tinygrad_cnn.data import digits

names = [module.name for module in pkgutil.walk_packages(tinygrad_cnn.__path__, "tinygrad_cnn.")]
names = [name for name in names if not name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
if not any(name.startswith("tinygrad_cnn.viz.") for name in names):
    raise SystemExit("tinygrad_cnn.viz has no modules")
print(f"{len(names)} modules import, {sum(map(len, digits())) // 2} digits are read")
