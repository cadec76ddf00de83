"""What a command takes from a script, and what it says where that can't be had."""

import os
import sys
from pathlib import Path

import pytest

from tinygrad_cnn import nn
from tinygrad_cnn.viz.command_line.scripts import running, split_target

TENSORS = """
import tinygrad_cnn as tg
w = tg.tensor([1.0, 2.0], requires_grad=True, name="w")
data = tg.tensor([1.0])
loss = tg.sum(w * w)
z = w
number = 3
"""

MODELS = """
from tinygrad_cnn import nn
class Net(nn.Module):
    def __init__(self):
        self.layers = [nn.Linear(2, 1)]
    def forward(self, x):
        return self.layers[0](x)
class Block(nn.Module):
    def __init__(self, width):
        self.layer = nn.Linear(width, width)
def make():
    return Net()
def widened(width):
    return Block(width)
"""


@pytest.fixture
def script(tmp_path):
    """Write a script and return its path."""

    def write(code, name="script.py"):
        path = tmp_path / name
        path.write_text(code, encoding="utf-8")
        return path

    return write


def refusal(path, use=lambda script: None, **options):
    with pytest.raises(ValueError) as caught, running(path, **options) as script:  # noqa: PT011
        use(script)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Names on the command line


@pytest.mark.parametrize(
    ("text", "path", "name"),
    [
        ("a.py", "a.py", None),
        ("a.py:x", "a.py", "x"),
        ("f/a.py:model.layers.0", "f/a.py", "model.layers.0"),
        (r"C:\a.py", r"C:\a.py", None),
        (r"C:\a.py:loss", r"C:\a.py", "loss"),
        ("a.py:", "a.py:", None),
        ("a.py:0", "a.py:0", None),
        ("a.py:größe", "a.py", "größe"),
    ],
)
def test_a_name_stands_behind_the_last_colon(text, path, name):
    assert split_target(text) == (Path(path), name)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a colon in a file's name")
def test_a_file_with_a_colon_in_its_name(script, monkeypatch):
    path = script("", "a.py:x")
    monkeypatch.chdir(path.parent)
    assert split_target("a.py:x") == (Path("a.py:x"), None)


# What is taken


def test_the_tensor_that_was_recorded_last(script):
    with running(script(TENSORS)) as found:
        name, x, why = found.tensor_or_model(None, prefers_models=False)
    assert (name, x.item(), why) == ("loss", 5.0, "the tensor with a graph")
    with running(script(TENSORS + "square = loss * loss\nloss2, again = loss, square")) as found:
        name, x, why = found.tensor_or_model(None, prefers_models=False)
    assert (name, x.item(), why) == ("square", 25.0, "the last of 4 tensors with a graph")


def test_a_tensor_of_a_name(script):
    with running(script(TENSORS)) as found:
        assert found.tensor_or_model("w", prefers_models=False)[1].name == "w"


def test_the_only_model_and_not_its_parts(script):
    with running(script(MODELS + "net = Net()\nlayer = net.layers[0]\nalias = net")) as found:
        name, model, why = found.model(None)
        assert (name, type(model).__name__, why) == ("net", "Net", "the model")
        assert found.tensor_or_model(None, prefers_models=False)[0] == "net"
        assert found.value("net.layers.0") is model.layers[0]


def test_a_model_goes_before_tensors_where_it_has_an_input(script):
    with running(script(TENSORS + MODELS + "net = Net()")) as found:
        assert found.tensor_or_model(None, prefers_models=True)[0] == "net"
        assert found.tensor_or_model(None, prefers_models=False)[0] == "loss"


def test_a_class_or_a_function_without_arguments_is_called(script):
    with running(script(MODELS)) as found:
        name, model, why = found.model(None)  # Block needs an argument
        assert (name, type(model).__name__, why) == ("Net", "Net", "a new model of this class")
        assert isinstance(found.value("make"), nn.Module)
        assert isinstance(found.value("Net"), nn.Module)


def test_every_value_is_kept(script):
    code = "import tinygrad_cnn as tg\nz = tg.exp(tg.tensor([1.0] * 5000, requires_grad=True))\n"
    with running(script(code)) as found:
        assert found.value("z").node.value.shape == (5000,)


# What is refused


@pytest.mark.parametrize(
    ("code", "use", "words"),
    [
        (TENSORS, lambda s: s.value("los"), "script.py defines no 'los'; did you mean loss?"),
        (TENSORS, lambda s: s.value("something"), "script.py defines no 'something'; there are loss"),
        (MODELS, lambda s: s.value("something"), "script.py defines no 'something'; there are Net, Block"),
        (TENSORS, lambda s: s.value("loss.no.such"), "script.py: loss has no 'no.such'"),
        (TENSORS, lambda s: s.model(None), "script.py defines no model; there are loss"),
        (MODELS, lambda s: s.value("widened"), "widened needs arguments; call it in the script and name the result"),
        (MODELS, lambda s: s.value("Block"), "Block needs arguments"),
        (
            MODELS + "a, b = Net(), Net()",
            lambda s: s.model(None),
            "script.py has the models a, b; say which, as script.py:a",
        ),
        (
            MODELS + "class Other(Net): pass",
            lambda s: s.model(None),
            "script.py has the classes Net, Other; say which, as script.py:Net",
        ),
        ("x = 1", lambda s: s.tensor_or_model(None, False), "script.py defines no tensor with a graph or a model, nei"),
        (
            'if __name__ == "__main__":\n    x = 1',
            lambda s: s.model(None),
            'script.py defines no model; --main also runs what stands under `if __name__ == "__main__":`',
        ),
    ],
)
def test_what_is_not_there(script, code, use, words):
    assert refusal(script(code), use).startswith(words)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("x = 1\nx.y", "AttributeError: 'int' object has no attribute 'y' (script.py, line 2)"),
        ("def f():\n    return 1 / 0\nf()", "ZeroDivisionError: division by zero (script.py, line 2, in f)"),
        ("x = (", "SyntaxError: '(' was never closed (script.py, line 1)"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package' (script.py, line 1)"),
        ("import sys\nsys.exit('no data')", "script.py stopped with sys.exit('no data') (script.py, line 2)"),
        ("import tinygrad_cnn as tg\ntg.tensor([1.0, 2.0]) @ tg.tensor([1.0])", "ValueError: matmul: "),
    ],
)
def test_a_script_that_fails_is_told_with_its_line(script, code, words):
    message = refusal(script(code))
    assert message.startswith(words)
    assert "(script.py, line " in message


def test_a_model_that_fails_when_it_is_called_is_told_with_its_line(script):
    code = MODELS + "class Wrong(Net):\n    def forward(self, x):\n        return x.nothing\n"
    message = refusal(script(code), lambda s: s.value("Wrong")(None))
    assert message == "AttributeError: 'NoneType' object has no attribute 'nothing' (script.py, line 17, in forward)"


def test_there_is_no_such_file(tmp_path):
    assert refusal(tmp_path / "gone.py") == f"there is no file {tmp_path / 'gone.py'}"
    assert refusal(tmp_path) == f"there is no file {tmp_path}, but a folder"


def test_an_exception_that_is_not_the_scripts_stays_what_it_is(script):
    with pytest.raises(KeyError, match="ours"), running(script("")):
        raise KeyError("ours")


# How it is run


def test_the_block_for_scripts_runs_only_as_main(script):
    code = 'x = __name__\nif __name__ == "__main__":\n    y = 1\n'
    with running(script(code)) as found:
        assert (found.names["x"], "y" in found.names) == ("script", False)
    with running(script(code), as_main=True) as found:
        assert (found.names["x"], "y" in found.names) == ("__main__", True)


def test_a_script_that_ends_itself_with_success_has_run(script):
    with running(script("x = 1\nimport sys\nsys.exit()")) as found:
        assert found.value("x") == 1


def test_a_script_finds_its_neighbours_its_file_and_no_arguments(script):
    script("here = 1", "neighbour_of_script.py")
    late = "def late():\n    import neighbour_of_script\n    return neighbour_of_script.here\n"
    path = script(f"import sys\n{late}said = sys.argv, __file__\n")
    before = sys.path[:], sys.argv[:], sys.modules.get("__main__"), os.getcwd()
    with running(path) as found:
        assert found.value("late") == 1
        assert found.names["said"] == ([str(path)], str(path))
    assert (sys.path, sys.argv, sys.modules.get("__main__"), os.getcwd()) == before
    assert "script" not in sys.modules
    del sys.modules["neighbour_of_script"]


def test_a_script_called_like_a_module_that_is_loaded(script):
    import json

    with running(script("x = __name__", "json.py")) as found:
        assert found.names["x"] == "script_json"
    assert sys.modules["json"] is json
