"""The oneDNN library itself: where it is found, what its functions take, how many threads it runs on.

It is a shared library with a C interface, looked for at first need in this order:

1. the file that the environment variable `TINYGRAD_CNN_ONEDNN` names, and then no other;
2. the wheel `onednn-cpu-gomp`, which puts it into the `lib` folder of the environment (where conda has it, too);
3. the system, under its usual name.

What can't be used, because it is missing, broken, too old, or made for another processor, raises `UnusableError` with a
clause that says so; `tinygrad_cnn.kernels.onednn.unavailable` hands it on.
"""

from __future__ import annotations

import ctypes
import os
import platform
import site
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_int64, c_size_t, c_uint, c_void_p
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_cnn.kernels import threads

VARIABLE = "TINYGRAD_CNN_ONEDNN"
WHEEL = "onednn-cpu-gomp"
NAME = {"darwin": "libdnnl.3.dylib", "win32": "dnnl.dll"}.get(sys.platform, "libdnnl.so.3")
MAJOR = 3
AVX2, AVX512, BF16 = 0x7, 0x27, 0xE7  # bits of `dnnl_cpu_isa_t`
SEQUENTIAL, OPENMP, TBB = 1, 2, 4  # `cpu_runtime`: with these three a call returns when the work is done


class UnusableError(Exception):
    """The library can't be used; the message is a clause that says why."""


class UnsupportedError(Exception):
    """The library has no such primitive."""


class Execution(ctypes.Structure):
    """`dnnl_exec_arg_t`: which argument of a primitive it is, and its memory."""

    _fields_ = (("argument", c_int), ("memory", c_void_p))


class _Version(ctypes.Structure):
    _fields_ = (
        ("major", c_int), ("minor", c_int), ("patch", c_int), ("hash", c_char_p),
        ("cpu_runtime", c_uint), ("gpu_runtime", c_uint),
    )  # fmt: skip


# What each function takes after `dnnl_`. It gives a status unless it stands in `_RESULTS`. Made things are pointers.
_P, _I, _F, _DIMS, _MADE = c_void_p, c_int, c_float, POINTER(c_int64), POINTER(c_void_p)
_CONVOLUTION_OPTIONS = (_DIMS, _DIMS, _DIMS, _DIMS)  # stride, dilation - 1, padding before and after
_POOLING_OPTIONS = (_DIMS, *_CONVOLUTION_OPTIONS)  # stride, kernel, dilation - 1, padding before and after
_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "engine_create": (_MADE, _I, c_size_t),
    "stream_create": (_MADE, _P, c_uint),
    "get_effective_cpu_isa": (),
    "cpu_isa2str": (_I,),
    "memory_desc_create_with_strides": (_MADE, _I, _DIMS, _I, _DIMS),
    "memory_desc_create_with_tag": (_MADE, _I, _DIMS, _I, _I),
    "memory_desc_destroy": (_P,),
    "memory_desc_equal": (_P, _P),
    "memory_desc_get_size": (_P,),
    "memory_create": (_MADE, _P, _P, _P),
    "memory_destroy": (_P,),
    "memory_set_data_handle": (_P, _P),
    "primitive_attr_create": (_MADE,),
    "primitive_attr_destroy": (_P,),
    "primitive_attr_set_scratchpad_mode": (_P, _I),
    "primitive_attr_set_post_ops": (_P, _P),
    "primitive_attr_set_scales_mask": (_P, _I, _I),
    "post_ops_create": (_MADE,),
    "post_ops_destroy": (_P,),
    "post_ops_append_eltwise": (_P, _I, _F, _F),
    "post_ops_append_binary": (_P, _I, _P),
    "primitive_desc_destroy": (_P,),
    "primitive_desc_query": (_P, _I, _I, _P),
    "primitive_desc_query_md": (_P, _I, _I),
    "primitive_create": (_MADE, _P),
    "primitive_destroy": (_P,),
    "primitive_execute": (_P, _P, _I, POINTER(Execution)),
    # Primitive descriptors: the engine, what is to be done, descriptors, options, a forward descriptor, attributes
    "reorder_primitive_desc_create": (_MADE, _P, _P, _P, _P, _P),
    "convolution_forward_primitive_desc_create": (_MADE, _P, _I, _I, _P, _P, _P, _P, *_CONVOLUTION_OPTIONS, _P),
    "convolution_backward_data_primitive_desc_create": (_MADE, _P, _I, _P, _P, _P, *_CONVOLUTION_OPTIONS, _P, _P),
    "convolution_backward_weights_primitive_desc_create": (
        _MADE, _P, _I, _P, _P, _P, _P, *_CONVOLUTION_OPTIONS, _P, _P
    ),
    "matmul_primitive_desc_create": (_MADE, _P, _P, _P, _P, _P, _P),
    "binary_primitive_desc_create": (_MADE, _P, _I, _P, _P, _P, _P),
    "pooling_forward_primitive_desc_create": (_MADE, _P, _I, _I, _P, _P, *_POOLING_OPTIONS, _P),
    "pooling_backward_primitive_desc_create": (_MADE, _P, _I, _P, _P, *_POOLING_OPTIONS, _P, _P),
    "batch_normalization_forward_primitive_desc_create": (_MADE, _P, _I, _P, _P, _F, c_uint, _P),
    "batch_normalization_backward_primitive_desc_create": (_MADE, _P, _I, _P, _P, _P, _F, c_uint, _P, _P),
    "softmax_forward_primitive_desc_create": (_MADE, _P, _I, _I, _P, _P, _I, _P),
}  # fmt: skip
_RESULTS = {"cpu_isa2str": c_char_p, "memory_desc_get_size": c_size_t, "primitive_desc_query_md": c_void_p}


class Library:
    """The loaded library: its functions without the prefix `dnnl_`, an engine and a stream.

    A function lets go of the interpreter while it runs; `quick` holds the same ones that don't, which is cheaper for
    what takes no time.
    """

    def __init__(self, path: str) -> None:
        if _is_cut_off(path):
            raise UnusableError(f"{path} is not whole")
        try:
            library = ctypes.CDLL(path)
        except OSError as error:
            raise UnusableError(str(error)) from None
        self.path = path
        try:
            library.dnnl_version.restype = POINTER(_Version)
            version = library.dnnl_version().contents
        except AttributeError:
            raise UnusableError(f"{path} is not oneDNN: it has no dnnl_version") from None
        self.version = f"{version.major}.{version.minor}.{version.patch}"
        if version.major != MAJOR:
            raise UnusableError(f"{path} is oneDNN {self.version}, and version {MAJOR} is needed")
        if version.cpu_runtime not in (SEQUENTIAL, OPENMP, TBB):
            raise UnusableError(f"{path} was built for SYCL, or for a thread pool of the caller's")
        self.quick = ctypes.PyDLL(path, handle=library._handle)
        try:
            for name, arguments in _ARGUMENTS.items():
                for functions in (library, self.quick):
                    function = functions[f"dnnl_{name}"]
                    function.argtypes, function.restype = arguments, _RESULTS.get(name, c_int)
                    setattr(self if functions is library else self.quick, name, function)
        except AttributeError as error:
            raise UnusableError(f"{path} (oneDNN {self.version}) lacks a function: {error}") from None
        self.isa = self.get_effective_cpu_isa()
        if self.isa & AVX2 != AVX2:
            raise UnusableError(f"{path} finds no AVX2 in this processor ({platform.machine()})")
        self.has_bfloat16 = self.isa & BF16 == BF16
        self.lanes = 16 if self.isa & AVX512 == AVX512 else 8  # of a vector register, in float32
        engine, stream = c_void_p(), c_void_p()
        if self.engine_create(byref(engine), 1, 0) or self.stream_create(byref(stream), engine, 1):
            raise UnusableError(f"{path} can't make an engine for this processor")
        self.engine, self.stream = engine, stream
        self._take_threads(version.cpu_runtime)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"oneDNN has no function {name}, or it is not declared")

    def _take_threads(self, runtime: int) -> None:
        """OpenMP's own functions, of that copy which oneDNN runs on."""
        self.get_max_threads: Any = lambda: 1
        self.set_max_threads: Any = lambda count: None
        if runtime != OPENMP:
            return
        with suppress(AttributeError):
            getter, setter = self.quick.omp_get_max_threads, self.quick.omp_set_num_threads
            getter.argtypes, getter.restype, setter.argtypes, setter.restype = (), c_int, (c_int,), None
            self.get_max_threads, self.set_max_threads = getter, setter
        if not hasattr(os, "register_at_fork"):
            return
        # A forked child has none of its parent's threads, but GNU's OpenMP would wait for those of its pool. It is
        # therefore given up before a fork; the next parallel loop makes another. Where that can't be done, a child
        # keeps to one thread.
        try:
            pause = self.quick.omp_pause_resource_all
        except AttributeError:
            os.register_at_fork(after_in_child=lambda: self.set_max_threads(1))
        else:
            os.register_at_fork(before=lambda: pause(2))


def num_threads() -> int:
    """How many threads oneDNN uses for the calling thread: what `set_num_threads` says, else OpenMP's own number."""
    library = load()
    count: int = library.get_max_threads()
    if threads.is_explicit() and count != threads.get_num_threads():
        library.set_max_threads(threads.get_num_threads())
        count = library.get_max_threads()
    return count


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, oneDNN uses one thread for the calling thread."""
    library = load()
    count = library.get_max_threads()
    library.set_max_threads(1)
    try:
        yield
    finally:
        library.set_max_threads(count)


@cache
def load() -> Library:
    """The library, loaded once.

    Raises:
        UnusableError: there is none that can be used.
    """
    reasons = []
    for path in _places():
        try:
            return Library(path)
        except UnusableError as error:
            reasons.append(str(error))
    if not os.environ.get(VARIABLE) and len(reasons) == 1:
        raise UnusableError(f"{NAME} is not installed (pip install tinygrad_cnn[fast] brings it)")
    raise UnusableError("; ".join(reasons))


def _places() -> Iterator[str]:
    """Files to try, the best one first; last the bare name, which the system looks for."""
    if wanted := os.environ.get(VARIABLE):
        yield wanted
        return
    found = [Path(prefix) / "lib" / NAME for prefix in (sys.prefix, site.getuserbase())]
    with suppress(metadata.PackageNotFoundError):
        files = metadata.distribution(WHEEL).files or ()
        found += [Path(str(file.locate())).resolve() for file in files if file.name == NAME]
    seen = set()
    for path in found:
        if path.exists() and path.resolve() not in seen:
            seen.add(path.resolve())
            yield str(path)
    yield NAME


def _is_cut_off(path: str) -> bool:
    """Whether a 64-bit ELF file ends before its table of sections, which stands last: to load it is a bus error."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
            size = file.seek(0, os.SEEK_END)
    except OSError:  # a bare name, or what the loader has words for
        return False
    if len(head) < 64 or head[:5] != b"\x7fELF\x02":
        return False
    table, entry, count = (int.from_bytes(head[i : i + n], "little") for i, n in ((40, 8), (58, 2), (60, 2)))
    return table + entry * count > size


class Description(NamedTuple):
    """What `show_config` tells about the library."""

    path: str
    version: str
    instructions: str
    threads: int
    bfloat16: bool


def describe() -> Description:
    """The library in use.

    Raises:
        UnusableError: there is none.
    """
    library = load()
    instructions = library.cpu_isa2str(library.isa).decode()
    return Description(library.path, library.version, instructions, num_threads(), library.has_bfloat16)
