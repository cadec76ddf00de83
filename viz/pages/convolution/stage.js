// A sweep on the stage: its grids in a row as in its formula, what the current step touches, and what a pointer is on.

/**
 * Build the grids of a sweep. `slice` is "all" or the number of the slice to be shown. A sign stays with the grid after
 * it where the row is too long for the page.
 */
function stageElement(sweep, slice) {
  const shown = sweep.slices.filter((_, i) => slice === "all" || i === slice);
  let number = 0;
  const sign = (text) => make("span", {class: `sign${text.length > 2 ? " wordy" : ""}`, "aria-hidden": "true"}, text);
  const signed = (text, plane) => make("div", {class: "signed"}, text ? sign(text) : null, gridElement(plane, number++));
  const rows = shown.map(({a, b}) => (
    make("div", {class: "slice"}, signed("", a), b ? signed(sweep.joint ?? "⋆", b) : null)));
  sweep.grids = planesOf(sweep, shown);
  const hidden = sweep.slices.length - shown.length;
  const bias = sweep.bias ? signed("+", sweep.bias) : null;
  const targets = sweep.targets.map((target, i) => signed(i ? "fold →" : sweep.sign ?? "=", target));
  return make("div", {class: "stage", ...stageSize(sweep, shown)},
    make("div", {class: "slices"}, rows,
      hidden ? make("p", {class: "faint"}, `and ${plural(hidden, sweep.sliceName)} more in the sum`) : null),
    bias, targets);
}

/** How many cells have to find room: beside each other at most, in one row, and below each other. */
function stageSize(sweep, shown) {
  const total = (numbers) => numbers.reduce((p, q) => p + q, 0);
  const most = Math.max(...sweep.grids.map((grid) => grid.columns));
  const row = Math.max(...shown.map(({a, b}) => a.columns + (b?.columns ?? 0))) +
    total([...(sweep.bias ? [sweep.bias] : []), ...sweep.targets].map((grid) => grid.columns));
  const stacked = total(shown.map(({a, b}) => Math.max(a.rows, b?.rows ?? 0)));
  const tall = Math.max(stacked, ...sweep.targets.map((grid) => grid.rows));
  const largest = Math.max(most, ...sweep.grids.map((grid) => grid.rows));
  return {
    "data-scale": largest <= 9 ? "large" : largest <= 14 ? "medium" : largest <= 20 ? "small" : "tiny",
    style: `--most: ${most}; --in-row: ${row}; --tall: ${tall}; --stacked: ${shown.length}`,
  };
}

/** Show every number as it is after so many steps. */
function showPosition(sweep, position, show) {
  rewind(sweep, position);
  for (const grid of sweep.grids) {
    for (const cell of cellsOf(grid)) showCell(cell, show);
    if (grid.lettersFor !== show) fitLetters(grid, show);
    grid.lettersFor = show;
  }
  markWinners(sweep, position);
}

/** Winners of the windows so far, with a star. */
function markWinners(sweep, position) {
  const winners = new Set(sweep.steps.slice(0, position).flatMap((step) =>
    [...(step.marks ?? []), ...step.writes.flatMap((write) => write.winners ?? [])]));
  for (const cell of sweep.winners ?? []) if (!winners.has(cell)) cell.element?.classList.remove("winner");
  for (const cell of winners) mark(cell, "winner");
  sweep.winners = winners;
}

const mark = (cell, name) => cell.element?.classList.add(name);

/** Take every highlight away. */
function clearMarks(sweep) {
  for (const grid of sweep.grids) {
    placeFrame(grid, null);
    for (const element of grid.element.querySelectorAll("td:is(.used, .partner, .target, .pair, .pinned)")) {
      element.classList.remove("used", "partner", "target", "pair", "pinned");
      delete element.dataset.times;
    }
  }
}

/** Highlight a step: its windows, what they take, and where it goes. */
function markStep(sweep, step) {
  for (const frame of step.frames) if (frame.grid.element) placeFrame(frame.grid, frame);
  if (step.at) mark(step.at, "used");
  if (step.words) return;
  for (const write of step.writes) markTerms(sweep, write.terms(), write.cell);
}

/** The sliding plane's cells are "used", those that they are multiplied with "partner"; the product's other factor stands
 *  in the used cell's corner. */
function markTerms(sweep, terms, target) {
  mark(target, "target");
  for (const {factors} of terms) {
    const sliding = factors.find((cell) => sweep.slices.some(({a}) => a === cell.grid));
    const other = factors.find((cell) => cell !== sliding);
    if (sliding) mark(sliding, "used");
    if (other) mark(other, "partner");
    if (sliding?.element && other && !sweep.isScatter) sliding.element.dataset.times = `×${cellText(other.value)}`;
  }
}

/** Highlight all that concerns a cell: its terms where it is a target, else where it is used. */
function markCell(sweep, cell, position) {
  if (sweep.targets.includes(cell.grid)) {
    const writes = writesInto(sweep, cell, position);
    const step = sweep.steps.find(({writes: [first, ...rest]}) => first?.cell === cell && !rest.length);
    for (const frame of sweep.isScatter ? [] : step?.frames ?? []) if (frame.grid.element) placeFrame(frame.grid, frame);
    for (const write of writes) markTerms(sweep, write.terms(), cell);
    mark(cell, "target");
    if (cell.repeats) mark(cell.repeats, "pair");
  } else {
    const uses = usesOf(sweep, cell);
    for (const {cell: target, term} of uses) {
      mark(target, "target");
      term.factors.forEach((factor) => mark(factor, factor.grid === cell.grid ? "used" : "partner"));
    }
    mark(cell, "pair");
  }
}

function markPair(cells) {
  for (const cell of cells) mark(cell, "pair");
}

function clearPair(sweep) {
  for (const {element} of sweep.grids) {
    for (const cell of element.querySelectorAll(".pair")) cell.classList.remove("pair");
  }
}
