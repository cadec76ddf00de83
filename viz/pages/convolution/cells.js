// What a sweep is made of. A grid shows one plane of an array, cell by cell; a sweep fills a target grid in steps, and
// each step writes into cells of it a sum of terms, each a product of cells. Every number, every highlight and every
// formula of the page is read off these terms.
//
// cell: {grid, row, column, value, name, kind, from}
//   kind   "data" an element of an array, "border" padding in its mode, "beyond" what ceil mode adds, "gap" the zeros
//          that dilate by the stride, "rim" the zeros around, "cut" what padding takes off a transposed convolution
//   from   {array, index}: the element that the cell is, or repeats
//   same   equal for the cells that show the same element
//   value  of a target, null until a step writes it
// term: {factors: [cell, ...], share, slice}; its value is the product of its factors and of its share, if it has one
// write: {cell, terms(), combine, divisor, columns, value, winners}; combine is "sum", "mean" (by the divisor) or "max";
//        its terms lie in rows of so many columns
// step: {writes, frames, at, words}, frames: [{grid, row, column, rows, columns}], the windows to draw; `at` is the cell
//       that the step takes, where it isn't a window; words say what it does where that isn't plain
// sweep: {slices: [{a, b}], bias, targets, steps, selectors, sliceName, formula, words, isScatter,
//         joint, sign}; the slices are summed; joint and sign stand between their grids and before the target

/** The names of arrays as the lecture writes them: long in formulas, short in cells. */
function symbols(operation) {
  const z = isTransposed(operation) ? "y" : "z";
  return {
    x: ["X", "X"], weight: ["K", "K"], bias: ["B", "B"], z: [z, z], dz: [`∂L/∂${z}`, `d${z}`],
    dx: ["∂L/∂X", "dX"], padded: ["∂L/∂X\u0302", "dX\u0302"], dk: ["∂L/∂K", "dK"],
    db: ["∂L/∂B", "dB"],
  };
}

/**
 * The name of an element: {long, short, above, below}. Its row and column stand below, counted from 1 as in the
 * lecture; its image, channel or filter stand above, where there are several.
 */
function elementName(symbol, index, shape) {
  const planes = index.slice(0, -2).filter((_, axis) => shape[axis] > 1).map((i) => i + 1);
  const place = index.slice(-2).map((i) => i + 1);
  const fits = place.every((i) => i < 10) && shape.slice(-2).every((n) => n < 10);
  return {long: symbol[0], short: symbol[1], above: planes.join(","), below: place.join(fits ? "" : ",")};
}

/** A name as plain text: X11, X(2)11 in channel 2. */
const nameText = (name) => `${name.long}${name.above && `(${name.above})`}${name.below}`;

/** A name as markup. */
function nameElement(name, length = "long") {
  const below = name.below ? make("sub", {}, name.below) : null;
  const above = name.above ? make("sup", {}, name.above) : null;
  const scripts = above && below ? make("span", {class: "scripts"}, above, below) : [above, below];
  return make("span", {class: "name"}, name[length], scripts);
}

/** A grid; `at(row, column)` gives what its cell holds. */
function makeGrid({key, label, tone, rows, columns, plane = null}, at) {
  const grid = {key, label, tone, rows, columns, plane, cells: []};
  for (let row = 0; row < rows; row++) {
    grid.cells.push([]);
    for (let column = 0; column < columns; column++) {
      const cell = {grid, row, column, kind: "data", value: 0, name: null, from: null, ...at(row, column)};
      cell.element = null;
      cell.same = cell.from ? `${cell.from.array} ${cell.from.index}` : cell;
      grid.cells[row].push(cell);
    }
  }
  return grid;
}

/** The cells of a grid, row by row. */
const cellsOf = (grid) => grid.cells.flat();

/** The steps of a window that slides over each slice's plane `a`, its entries multiplied with those of `b`. */
function slide({slices, count, kernel, stride, dilation, start = [0, 0], bias = null, swapped = false, target}) {
  const steps = [];
  for (const [i, j] of places(count)) {
    const [top, left] = [start[0] + stride[0] * i, start[1] + stride[1] * j];
    const terms = () => {
      const found = [];
      slices.forEach(({a, b}, slice) => {
        for (const [u, v] of places(kernel)) {
          const factors = [a.cells[top + dilation[0] * u][left + dilation[1] * v], b.cells[u][v]];
          found.push({factors: swapped ? factors.reverse() : factors, slice});
        }
      });
      if (bias) found.push({factors: [bias], slice: null});
      return found;
    };
    const [rows, columns] = AXES.map((a) => dilation[a] * (kernel[a] - 1) + 1);
    const frames = slices.map(({a}) => ({grid: a, row: top, column: left, rows, columns}));
    steps.push({writes: [{cell: target(i, j), terms, combine: "sum", columns: kernel[1]}], frames});
  }
  return steps;
}

/** The steps that add up planes, a cell at a time, in one cell. */
function addUp(grids, cell) {
  return grids.flatMap((grid, slice) => cellsOf(grid).map((part) => ({
    writes: [{cell, terms: () => [{factors: [part], slice}], combine: "sum", columns: grid.columns}],
    frames: [],
    at: part,
  })));
}

/** Every [row, column] of a size, row by row. */
function places([rows, columns]) {
  return Array.from({length: rows * columns}, (_, n) => [Math.floor(n / columns), n % columns]);
}

function termValue(term) {
  const product = term.factors.map((cell) => cell.value).reduce(multiply);
  return term.share === undefined ? product : multiply(product, term.share);
}

/**
 * Compute what every step writes. A write into a cell that was written before is added to it. Each grid gets the range of
 * its numbers, least and most, and the length of the longest, as they are in the end.
 */
function evaluate(sweep) {
  rewind(sweep, 0);
  for (const write of sweep.steps.flatMap((step) => step.writes)) {
    const terms = write.terms();
    if (write.combine === "max") {
      const largest = terms.map(termValue).reduce((x, y) => compare(y, x) > 0 ? y : x);
      write.winners = terms.filter((term) => compare(termValue(term), largest) === 0).map((term) => term.factors[0]);
      write.value = largest;
    } else {
      write.value = terms.map(termValue).reduce(add, 0);
      if (write.combine === "mean") write.value = multiply(write.value, fraction(1n, BigInt(write.divisor)));
    }
    apply(write);
  }
  for (const grid of planesOf(sweep)) {
    const values = cellsOf(grid).map((cell) => cell.value).filter((value) => value !== null);
    grid.range = [Math.min(...values.map(asDouble)), Math.max(...values.map(asDouble))];
    grid.longest = Math.max(0, ...values.map((value) => cellText(value).length));
  }
}

/** All grids of a sweep; of some slices only, where not all are shown. */
function planesOf(sweep, slices = sweep.slices) {
  return [...slices.flatMap(({a, b}) => [a, b]), sweep.bias, ...sweep.targets].filter(Boolean);
}

function apply(write) {
  write.cell.value = write.cell.value === null ? write.value : add(write.cell.value, write.value);
}

/** The targets as they are after so many steps. */
function rewind(sweep, position) {
  for (const cell of sweep.targets.flatMap(cellsOf)) cell.value = null;
  sweep.steps.slice(0, position).forEach((step) => step.writes.forEach(apply));
}

/** The writes that made a cell what it is at a position; before it is written, those that will. */
function writesInto(sweep, cell, position) {
  const all = sweep.steps.map((step, at) => ({at, writes: step.writes.filter((write) => write.cell === cell)}));
  const done = all.filter(({at}) => at < position).flatMap(({writes}) => writes);
  return done.length ? done : all.flatMap(({writes}) => writes);
}

/** Where a cell, or another cell that shows the same element, is a factor: [{cell, term}]. */
function usesOf(sweep, cell) {
  sweep.uses ??= collectUses(sweep);
  return sweep.uses.get(cell.same) ?? [];
}

function collectUses(sweep) {
  const uses = new Map();
  for (const write of sweep.steps.flatMap((step) => step.writes)) {
    for (const term of write.terms()) {
      for (const {same} of term.factors) {
        const found = uses.get(same);
        if (found) found.push({cell: write.cell, term});
        else uses.set(same, [{cell: write.cell, term}]);
      }
    }
  }
  return uses;
}
