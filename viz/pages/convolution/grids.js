// Grids as tables: cells that can be read, walked through with the arrow keys, and edited.

const CELL_OF = new WeakMap();

/** The cell that an event happened in. */
const cellAt = (event) => CELL_OF.get(event.target.closest?.("td"));
const isEditable = (cell) => cell.kind === "data" && cell.from !== null && cell.grid.key !== "db";

/** A grid with its caption. */
function gridElement(grid, number) {
  const table = make("table", {
    role: "grid", "data-grid": grid.key, "data-plane": grid.plane.join(), class: `tone-${grid.tone}`,
    "aria-label": `${grid.label}: ${plural(grid.rows, "row")}, ${plural(grid.columns, "column")}`,
  }, make("tbody", {}, grid.cells.map((row) => make("tr", {}, row.map(cellElement)))));
  grid.frame = make("div", {class: "frame", hidden: true, "aria-hidden": "true"});
  grid.number = number;
  grid.element = make("figure", {class: `grid of-${grid.tone}`, style: `--rows: ${grid.rows}; --columns: ${grid.columns}`},
    make("figcaption", {}, grid.label), make("div", {class: "plane"}, table, grid.frame));
  grid.cells[0][0].element.tabIndex = 0;
  return grid.element;
}

const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

function cellElement(cell) {
  cell.element = make("td", {
    tabindex: -1, "data-row": cell.row, "data-column": cell.column, class: `kind-${cell.kind}`,
    "data-name": cell.name && nameText(cell.name), "data-editable": isEditable(cell) && "",
    title: tooltip(cell),
  });
  CELL_OF.set(cell.element, cell);
  return cell.element;
}

function tooltip(cell) {
  if (cell.kind === "border" && cell.repeats) return `border: repeats X${cell.repeats.name.below}`;
  if (cell.kind === "border") return cell.name ? `padding: repeats ${nameText(cell.name)}` : "padding: 0";
  if (cell.kind === "beyond") return "ceil mode: outside of the padding, doesn’t count";
  if (cell.kind === "gap") return "0 between entries, a stride apart";
  if (cell.kind === "rim") return "0 around the entries";
  if (cell.kind === "cut") return "taken off by the padding";
  return cell.name && nameText(cell.name);
}

/** Write what a cell holds now, if that changed. `show` is "numbers", "names" or "shades". */
function showCell(cell, show) {
  const {element, value, name, grid} = cell;
  if (cell.shown === value && cell.shownAs === show) return;
  Object.assign(cell, {shown: value, shownAs: show});
  const has = value !== null && cell.kind !== "beyond";
  element.replaceChildren(!has ? "" : show === "names" && name ? nameElement(name, "short") : cellText(value));
  if (has) element.dataset.value = fullText(value);
  else delete element.dataset.value;
  element.classList.toggle("pending", !has);
  const words = !has ? "not yet" : shortText(value, 6);
  const kind = cell.kind === "data" ? "" : `, ${tooltip(cell)}`;
  element.setAttribute("aria-label", `row ${cell.row + 1}, column ${cell.column + 1}${kind}: ${words}`);
  if (has && show === "shades") element.style.setProperty("--level", greyLevel(asDouble(value), grid.range).toFixed(3));
}

/** From black, the least number of the grid, to white. */
function greyLevel(value, [least, most]) {
  return most > least ? Math.max(0, Math.min(1, (value - least) / (most - least))) : 0.5;
}

/** One size of letters for a whole grid, by its longest text. */
function fitLetters(grid, show) {
  const nameLength = ({short, above, below}) => short.length + 0.7 * Math.max(below.length, above.length);
  const names = cellsOf(grid).map(({name}) => name ? nameLength(name) : 1);
  const longest = show === "names" ? Math.max(...names) : grid.longest;
  grid.element.style.setProperty("--length", Math.max(3, longest));
}

/** Draw the window on a grid, or take it away. */
function placeFrame(grid, frame) {
  grid.frame.hidden = !frame;
  if (frame) {
    const style = {"--row": frame.row, "--column": frame.column, "--tall": frame.rows, "--wide": frame.columns};
    for (const [name, value] of Object.entries(style)) grid.frame.style.setProperty(name, value);
  }
}

/** Move the focus inside of a grid; false where the key is none of its keys. */
function walkGrid(cell, event) {
  const {grid} = cell;
  const moves = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -cell.column],
    End: [0, grid.columns - 1 - cell.column]};
  const move = moves[event.key];
  if (!move || event.ctrlKey || event.metaKey || event.altKey) return false;
  focusCell(grid.cells[cell.row + move[0]]?.[cell.column + move[1]] ?? cell);
  return true;
}

function focusCell(cell) {
  for (const other of cellsOf(cell.grid)) other.element.tabIndex = -1;
  cell.element.tabIndex = 0;
  cell.element.focus();
}

/** Let the user type a number into a cell; `done(value)` gets it, or null where nothing changed. */
function editCell(cell, first, done) {
  const input = make("input", {
    class: "cell-input", inputmode: "text", "aria-label": `${nameText(cell.name)}: a number, such as 2, −0.5 or 1/9`,
    autocomplete: "off", spellcheck: "false",
  });
  input.value = first ?? fullText(cell.value);
  let isOpen = true;
  cell.shownAs = null;
  const close = (value) => {
    if (!isOpen) return;
    isOpen = false;
    done(value);
  };
  const commit = (isFinal) => {
    const value = parseNumber(input.value);
    if (value !== null) return close(value);
    if (isFinal) return close(null);
    input.setAttribute("aria-invalid", "true");
    speak(`${input.value || "nothing"} is not a number; type one such as 2, −0.5 or 1/9`);
  };
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") commit(false);
    else if (event.key === "Escape") close(null);
    else return;
    event.preventDefault();
  });
  input.addEventListener("blur", () => commit(true));
  cell.element.replaceChildren(input);
  input.focus();
  if (first === undefined) input.select();
}
