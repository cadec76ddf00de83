"""`tinygrad-cnn draw`, `convolution` and `summary` as a user types them."""

import json
import re
import webbrowser
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import cli
from tinygrad_cnn.viz.command_line.convolution import shrunk
from tinygrad_cnn.viz.drawing import dot
from tinygrad_cnn.viz.images.kernels import KERNELS

SCRIPT = '''
import tinygrad_cnn as tg
from tinygrad_cnn import nn
print("from the script")
class Net(nn.Module):
    def __init__(self):
        self.conv = nn.Conv2d(1, 2, 3)
        self.fc = nn.Linear(2 * 6 * 6, 10)
    def forward(self, x):
        return self.fc(tg.relu(self.conv(x)).reshape(len(x), -1))
net = Net()
w = tg.tensor([3.0, -4.0], requires_grad=True, name="w")
loss = tg.sum(w * w)
loss.name = "loss"
batch = tg.tensor([[[[1.0] * 8] * 8]] * 5)
'''

needs_graphviz = pytest.mark.skipif(find_spec("graphviz") is None, reason="needs the package graphviz")
needs_layout = pytest.mark.skipif(
    find_spec("graphviz") is None or (which("dot") is None and find_spec("pygraphviz") is None),
    reason="needs the package graphviz, and dot or pygraphviz",
)
needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="needs matplotlib")
needs_pillow = pytest.mark.skipif(find_spec("PIL") is None, reason="needs Pillow")


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A script in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "net.py"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


@pytest.fixture
def opened(monkeypatch):
    """The addresses that were opened; no browser starts."""
    addresses = []
    monkeypatch.setattr(webbrowser, "open", lambda address: addresses.append(address) or True)
    return addresses


def refusal(capsys, *arguments):
    """The one line that a wrong command gets."""
    try:
        status = cli.main(arguments)
    except SystemExit as stop:  # argparse
        status = stop.code
    assert status == 2
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return printed.err.splitlines()[-1]


# draw


@needs_layout
def test_draw_takes_the_last_tensor_and_says_so(script, capsys):
    assert cli.main(["draw", "net.py"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["from the script", "net.py:loss, the tensor with a graph"]
    assert re.fullmatch(r"net-loss\.svg: drawn by (dot|pygraphviz)", printed[2])
    assert {"loss", "w", "sum"} <= set(ElementTree.parse(script.parent / "net-loss.svg").getroot().itertext())


@needs_graphviz
def test_draw_a_model_by_the_shape_of_its_input(script, capsys):
    assert cli.main(["draw", "net.py", "--input", "1,1,8,8", "--out", "net.dot"]) == 0
    assert "net.py:net, the model" in capsys.readouterr().out
    text = (script.parent / "net.dot").read_text(encoding="utf-8")
    for word in ("conv.weight", "relu", "(1, 2, 6, 6)", "fc.bias"):
        assert word in text
    cli.main(["draw", "net.py", "--input", "batch", "--out", "net.dot"])  # the script's own tensor
    assert "(5, 2, 6, 6)" in (script.parent / "net.dot").read_text(encoding="utf-8")


@needs_graphviz
@pytest.mark.parametrize(
    ("options", "there", "not_there"),
    [
        ([], ["(2,) float32"], ["value", "grad"]),
        (["--values"], ["value", "−4", "25"], ["grad"]),
        (["--gradients"], ["grad"], ["value"]),
        (["--backward", "--gradients"], ["grad", ">6<", "−8"], ["value"]),
        (["--values", "--statistics"], ["mean"], ["grad"]),
        (["--direction", "TB"], ["rankdir=TB"], []),
        (["--budget", "2"], ["budget="], []),
    ],
)
def test_the_options_reach_the_picture(script, options, there, not_there):
    assert cli.main(["draw", "net.py:loss", "--out", "loss.dot", *options]) == 0
    text = re.sub('tooltip="[^"]*"', "", (script.parent / "loss.dot").read_text(encoding="utf-8"))
    assert [word for word in there if word not in text] == []
    assert [word for word in not_there if word in text] == []


@needs_graphviz
def test_depth_and_roll_reach_the_picture(script, capsys):
    model = ["draw", "net.py:net", "--input", "1,1,8,8", "--out", "net.dot"]
    cli.main([*model, "--depth", "1"])
    folded = (script.parent / "net.dot").read_text(encoding="utf-8")
    cli.main([*model, "--no-roll"])
    whole = (script.parent / "net.dot").read_text(encoding="utf-8")
    assert "conv2d" in whole
    assert folded.count(" [") < whole.count(" [")


@needs_graphviz
def test_a_walk_back_through_a_model(script):
    arguments = ["--input", "1,1,8,8", "--backward", "--gradients", "--out", "net.dot"]
    assert cli.main(["draw", "net.py:net", *arguments]) == 0
    text = (script.parent / "net.dot").read_text(encoding="utf-8")
    assert "not computed" not in text


def test_draw_a_page(script, capsys, opened):
    assert cli.main(["draw", "net.py", "--out", "loss.html", "--open"]) == 0
    page = script.parent / "loss.html"
    assert re.search(r"^loss\.html: a page of \d+ kB$", capsys.readouterr().out, re.MULTILINE)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert opened == [page.as_uri()]


@needs_graphviz
def test_without_graphviz_draw_says_what_it_wrote_instead(script, capsys, monkeypatch, recwarn):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("tinygrad_cnn.viz.drawing.rendering.find_spec", lambda name: None)
    assert cli.main(["draw", "net.py"]) == 0
    printed = capsys.readouterr().out
    assert "net-loss.svg was not drawn: the program dot was not found" in printed
    assert len(list(script.parent.glob("net-loss.*"))) == 1
    assert not recwarn.list


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone.py"], "there is no file gone.py"),
        (["net.py:lost"], "net.py defines no 'lost'; did you mean loss?"),
        (["net.py:net"], "net is a model: give the shape of its input, as --input 1,3,32,32"),
        (["net.py:loss", "--input", "1,1,8,8"], "--input is for models, but loss is a Tensor"),
        (["net.py:loss.data"], "loss.data is a float32, neither a tensor nor a model"),
        (["net.py:net", "--input", "1,1,x"], "argument --input: expected sizes of axes, as 1,3,32,32, but got '1,1,x'"),
        (["net.py:net", "--input", "1,0,8,8"], "(1, 0, 8, 8)"),
        (["net.py:net", "--input", "1,3,8,8"], "(net.py, line 10, in forward); draw: Net was given an input of shape"),
        (["net.py:net", "--input", "images"], "net.py defines no 'images'"),
        (["net.py", "--out", "x.bmp"], "draw: --out must end in .svg, .png, .pdf, .dot, .gv or .html but is x.bmp"),
        (["net.py", "--out", "nowhere/x.svg"], "draw: --out: there is no folder nowhere"),
        (["net.py", "--depth", "-1"], "argument --depth: expected an integer of 0 or more but got '-1'"),
        (["net.py", "--budget", "0"], "argument --budget: expected an integer of 1 or more but got '0'"),
    ],
)
@needs_graphviz
def test_a_wrong_draw_gets_one_clear_line(script, capsys, arguments, words):
    assert words in refusal(capsys, "draw", *arguments)
    assert [path.name for path in script.parent.iterdir()] == ["net.py"]


def test_a_script_that_raises_is_told_with_its_line(script, capsys):
    script.write_text("x = 1\ny = x / 0\n", encoding="utf-8")
    line = "tinygrad-cnn: ZeroDivisionError: division by zero (net.py, line 2)"
    for command in (["draw", "net.py"], ["summary", "net.py", "--input", "1,1,8,8"]):
        assert refusal(capsys, *command) == line


def test_the_choices_are_those_of_the_library():
    assert cli.DIRECTIONS == dot.DIRECTIONS
    parser = cli._parser()
    assert parser.parse_args(["draw", "a.py"]).budget == dot.BUDGET
    for mode in cli.PADDING_MODES:
        tg.pad(np.ones((3, 3)), 1, mode)


def test_readmes_commands_are_understood():
    readme = Path(__file__).parents[2] / "README.md"
    commands = re.findall(r"^tinygrad-cnn ((?:draw|convolution|summary) .*)$", readme.read_text(encoding="utf-8"), re.M)
    assert len(commands) == 4
    for command in commands:
        cli._parser().parse_args(command.split())


# summary


def test_summary_prints_the_table(script, capsys):
    assert cli.main(["summary", "net.py", "--input", "1,1,8,8"]) == 0
    printed = capsys.readouterr().out
    for word in ("Net", "conv", "2×6×6", "20", "730", "750"):
        assert word in printed


@pytest.mark.parametrize("ending", ["txt", "md", "html", "json"])
def test_summary_writes_the_table_in_the_format_that_the_file_says(script, capsys, opened, ending):
    out = script.parent / f"table.{ending}"
    assert cli.main(["summary", "net.py:net", "--input", "1,1,8,8", "--out", str(out), "--open"]) == 0
    assert f"net.py:net, 750 parameters\n{out}: the table\n" in capsys.readouterr().out
    text = out.read_text(encoding="utf-8")
    beginning = {"txt": "Net", "md": "", "html": "<!doctype html>", "json": "{"}[ending]
    assert text.startswith(beginning)
    assert "750" in text
    assert ("| --- " in text or "|---" in text or "| :--" in text) == (ending == "md")
    assert opened == [out.as_uri()]
    if ending == "json":
        assert json.loads(text)["parameters"] == 750


def test_summary_options(script, capsys):
    base = ["summary", "net.py", "--input", "1,1,8,8"]
    cli.main([*base, "--channels-last"])
    assert "6×6×2" in capsys.readouterr().out
    cli.main([*base, "--depth", "0", "--format", "markdown"])
    printed = capsys.readouterr().out
    assert "conv" not in printed
    assert "|" in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["net.py"], "net: give the shape of its input, as --input 1,3,32,32"),
        (["net.py:loss", "--input", "1,2"], "loss is a Tensor and no model"),
        (["net.py", "--input", "1,1,8,8", "--out", "table.pdf"], "--out must end in .txt, .md, .html or .json"),
        (["net.py", "--format", "pdf"], "invalid choice: 'pdf'"),
    ],
)
def test_a_wrong_summary_gets_one_clear_line(script, capsys, arguments, words):
    assert words in refusal(capsys, "summary", *arguments)


# convolution


@pytest.fixture
def photo(tmp_path, monkeypatch):
    """A picture of 40 x 20 pixels, white on the right half."""
    monkeypatch.chdir(tmp_path)
    image = pytest.importorskip("PIL.Image")
    pixels = np.zeros((20, 40), np.uint8)
    pixels[:, 20:] = 255
    image.fromarray(pixels).save("half.png")
    return "half.png"


def test_convolution_lists_the_kernels(capsys):
    assert cli.main(["convolution", "--list"]) == 0
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if line in KERNELS] == list(KERNELS)
    assert "    1  2  1\n    2  4  2\n    1  2  1  / 16\n" in printed
    assert max(map(len, printed.splitlines())) <= 80


@needs_matplotlib
@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_convolution_writes_a_figure(photo, capsys, tmp_path, ending):
    assert cli.main(["convolution", "--kernel", "sobel", "--image", photo, "--out", f"edges.{ending}"]) == 0
    assert capsys.readouterr().out == f"edges.{ending}: half.png, 40 x 20 pixels, and what sobel_x makes of it\n"
    beginning = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert (tmp_path / f"edges.{ending}").read_bytes().startswith(beginning)


@needs_matplotlib
@needs_pillow
def test_convolution_has_a_photograph_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["convolution", "--size", "64"]) == 0
    assert re.fullmatch(r"sobel_x\.png: the built-in photograph, \d+ x 64 pixels.*\n", capsys.readouterr().out)


def test_convolution_writes_a_page_with_the_pictures_numbers(photo, capsys, tmp_path, opened):
    options = ["--kernel", "box blur", "--padding-mode", "reflect", "--size", "8", "--out", "blur.html", "--open"]
    assert cli.main(["convolution", "--image", photo, *options]) == 0
    text = (tmp_path / "blur.html").read_text(encoding="utf-8")
    data = json.loads(re.search('<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])
    assert data["x"] == [[[[0] * 4 + [255] * 4] * 4]]
    assert data["title"] == "Box blur over half.png"
    assert data["mode"] == "reflect"
    assert opened == [(tmp_path / "blur.html").as_uri()]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--kernel", "sobbel"], "did you mean 'sobel_"),
        (["--image", "gone.png"], "there is no file gone.png"),
        (["--image", "text.png"], "text.png"),
        (["--out", "x.bmp"], "convolution: --out must end in .png, .pdf, .svg or .html but is x.bmp"),
        (["--out", "x.html", "--size", "33"], "a page shows the numbers of up to 32 pixels a side but got 33"),
        (["--size", "0"], "argument --size: expected an integer of 1 or more but got '0'"),
        (["--padding-mode", "wrap"], "invalid choice: 'wrap'"),
    ],
)
def test_a_wrong_convolution_gets_one_clear_line(photo, capsys, tmp_path, arguments, words):
    (tmp_path / "text.png").write_text("no picture")
    given = [] if "--image" in arguments else ["--image", photo]
    assert words in refusal(capsys, "convolution", *given, *arguments)
    assert {path.name for path in tmp_path.iterdir()} == {"half.png", "text.png"}


@pytest.mark.parametrize(("name", "module"), [("graphviz", "draw"), ("PIL", "convolution")])
def test_a_missing_package_is_named(script, photo, capsys, monkeypatch, name, module):
    import builtins

    imported = builtins.__import__

    def without(wanted, *arguments):
        if wanted.partition(".")[0] == name:
            raise ImportError(f"No module named {wanted!r}")
        return imported(wanted, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    arguments = ["net.py", "--out", "x.dot"] if module == "draw" else ["--image", photo, "--out", "x.html"]
    message = refusal(capsys, module, *arguments)
    assert "pip install" in message
    assert {"graphviz": "graphviz", "PIL": "Pillow"}[name] in message


def test_a_picture_is_shrunk_to_means():
    picture = np.arange(24.0).reshape(4, 6)
    assert shrunk(picture, 3).tolist() == [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]]
    assert shrunk(picture, 6) is picture
    assert shrunk(picture, 100) is picture
    colour = np.stack([picture, picture + 1, picture + 2], axis=2)
    assert np.array_equal(shrunk(colour, 3)[..., 2], shrunk(picture, 3) + 2)
    assert shrunk(np.zeros((1, 50)), 5).shape == (1, 5)
