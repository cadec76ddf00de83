"""How oneDNN is found, why it may be refused, and that it gets along with forks, threads and PyTorch."""

import os
import subprocess
import sys
import threading
from ctypes import c_int, pointer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_equal, integers
from tinygrad_cnn.kernels import onednn, reference, threads
from tinygrad_cnn.kernels.onednn import descriptors, library
from tinygrad_cnn.kernels.onednn.library import Library, UnusableError

needs_onednn = pytest.mark.skipif(onednn.unavailable() is not None, reason=f"no oneDNN: {onednn.unavailable()}")

OPTIONS = (1, 1), ((1, 1), (1, 1)), (1, 1), 1


def python(code, **environment):
    """What a new interpreter prints; it must end well, in time, and print nothing else."""
    environment = {**os.environ, "PYTHONPATH": str(Path(tg.__file__).parents[1]), **environment}
    environment.pop("TINYGRAD_CNN_KERNELS", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


# Finding it


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """Folders in place of the interpreter's and the user's; nothing is installed."""
    monkeypatch.delenv(library.VARIABLE, raising=False)
    monkeypatch.setattr(library.sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setattr(library.site, "getuserbase", lambda: str(tmp_path / "user"))

    def nothing(name):
        raise library.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(library.metadata, "distribution", nothing)
    return tmp_path


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return str(path)


def test_the_system_is_asked_last(environment):
    assert list(library._places()) == [library.NAME]


def test_the_environment_comes_before_the_users_folder_and_the_system(environment):
    own = put(environment / "user" / "lib" / library.NAME)
    assert list(library._places()) == [own, library.NAME]
    venv = put(environment / "venv" / "lib" / library.NAME)
    assert list(library._places()) == [venv, own, library.NAME]


def test_the_wheel_is_found_where_its_record_says(environment, monkeypatch):
    path = Path(put(environment / "elsewhere" / library.NAME))
    file = SimpleNamespace(name=library.NAME, locate=lambda: path)
    readme = SimpleNamespace(name="README")
    monkeypatch.setattr(library.metadata, "distribution", lambda name: SimpleNamespace(files=[readme, file]))
    assert list(library._places()) == [str(path), library.NAME]
    monkeypatch.setattr(library.metadata, "distribution", lambda name: SimpleNamespace(files=None))
    assert list(library._places()) == [library.NAME]


def test_the_same_file_is_tried_once(environment, monkeypatch):
    path = Path(put(environment / "venv" / "lib" / library.NAME))
    file = SimpleNamespace(name=library.NAME, locate=lambda: path.parent / ".." / "lib" / library.NAME)
    monkeypatch.setattr(library.metadata, "distribution", lambda name: SimpleNamespace(files=[file]))
    assert list(library._places()) == [str(path), library.NAME]


def test_the_variable_names_the_only_place(environment, monkeypatch):
    put(environment / "venv" / "lib" / library.NAME)
    monkeypatch.setenv(library.VARIABLE, "/somewhere/libdnnl.so")
    assert list(library._places()) == ["/somewhere/libdnnl.so"]
    monkeypatch.setenv(library.VARIABLE, "")
    assert len(list(library._places())) == 2


# Refusing it


def load_from(places, monkeypatch):
    monkeypatch.setattr(library, "_places", lambda: iter(places))
    return library.load.__wrapped__()


def test_nothing_installed(monkeypatch):
    monkeypatch.delenv(library.VARIABLE, raising=False)
    with pytest.raises(UnusableError, match=r"^\S*dnnl\S* is not installed \(pip install tinygrad_cnn\[fast\]"):
        load_from(["libdnnl.so.nowhere"], monkeypatch)


def test_every_place_is_tried_and_every_reason_told(tmp_path, monkeypatch):
    first, second = tmp_path / "first.so", tmp_path / "second.so"
    first.write_text("text")
    with pytest.raises(UnusableError, match=r"first\.so.*; .*second\.so"):
        load_from([str(first), str(second)], monkeypatch)


@needs_onednn
def test_a_broken_file_is_passed_over(tmp_path, monkeypatch):
    path = library.load().path
    broken = tmp_path / library.NAME
    broken.write_bytes(b"\x7fELF")
    assert load_from([str(broken), path], monkeypatch).path == path


@needs_onednn
def test_a_file_that_was_cut_off(tmp_path):
    broken = tmp_path / library.NAME
    with Path(library.load().path).open("rb") as file:
        broken.write_bytes(file.read(1 << 20))
    with pytest.raises(UnusableError, match=r"is not whole$"):
        Library(str(broken))


def test_another_library():
    path = np._core._multiarray_umath.__file__
    with pytest.raises(UnusableError, match=r"is not oneDNN: it has no dnnl_version$"):
        Library(path)


class Fake:
    """A shared library with a version, and functions by the names given."""

    _handle = None

    def __init__(self, version, functions=()):
        def dnnl_version():
            return pointer(version)

        self.dnnl_version = dnnl_version
        self.functions = {f"dnnl_{name}": value for name, value in functions}

    def __getitem__(self, name):
        if name not in self.functions:
            raise AttributeError(name)
        return self.functions[name]


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ((2, 7, 3, None, library.OPENMP, 0), r"lib is oneDNN 2\.7\.3, and version 3 is needed"),
        ((4, 0, 0, None, library.OPENMP, 0), r"lib is oneDNN 4\.0\.0, and version 3 is needed"),
        ((3, 0, 0, None, 256, 0), r"lib was built for SYCL"),
        ((3, 0, 0, None, library.OPENMP, 0), r"lib \(oneDNN 3\.0\.0\) lacks a function: dnnl_engine_create"),
    ],
)
def test_a_library_of_another_kind(version, reason, monkeypatch):
    fake = Fake(library._Version(*version))
    monkeypatch.setattr(library.ctypes, "CDLL", lambda path: fake)
    monkeypatch.setattr(library.ctypes, "PyDLL", lambda path, handle: fake)
    with pytest.raises(UnusableError, match=f"^{reason}"):
        Library("lib")


@needs_onednn
def test_an_old_processor():
    code = "from tinygrad_cnn.kernels import onednn; print(onednn.unavailable())"
    assert "finds no AVX2 in this processor" in python(code, ONEDNN_MAX_CPU_ISA="SSE41")


@needs_onednn
def test_a_processor_without_avx512():
    code = """if True:
        import numpy as np
        from tinygrad_cnn.kernels import onednn, reference
        x, weight = np.ones((2, 16, 8, 8), np.float32), np.ones((16, 16, 3, 3), np.float32)
        arguments = x, weight, None, (1, 1), ((1, 1), (1, 1)), (1, 1), 1
        assert (onednn.correlate(*arguments) == reference.correlate(*arguments)).all()
        print(onednn.describe().instructions, onednn.describe().bfloat16)"""
    assert python(code, ONEDNN_MAX_CPU_ISA="AVX2") == "cpu_isa_avx2 False"


@pytest.mark.parametrize("path", ["/nowhere/libdnnl.so.3", __file__])
def test_numpy_takes_over_without_a_word(path):
    code = """if True:
        import tinygrad_cnn as tg
        from tinygrad_cnn.kernels import dispatch, onednn
        tg.conv2d(tg.tensor([[[[1.0, 2.0]]]]), tg.tensor([[[[3.0]]]]))
        assert onednn.unavailable()
        print(dispatch.chosen())"""
    assert python(code, TINYGRAD_CNN_ONEDNN=path) == "numpy"


def test_importing_loads_no_library():
    code = """if True:
        import tinygrad_cnn
        from tinygrad_cnn.kernels.onednn import library
        print(library.load.cache_info().currsize)"""
    assert python(code) == "0"


# Handles


def test_what_was_made_is_destroyed():
    destroyed = []

    def create(made):
        made._obj.value = 5
        return 0

    handle = descriptors.Handle(create, lambda pointer: destroyed.append(pointer.value))
    assert destroyed == []
    del handle
    assert destroyed == [5]
    with pytest.raises(library.UnsupportedError, match=r"^status 3$"):
        descriptors.Handle(lambda made: c_int(3).value, destroyed.append)
    assert destroyed == [5]


# Threads and processes


def operands(channels, seed=1):
    x, weight = integers((4, channels, 20, 20), seed, np.float32), integers((24, channels, 3, 3), 2, np.float32)
    return x, weight, reference.correlate(x, weight, None, *OPTIONS)


@needs_onednn
def test_python_threads_side_by_side():
    """Some with the same shapes, which share a kernel, and some with others."""
    cases = [operands(channels, seed) for channels in (16, 32, 16, 16) for seed in (1, 2)]
    right = []

    def work(x, weight, expected):
        results = (onednn.correlate(x, weight, None, *OPTIONS) for _ in range(30))
        right.append(all(np.array_equal(z, expected) for z in results))

    workers = [threading.Thread(target=work, args=case) for case in cases]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert right == [True] * len(cases)


@needs_onednn
def test_the_number_of_threads():
    """In every Python thread, since OpenMP has a number for each."""
    code = """if True:
        import threading
        import numpy as np
        import tinygrad_cnn as tg
        from tinygrad_cnn.kernels import onednn, reference
        x, weight = np.ones((4, 16, 20, 20), np.float32), np.ones((24, 16, 3, 3), np.float32)
        arguments = x, weight, None, (1, 1), ((1, 1), (1, 1)), (1, 1), 1
        expected = reference.correlate(*arguments)

        def work():
            assert (onednn.correlate(*arguments) == expected).all()
            print(onednn.describe().threads)

        work()
        for count in 1, 3:
            tg.set_num_threads(count)
            work()
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()"""
    assert python(code, OMP_NUM_THREADS="2").split() == ["2", "1", "1", "3", "3"]


FORK = """if True:
    import os, signal, sys, threading
    {before}
    import numpy as np
    import tinygrad_cnn as tg
    from tinygrad_cnn.kernels import onednn, reference
    {after}
    tg.set_num_threads(2)
    x, weight = np.ones((4, 16, 20, 20), np.float32), np.ones((24, 16, 3, 3), np.float32)
    arguments = x, weight, None, (1, 1), ((1, 1), (1, 1)), (1, 1), 1
    expected = reference.correlate(*arguments)

    def work():
        for _ in range(3):
            assert (onednn.correlate(*arguments) == expected).all()

    def fork(depth):
        child = os.fork()
        if child == 0:
            signal.alarm(30)  # kills what hangs
            try:
                work()
                thread = threading.Thread(target=work)
                thread.start()
                thread.join()
                if depth:
                    fork(depth - 1)
            except BaseException:
                os._exit(1)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        work()

    work()
    fork(1)
    fork(0)
    print("done")"""


@needs_onednn
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_computes():
    assert python(FORK.format(before="", after=""), PYTHONWARNINGS="ignore") == "done"


@needs_onednn
@pytest.mark.torch
@pytest.mark.parametrize("order", ["before", "after"])
def test_beside_pytorch(order):
    pytest.importorskip("torch")
    use = "import torch; torch.nn.functional.conv2d(torch.ones(4, 16, 20, 20), torch.ones(24, 16, 3, 3))"
    code = FORK.format(**{"before": "", "after": "", order: use})
    assert python(code, PYTHONWARNINGS="ignore") == "done"


@needs_onednn
def test_description():
    found = onednn.describe()
    assert Path(found.path).name.startswith(("libdnnl", "dnnl"))
    assert found.version.startswith("3.")
    assert "avx" in found.instructions
    assert found.threads >= 1
    assert_equal(np.array(onednn.get_precision()), np.array("float32"))


@needs_onednn
def test_small_arrays_stay_on_the_calling_thread():
    if library.num_threads() < 2:
        pytest.skip("needs two threads")
    weight = np.ones((2, 3, 3, 3), np.float32)
    threads.openmp.last_used = before = -1.0
    onednn.correlate(np.ones((1, 3, 8, 8), np.float32), weight, None, *OPTIONS)
    assert (threads.openmp.last_used, library.num_threads()) == (before, threads.get_num_threads())
    onednn.correlate(np.ones((16, 3, 32, 32), np.float32), weight, None, *OPTIONS)
    assert threads.openmp.last_used > before
