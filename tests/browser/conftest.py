"""Pages in a real browser, cut off from the network. Every test in this folder is marked `browser`.

Needs playwright (`pip install -e ".[test,browser]"`) and a Chromium or Chrome of the system; no browser is downloaded.
CHROMIUM=/path/to/chromium names another one. SCREENSHOTS=folder keeps the pictures that the tests take.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest

EXECUTABLES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_itemcollected(item):
    item.add_marker("browser")


def pytest_runtest_setup(item):
    if find_spec("playwright") is None:
        pytest.skip("needs playwright")
    if executable() is None:
        pytest.skip(f"needs one of {', '.join(EXECUTABLES)} on the PATH, or CHROMIUM=/path/to/chromium")


def executable():
    """The browser that runs the pages, or None where there is none."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(which, EXECUTABLES)), None)


# Not for the whole session: while playwright is started, an event loop runs in this thread, and asyncio.run, as
# notebooks call it, is refused in every other test.
@pytest.fixture(scope="module")
def browser():
    """A headless Chromium, as playwright's Browser."""
    from playwright.sync_api import sync_playwright

    # Chromium refuses its sandbox to root, as containers run.
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable(), args=arguments)
        yield chromium
        chromium.close()


class Opener:
    """Opens pages and collects what no page may do.

    Attributes:
        troubles: a line for each console error or warning, uncaught exception, crash, dialog, websocket and request
            for anything but the opened file. A test that provokes some of them calls `take_troubles()`.
    """

    def __init__(self, browser, folder):
        self.browser, self.folder = browser, folder
        self.troubles = []
        self.contexts = []

    def __call__(self, page_or_path, theme="light", width=1280, height=800, reduced_motion=False):
        """Open a page of the library, or a file of any origin, and return playwright's Page.

        Args:
            page_or_path: the library's Page, which is written into the test's folder, or a path.
            theme: "light" or "dark", what the system is said to prefer.
            width, height: of the window, in pixels.
            reduced_motion: whether the system is said to prefer little movement.
        """
        path = page_or_path
        if hasattr(page_or_path, "write"):
            path = page_or_path.write(self.folder / f"page-{len(self.contexts)}.html").path
        url = Path(path).resolve().as_uri()
        context = self.browser.new_context(
            offline=True,
            color_scheme=theme,
            viewport={"width": width, "height": height},
            reduced_motion="reduce" if reduced_motion else "no-preference",
        )
        self.contexts.append(context)
        context.set_default_timeout(20_000)
        # Data and blob addresses are no requests and don't come here.
        context.route(lambda address: address.partition("#")[0] != url, self._refuse)
        page = context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.troubles.append(f"uncaught {error}"))
        page.on("crash", lambda _: self.troubles.append("crash"))
        page.on("websocket", lambda socket: self.troubles.append(f"websocket {socket.url}"))
        page.on("dialog", self._dismiss)
        page.goto(url)
        return page

    def take_troubles(self):
        """Return the troubles so far and forget them: the test expected them."""
        troubles, self.troubles = self.troubles, []
        return troubles

    def _refuse(self, route):
        self.troubles.append(f"request {route.request.url}")
        route.abort()

    def _hear(self, message):
        if message.type in ("error", "warning", "assert"):
            self.troubles.append(f"console {message.type}: {message.text}")

    def _dismiss(self, dialog):
        self.troubles.append(f"dialog {dialog.type}: {dialog.message}")
        dialog.dismiss()


@pytest.fixture
def open_page(browser, tmp_path):
    """Open pages from file:// with the network cut off, and fail the test if one of them did what no page may do.

    `open_page(page_or_path, theme="light", width=1280, height=800, reduced_motion=False)`, see `Opener`.
    """
    opener = Opener(browser, tmp_path)
    yield opener
    for context in opener.contexts:
        for page in context.pages:
            if not page.is_closed():
                # One more turn, so that what the page did last has been heard of.
                page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        context.close()
    assert not opener.troubles, "\n".join(opener.troubles)


@pytest.fixture
def screenshot(tmp_path):
    """`screenshot(page, "graph-dark")` writes graph-dark.png and returns its path.

    The folder is the environment's SCREENSHOTS, else the test's own. Other arguments are those of playwright's
    `Page.screenshot`, as `full_page=True`; a locator can be given for the page.
    """
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path)

    def write(page, name, **options):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        page.screenshot(path=path, animations="disabled", **options)
        return path

    return write
