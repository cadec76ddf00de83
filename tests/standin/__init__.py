"""A strict stand-in for CuPy: the device code tested on a machine without a GPU.

It refuses what CuPy refuses (implicit copies to the host, host arrays among device arrays, arrays of objects, several
devices in one operation), gives 0-d device arrays where NumPy gives scalars, and has only those functions and arguments
that CuPy has. It computes with NumPy, so it says nothing about a GPU's rounding, speed or memory.
"""

import sys
from types import ModuleType

import numpy as np

from tests.standin import functions
from tests.standin.arrays import CUDARuntimeError, Device, machine, ndarray


def install(monkeypatch, devices=2, driver=True):
    """Put the stand-in where `import cupy` finds it, until the test ends; returns it.

    Args:
        devices: the number of GPUs; current is the first.
        driver: with False, CuPy finds no driver at all, and `is_available()` itself fails as CuPy 13's does.
    """
    module = _module(driver)
    machine.restart(devices)
    machine.module = module
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


def _module(driver):
    module = ModuleType("cupy")
    vars(module).update(functions.FUNCTIONS)
    vars(module).update({name: functions.ufunc(name) for name in (*functions.UFUNCS.split(), "matmul")})
    vars(module).update({name: getattr(np, name) for name in functions.PLAIN.split()})
    module.ndarray, module.ufunc = ndarray, functions.ufunc
    module.lib = _namespace(stride_tricks=functions.StrideTricks)
    module.random = _namespace(default_rng=functions.default_rng, Generator=functions.Generator)

    def device_count():
        if not driver:
            raise CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime")
        if not machine.devices:
            raise CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
        return machine.devices

    def is_available():
        if not driver:
            device_count()
        return machine.devices > 0

    runtime = _namespace(
        CUDARuntimeError=CUDARuntimeError, getDevice=lambda: machine.current, getDeviceCount=device_count
    )
    module.cuda = _namespace(Device=Device, runtime=runtime, is_available=is_available)
    module.is_available = is_available
    return module


def _namespace(**names):
    namespace = ModuleType("namespace")
    vars(namespace).update(names)
    return namespace
