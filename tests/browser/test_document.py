"""The document that every page is: it loads nothing, runs nothing of the user's, and shares a notebook with others."""

import os
import re
from html import escape
from pathlib import Path

import pytest

from tinygrad_cnn.viz.pages import document as pages
from tinygrad_cnn.viz.pages.document import Page, document

HOSTILE = [
    "<script>window.stolen = 1</script>",
    "</script><script>window.stolen = 1</script>",
    "</title><script>window.stolen = 1</script>",
    '"><img src=x onerror="window.stolen = 1">',
    "<!--<script>",
    "]]>&lt;b&gt;&amp;",
    "${window.stolen = 1} `\\u003c` \\",
    "line\nbreak\ttab\rreturn\u2028separator",
    "\x00nul",
    "\ud800 alone",
    "\u202eright to left",
    "Δ中文🙂",
    "n" * 10_000,
]

SHOW = """
const {names} = readData();
document.body.append(...names.map((name) => make("p", {class: "name", title: name}, name)),
  draw("svg", {}, names.map((name) => draw("text", {class: "name"}, name))), make("p", {id: "spoken"}), themeButton());
speak(names.join());
"""


@pytest.fixture
def shown(tmp_path):
    """A page that runs SHOW on names: the script is found beside the package's own."""
    script = tmp_path / "show.js"
    script.write_text(SHOW, encoding="utf-8")
    relative = Path(os.path.relpath(script, Path(pages.__file__).parent)).as_posix()

    def page(*names, title="test"):
        body = "".join(f"<h2>{escape(name)}</h2>" for name in names)
        return document(title, body, scripts=[relative], data={"names": names})

    return page


def texts(found):
    """What the elements show; a lone surrogate as U+FFFD, which is how a browser hands it out."""
    return [as_shown(text) for text in found.all_text_contents()]


def as_shown(text):
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)


def check_nothing_was_run(frame):
    assert frame.evaluate("window.stolen ?? null") is None
    assert frame.locator("img").count() == 0
    assert frame.locator("script").count() == 2, "the data and the page's own"


def test_a_name_is_shown_and_never_run(open_page, shown):
    page = open_page(shown(*HOSTILE, title="".join(HOSTILE)))
    names = list(map(as_shown, HOSTILE))
    assert texts(page.locator(".name")) == 2 * names
    assert texts(page.locator("#spoken")) == [",".join(names)]
    titles = page.locator("p.name").evaluate_all("found => found.map(element => element.title)")
    assert list(map(as_shown, titles)) == names
    assert page.locator("h2").count() == len(names)
    check_nothing_was_run(page)


def test_title_is_the_text(open_page, shown):
    title = """<b>"it's"</b> & </title>"""
    assert open_page(shown("x", title=title)).title() == title


def test_data_come_back_as_they_were(open_page, shown):
    data = {"list": [1, -0.5, 1e300, 2**53], "text": "\x00\u2028</script>", "none": None, "yes": True, "": {}}
    page = open_page(document("data", "", data=data))
    assert page.evaluate("JSON.parse(document.getElementById('data').textContent)") == data


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_data_without_json_are_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        document("x", "", data=[value])


def troubles_after(open_page, page, script):
    """What the browser reports of a script that the page must stop: waited for, since some of it takes a while."""
    page.evaluate(f"() => {{ {script} }}")
    for _ in range(100):
        page.wait_for_timeout(20)
        if open_page.troubles:
            break
    return open_page.take_troubles()


def test_policy_stops_a_script_that_got_in(open_page, shown):
    page = open_page(shown("x"))
    for script in (
        "const s = document.createElement('script'); s.textContent = 'window.stolen = 1'; document.body.append(s)",
        "document.body.insertAdjacentHTML('beforeend', '<b id=b onclick=\"window.stolen = 1\">b</b>'); b.click()",
        "Object.assign(document.createElement('a'), {href: 'javascript:window.stolen = 1'}).click()",
        "document.body.append(Object.assign(document.createElement('script'), {src: 'data:,window.stolen=1'}))",
    ):
        troubles = troubles_after(open_page, page, script)
        assert page.evaluate("window.stolen ?? null") is None
        assert len(troubles) == 1, script
        assert "Content Security Policy" in troubles[0]


def test_policy_stops_every_request(open_page, shown):
    page = open_page(shown("x"))
    for script in (
        "document.body.append(Object.assign(new Image(), {src: 'https://example.com/spy.png'}))",
        "document.body.append(Object.assign(new Image(), {src: 'beside.png'}))",
        "document.body.append(Object.assign(document.createElement('iframe'), {src: 'https://example.com/'}))",
        "document.body.insertAdjacentHTML('beforeend', '<link rel=stylesheet href=https://example.com/x.css>')",
        "document.body.style.backgroundImage = 'url(https://example.com/x.png)'",
        "fetch('https://example.com/').catch(() => 0)",
        "try { new WebSocket('wss://example.com/') } catch {}",
        "navigator.sendBeacon('https://example.com/', 'spied')",
        "document.body.insertAdjacentHTML('beforeend', '<form id=f action=https://example.com/></form>'); f.submit()",
    ):
        troubles = troubles_after(open_page, page, script)
        assert troubles, script
        for trouble in troubles:
            assert trouble.startswith("console error"), trouble
            assert "Content Security Policy" in trouble


def test_a_request_fails_the_test(open_page, tmp_path):
    """The harness itself: without a policy each of these is noticed."""
    path = tmp_path / "bad.html"
    path.write_text(
        "<!doctype html><title>bad</title><img src='https://example.com/x.png'>"
        "<script>console.warn('w'); console.error('e'); alert('a'); setTimeout(() => { throw Error('late') })</script>"
    )
    open_page(path).wait_for_timeout(50)
    troubles = "\n".join(open_page.take_troubles())
    for text in (
        "request https://example.com/x.png",
        "console warning: w",
        "console error: e",
        "dialog alert: a",
        "uncaught late",
    ):
        assert text in troubles


@pytest.mark.parametrize(("theme", "other"), [("light", "dark"), ("dark", "light")])
def test_theme_is_the_systems_until_the_button_is_pressed(open_page, shown, screenshot, theme, other):
    page = open_page(shown("name"), theme=theme)
    button = page.get_by_role("button")

    def is_dark():
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", ground))) < 3 * 128

    assert button.text_content() == other.capitalize()
    assert is_dark() == (theme == "dark")
    screenshot(page, f"document-{theme}")
    page.keyboard.press("Tab")
    assert button.evaluate("button => button === document.activeElement")
    page.keyboard.press("Enter")
    assert is_dark() == (other == "dark")
    assert button.text_content() == theme.capitalize()
    button.click()
    assert is_dark() == (theme == "dark")


def test_dark_page_is_printed_light_without_the_buttons(open_page, shown):
    page = open_page(shown("name"), theme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.get_by_role("button").is_visible()


def contrast(first, second):
    """WCAG 2: the ratio of the relative luminances of two colours, each (red, green, blue) up to 255."""

    def luminance(colour):
        parts = [part / 255 for part in colour]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05

    brighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return brighter / darker


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_on_every_ground(open_page, shown, theme):
    """4.5 for text and 3 for what is drawn, as WCAG 2 AA asks."""
    page = open_page(shown("name"), theme=theme)

    def colour(name):
        text = page.evaluate(
            "name => { const p = document.querySelector('.name'); p.style.color = `var(--${name})`;"
            " return getComputedStyle(p).color; }",
            name,
        )
        return [int(part) for part in re.findall(r"\d+", text)[:3]]

    grounds = ("ground", "panel", "raised")
    for ground in (*grounds, "leaf", "constant", "result", "operation", "output", "gradient-ground"):
        assert contrast(colour("ink"), colour(ground)) >= 4.5, ground
    for ground in grounds:
        for text in ("faint", "accent", "gradient", "warning", "positive", "negative"):
            assert contrast(colour(text), colour(ground)) >= 4.5, (text, ground)
        for line in ("focus", "leaf-line", "constant-line", "result-line", "operation-line", "output-line"):
            assert contrast(colour(line), colour(ground)) >= 3, (line, ground)


def notebook(*displayed):
    """What a notebook makes of outputs: their text/html one below another in one document."""
    return "<!doctype html><meta charset=utf-8><title>notebook</title>" + "".join(
        f"<div>{page._repr_mimebundle_()['text/html']}</div>" for page in displayed
    )


def test_two_pages_live_in_one_notebook(open_page, shown, tmp_path, screenshot):
    names = ["first", """<b>"second" & it's</b>"""]
    path = tmp_path / "notebook.html"
    path.write_text(notebook(*(shown(name, title=name) for name in names)), encoding="utf-8")
    page = open_page(path)
    for number, name in enumerate(names):
        frame = page.frame_locator("iframe").nth(number)
        assert frame.locator("p.name").text_content() == name
        frame.get_by_role("button").click()
        assert page.locator("iframe").nth(number).get_attribute("title") == name
    # Each frame is a document of its own: the second button changed the second page alone, the notebook not at all.
    themes = [frame.evaluate("document.documentElement.dataset.theme ?? null") for frame in page.frames]
    assert themes == [None, "dark", "dark"]
    page.frame_locator("iframe").first.get_by_role("button").click()
    themes = [frame.evaluate("document.documentElement.dataset.theme ?? null") for frame in page.frames]
    assert themes == [None, "light", "dark"]
    screenshot(page, "document-notebook", full_page=True)


def test_page_in_a_notebook_reaches_nothing_of_it(open_page, shown, tmp_path):
    path = tmp_path / "notebook.html"
    path.write_text(notebook(shown("x")), encoding="utf-8")
    page = open_page(path)
    frame = page.frames[1]
    with pytest.raises(Exception, match="SecurityError"):
        frame.evaluate("parent.document.title")


def test_hostile_pages_in_a_notebook(open_page, shown, tmp_path):
    path = tmp_path / "notebook.html"
    path.write_text(notebook(*(shown(name, title=name) for name in HOSTILE)), encoding="utf-8")
    page = open_page(path)
    assert len(page.frames) == 1 + len(HOSTILE)
    for frame, name in zip(page.frames[1:], HOSTILE, strict=True):
        assert texts(frame.locator("p.name")) == [as_shown(name)]
        check_nothing_was_run(frame)
    assert page.evaluate("window.stolen ?? null") is None


def test_written_page_is_the_html(tmp_path):
    page = document("a page", "<p>Δ</p>")
    assert page.path is None
    assert "not written" in repr(page)
    with pytest.raises(ValueError, match=r"open: .*'a page'.*write"):
        page.open()
    written = page.write(tmp_path / "page.html")
    assert written == Page("a page", page.html, tmp_path / "page.html")
    assert written.path.read_text(encoding="utf-8") == page.html
    assert page.path is None


def test_page_is_not_written_where_there_is_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        document("a page", "").write(tmp_path / "none" / "page.html")
    assert list(tmp_path.iterdir()) == []
