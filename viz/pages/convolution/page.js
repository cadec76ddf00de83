// The page: which sweep is shown and how far it is, what the pointer or the focus is on, and what follows from an edit.

const DATA = readData();
let model = readModel(DATA);
const MOST_CELLS = 5000;
const view = {tab: "forward", position: null, n: 0, f: 0, c: 0, k: 0, slice: null, show: null, pinned: null, error: null};
let sizes, sweep, editing = false;

const parts = {
  title: make("h1"),
  tabs: make("div", {role: "tablist", "aria-label": "Sweeps", class: "tabs"}),
  formula: make("p", {class: "sweep-formula formula"}),
  words: make("p", {class: "faint sweep-words"}),
  head: make("div", {class: "sweep-head"}),
  choices: make("div", {class: "choices screen-only"}),
  stage: make("div", {class: "stage-frame", id: "stage", role: "tabpanel"}),
  explanation: make("section", {class: "explanation panel", "aria-label": "How this number is made"}),
  sizes: make("section", {class: "panel sizes", "aria-label": "Size of the output"}),
  form: make("div", {class: "form-place"}),
};
const controls = player((position) => {
  view.position = position;
  view.pinned = null;
  showStep();
});
let settings;

function layOut() {
  parts.head.append(parts.formula, parts.words);
  const isNarrow = matchMedia("(max-width: 60rem)").matches;
  document.getElementById("page").append(
    make("header", {class: "bar"}, parts.title, make("span", {class: "grow"}),
      make("button", {type: "button", class: "screen-only", onclick: reset, title: "Everything as it was at first"}, "Reset"),
      themeButton()),
    make("div", {class: "layout"},
      make("details", {class: "settings-panel panel screen-only", open: !isNarrow}, make("summary", {}, "Settings"),
        parts.form),
      make("main", {class: "work"}, parts.tabs,
        parts.head, controls.element, parts.choices, parts.stage,
        parts.explanation, parts.sizes,
        make("p", {class: "faint keys screen-only"}, "Space plays, ← → step, Home and End go to the ends. Point at any " +
          "number to see what made it; a click keeps it, Esc lets go. A double click or Enter changes a number."))));
}

/** After a setting, an array or the operation changed: sizes, then the sweep, then everything that is seen. */
function rebuild() {
  controls.pause();
  sizes = settle(model);
  settings.refresh();
  parts.title.textContent = document.title = DATA.title ?? model.operation;
  const error = view.error ?? sizes.error;
  showSizes(error);
  for (const part of [parts.head, parts.explanation, parts.choices, controls.element]) part.hidden = Boolean(error);
  if (error) {
    sweep = null;
    parts.stage.replaceChildren(make("p", {role: "alert", class: "problem"}, error));
    return;
  }
  buildSweep();
}

function sweepsOf() {
  const {operation} = model;
  const sweeps = isPool(operation) ? poolingSweeps : isTransposed(operation) ? transposedSweeps : convolutionSweeps;
  return sweeps(model, sizes).filter(({id}) => id !== "db" || model.bias);
}

function buildSweep() {
  const sweeps = sweepsOf();
  const chosen = sweeps.find(({id}) => id === view.tab) ?? sweeps[0];
  view.tab = chosen.id;
  for (const [name, count] of Object.entries(axisCounts())) view[name] = Math.min(view[name], count - 1);
  sweep = chosen.build(view);
  evaluate(sweep);
  sweep.shown = shownSlice();
  showTabs(sweeps);
  parts.formula.textContent = sweep.formula;
  parts.words.textContent = sweep.words;
  parts.stage.replaceChildren(stageElement(sweep, sweep.shown));
  view.show ??= parts.stage.firstChild.dataset.scale === "tiny" ? "shades" : "numbers";
  parts.stage.dataset.show = view.show;
  showChoices();
  // A sweep is entered at its first window; how a scattering one begins is the step before that.
  view.position = Math.min(view.position ?? (sweep.steps[0].words ? 2 : 1), sweep.steps.length);
  controls.reset(sweep.steps.length, view.position);
  showStep(false);
}

/** The slice that was chosen; before that all, or the first where so many cells would make the page slow. */
function shownSlice() {
  const cells = sweep.slices.reduce((sum, {a, b}) => sum + a.rows * a.columns + (b ? b.rows * b.columns : 0), 0);
  const slice = view.slice ?? (cells <= MOST_CELLS ? "all" : 0);
  return slice === "all" ? slice : Math.min(slice, sweep.slices.length - 1);
}

/** How many planes there are to choose from along each axis. */
function axisCounts() {
  return {n: model.x.length, f: model.filters, c: model.x[0].length, k: model.weight?.[0].length ?? 1};
}

function showTabs(sweeps) {
  const hasFocus = parts.tabs.contains(document.activeElement);
  const button = ({id, title}) => make("button", {
    type: "button", role: "tab", id: `tab-${id}`, "aria-selected": String(id === view.tab), "aria-controls": "stage",
    tabindex: id === view.tab ? 0 : -1, onclick: () => chooseTab(id), onkeydown: (event) => walkTabs(event, sweeps, id),
  }, title);
  const label = (text) => make("span", {class: "tab-label faint", "aria-hidden": "true"}, text);
  const isForward = ({id}) => ["forward", "dilated"].includes(id);
  parts.tabs.replaceChildren(
    label("Forward"), ...sweeps.filter(isForward).map(button),
    label("Backward"), ...sweeps.filter((other) => !isForward(other)).map(button));
  parts.stage.setAttribute("aria-labelledby", `tab-${view.tab}`);
  if (hasFocus) document.getElementById(`tab-${view.tab}`).focus();
}

function chooseTab(id) {
  if (id === view.tab) return;
  controls.pause();
  Object.assign(view, {tab: id, position: null, pinned: null});
  buildSweep();
}

function walkTabs(event, sweeps, id) {
  const at = sweeps.findIndex((other) => other.id === id);
  const to = {ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: sweeps.length - 1}[event.key];
  if (to === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  chooseTab(sweeps.at(to % sweeps.length).id);
}

/** Which image, filter and channel are shown, and whether cells show numbers, names or shades. */
function showChoices() {
  const counts = axisCounts();
  const filterWord = sweep.selectors.includes("k") ? "Filter" : "Output channel";
  const inner = isTransposed(model.operation) ? "Filter" : "Channel";
  const words = {n: "Image", f: filterWord, c: "Channel", k: inner};
  const selects = sweep.selectors.filter((name) => counts[name] > 1).map((name) => chooser(words[name], name,
    Array.from({length: counts[name]}, (_, i) => [i, i + 1])));
  if (sweep.slices.length > 1) {
    const slices = sweep.slices.map((_, i) => [i, i + 1]);
    selects.push(chooser(`Shown ${sweep.sliceName}s`, "slice", [["all", "all"], ...slices], sweep.shown));
  }
  const shows = [["numbers", "Numbers"], ["names", "Names"], ["shades", "Shades"]].map(([id, text]) => make("button", {
    type: "button", "aria-pressed": String(view.show === id), "data-show": id, onclick: () => {
      view.show = id;
      parts.stage.dataset.show = id;
      showChoices();
      showStep(false);
    }}, text));
  const segments = make("span", {class: "segments", role: "group", "aria-label": "Cells show"}, shows);
  parts.choices.replaceChildren(...selects, segments);
}

function chooser(label, name, options, value = view[name]) {
  const select = make("select", {"data-choice": name, onchange: () => {
    view[name] = select.value === "all" ? "all" : Number(select.value);
    view.pinned = null;
    buildSweep();
  }}, options.map(([value, text]) => make("option", {value}, text)));
  select.value = value;
  return make("label", {class: "choice"}, make("span", {class: "faint"}, label), select);
}

/** The numbers up to the position, and the step that led there. */
function showStep(isSpoken = true) {
  showPosition(sweep, view.position, view.show);
  showFocus(null);
  const step = sweep.steps[view.position - 1];
  if (isSpoken && step && !controls.isFast) speak(sentence(sweep, step));
}

/** Highlight and explain a cell: the one pointed at, else the one that was kept, else what the current step writes. */
function showFocus(pointed) {
  const cell = pointed ?? view.pinned;
  const step = sweep.steps[view.position - 1];
  clearMarks(sweep);
  if (view.pinned) mark(view.pinned, "pinned");
  let explained;
  if (cell) {
    markCell(sweep, cell, view.position);
    explained = explainCell(sweep, cell, view.position);
  } else if (!step) {
    explained = [make("p", {class: "faint"}, "Nothing is computed yet. Press play, or step with →.")];
  } else {
    markStep(sweep, step);
    const isOne = step.writes.length === 1 && !(sweep.isScatter || step.words);
    explained = isOne ? explainTarget(sweep, step.writes[0].cell, view.position)
      : sweep.isScatter ? explainStep(step) : [make("h3", {}, `${capital(sentence(sweep, step))}.`)];
  }
  parts.explanation.replaceChildren(...explained);
}

/** A sentence for the rows or columns at the end of the padded input that the stride leaves out. */
function leftOver(count, word) {
  return count === 1 ? `The last ${word} of the padded input is in no window: the stride leaves it over.`
    : `The last ${plural(count, word)} of the padded input are in no window: the stride leaves them over.`;
}

function showSizes(error) {
  const letters = ["H′", "W′"];
  const lines = error || !sizes.out ? [] : AXES.map((a) => {
    const [symbolic, numbers, result] = sizeFormula(model, sizes, a);
    return make("p", {class: "size-line"}, make("span", {class: "formula"}, `${letters[a]} = ${symbolic}`), " ",
      make("span", {class: "numbers"}, `= ${numbers} =\u00a0`, make("b", {"data-size": "HW"[a]}, result)));
  });
  const left = error || !sizes.left ? [] : AXES.filter((a) => sizes.left[a]).map((a) =>
    make("p", {class: "faint"}, leftOver(sizes.left[a], ["row", "column"][a])));
  parts.sizes.replaceChildren(make("h2", {}, "Size of the output"), ...lines, ...left,
    make("pre", {class: "code"}, sizes.error ? "" : pythonCall(model, sizes)));
  parts.sizes.hidden = Boolean(error);
}

/** Enter on a cell: a number that was given can be changed, of one that was computed a screen reader hears how. */
function editOrSpeak(cell) {
  const {explanation} = parts;
  if (isEditable(cell)) edit(cell);
  else speak(explanation.querySelector("[data-formula]")?.dataset.formula ?? explanation.textContent);
}

/** Change a number through its cell; afterwards the same place has the focus again. */
function edit(cell, first) {
  if (!isEditable(cell)) return;
  controls.pause();
  editing = true;
  editCell(cell, first, (value) => {
    editing = false;
    const {number} = cell.grid;
    const hadFocus = cell.element.contains(document.activeElement) || document.activeElement === document.body;
    if (value === null) showStep(false);
    else {
      setElement(model, cell.from, value);
      view.pinned = null;
      rebuild();
    }
    const again = sweep?.grids.find((grid) => grid.number === number)?.cells[cell.row]?.[cell.column];
    if (again && hadFocus) focusCell(again);
  });
}

function reset() {
  model = readModel(DATA);
  Object.assign(view, {tab: "forward", position: null, n: 0, f: 0, c: 0, k: 0, slice: null, pinned: null, error: null});
  begin();
}

function begin() {
  settings = settingsForm(model, DATA.kernels, (error) => {
    view.error = error;
    view.pinned = null;
    rebuild();
  });
  parts.form.replaceChildren(settings.element);
  rebuild();
}

function listen() {
  const {stage, explanation} = parts;
  stage.addEventListener("pointerover", (event) => { if (sweep && !editing) showFocus(cellAt(event) ?? null); });
  stage.addEventListener("pointerleave", () => { if (sweep && !editing) showFocus(null); });
  stage.addEventListener("focusin", (event) => { if (cellAt(event) && !editing) showFocus(cellAt(event)); });
  stage.addEventListener("click", (event) => {
    const cell = cellAt(event);
    if (!cell || editing) return;
    controls.pause();
    view.pinned = view.pinned === cell ? null : cell;
    focusCell(cell);
    showFocus(null);
  });
  stage.addEventListener("dblclick", (event) => { if (cellAt(event) && !editing) edit(cellAt(event)); });
  stage.addEventListener("keydown", (event) => {
    const cell = cellAt(event);
    if (!cell || editing) return;
    const types = /^[-\d.−]$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (walkGrid(cell, event)) event.stopPropagation();
    else if (event.key === "Enter" || event.key === "F2") editOrSpeak(cell);
    else if (types) edit(cell, event.key);
    else return;
    event.preventDefault();
  });
  explanation.addEventListener("pointerover", (event) => {
    const {pair} = event.target.closest(".product, .term, .use") ?? {};
    if (!sweep) return;
    clearPair(sweep);
    if (pair) markPair(pair);
  });
  explanation.addEventListener("pointerleave", () => { if (sweep) clearPair(sweep); });
  // A button that was clicked with a pointer lets go of the keys: Space shall play, whatever was clicked last.
  document.addEventListener("click", (event) => {
    if (event.detail && document.activeElement?.matches("button")) document.activeElement.blur();
  });
  document.addEventListener("keydown", (event) => {
    if (!sweep || editing || event.defaultPrevented) return;
    const {target} = event;
    if (event.key === "Escape") {
      view.pinned = null;
      if (CELL_OF.has(target)) target.blur();
      return showFocus(null);
    }
    const takesKeys = target.closest("input, select, summary") || (event.key === " " && target.closest("button"));
    if (!takesKeys && controls.key(event)) event.preventDefault();
  });
}

layOut();
begin();
listen();
