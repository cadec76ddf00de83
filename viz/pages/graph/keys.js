// The keyboard: what works everywhere, and the dialog that lists it.

const KEYS = [
  ["Picture", [["Tab", "into the picture, then to the box that was reached last"], ["← ↑ → ↓", "on the picture: move it; on a box: along the edges"],
    ["Shift + ← ↑ → ↓", "move the picture"], ["N, Shift + N", "next and previous box in recorded order"],
    ["Enter", "fold or unfold a module"], ["[ , ]", "fold or unfold one level more"], ["+, −, 0", "zoom in, out, fit"],
    ["Escape", "select nothing"]]],
  ["Steps", [["Space", "play and pause"], [". and ,", "one step forward, one step back"], ["Home, End", "to the start, to the end"]]],
  ["Page", [["/", "search; Enter goes to the next hit, Shift + Enter to the one before"], ["T", "table or picture"], ["?", "this list"]]],
];

function helpDialog() {
  const close = make("button", {type: "button", onclick: () => dialog.close()}, "Close");
  const dialog = make("dialog", {id: "help", "aria-labelledby": "help-title"},
    make("header", {}, make("h2", {id: "help-title"}, "Keys and mouse"), close),
    KEYS.map(([title, keys]) => [make("h3", {}, title), make("dl", {class: "keys"}, keys.map(([key, what]) =>
      [make("dt", {}, make("kbd", {}, key)), make("dd", {}, what)]))]),
    make("h3", {}, "Mouse and touch"),
    make("p", {}, "Drag to move, turn the wheel or pinch to zoom. Click a module to unfold it, its heading to fold it again. "
      + "Point at a box to see what it holds, click it to keep that in the panel."),
    make("h3", {}, "How it is drawn"),
    make("ul", {class: "legend"}, [["leaf", "a leaf, where a gradient arrives"], ["constant", "a constant, without a gradient"],
      ["result", "a result"], ["output", "what the page was made for"], ["operation", "an operation"],
      ["container", "a folded module"]].map(([kind, what]) => make("li", {}, make("span", {class: `swatch ${kind}`}), what))),
    make("p", {class: "faint"}, data.by ? `Laid out by ${data.by === "dot" ? "Graphviz" : "Graphviz in pygraphviz"}.`
      : "Laid out by the library itself, since no Graphviz was found."));
  return dialog;
}

/** Call the action of a key, unless it is typed into a field. */
function onKeys(actions) {
  document.addEventListener("keydown", (event) => {
    const {key, target} = event;
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest("dialog")) return;
    const isField = target.matches("input, select, textarea");
    // A focused button, link or slider keeps the keys that are its own.
    if (isField && (target.type !== "range" || !" .,?/".includes(key))) return;
    if (target.matches("button, summary") && (key === " " || key === "Enter")) return;
    const action = actions[event.shiftKey && key.length > 1 ? `Shift+${key}` : key.length === 1 ? key.toLowerCase() : key];
    if (action && action(event) !== false) event.preventDefault();
  });
}
