// What all pages share. Text is set as text, never as markup, so nothing in a name can be run.

/** What Python wrote into the page. */
function readData() {
  return JSON.parse(document.getElementById("data").textContent);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined).map((child) =>
    child instanceof Node ? child : String(child)));
  return element;
}

/** An HTML element: make("p", {class: "faint", onclick: f}, "text", child, ...). */
function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element, likewise. */
function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** A button that changes between light and dark, beginning with what the system has. */
function themeButton() {
  const root = document.documentElement;
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const label = () => isDark() ? "Light" : "Dark";
  const button = make("button", {type: "button", class: "screen-only", title: "Change between light and dark", onclick: () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    button.textContent = label();
  }}, label());
  return button;
}

/** Say something to a screen reader without moving the focus; the page holds an element with the id "spoken". */
function speak(text) {
  document.getElementById("spoken").textContent = text;
}
