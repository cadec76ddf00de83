// The sweeps of max_pool2d and avg_pool2d: Z, and backward dX, where each window's gradient goes to its elements.

function poolingSweeps(model, g) {
  return [
    {id: "forward", title: "Z", build: (at) => poolingForward(model, g, at)},
    {id: "dx", title: "dX", build: (at) => poolingDX(model, g, at)},
  ];
}

const isMaximum = (model) => model.operation === "max_pool2d";

/** The cells of a window that can win, or that count in the mean. */
function windowCells(model, x, i, j) {
  const counts = (cell) => cell.kind === "data" ||
    (!isMaximum(model) && model.countIncludePad && cell.kind === "border");
  const [top, left] = [i * model.stride[0], j * model.stride[1]];
  return places(model.kernelSize)
    .map(([u, v]) => x.cells[top + model.dilation[0] * u][left + model.dilation[1] * v]).filter(counts);
}

function windowFrame(model, g, grid, i, j) {
  return {grid, row: i * model.stride[0], column: j * model.stride[1], rows: g.reach[0], columns: g.reach[1]};
}

/** What one window writes; a mean divides by the number of elements that count. */
function poolWrite(model, x, cell, i, j) {
  const cells = windowCells(model, x, i, j);
  return {
    cell, terms: () => cells.map((factor) => ({factors: [factor], slice: 0})),
    columns: new Set(cells.map(({column}) => column)).size,
    ...(isMaximum(model) ? {combine: "max"} : {combine: "mean", divisor: cells.length}),
  };
}

function inputPlane(model, g, n, c) {
  const [images, channels] = shapeOf(model.x);
  return paddedPlane(model, g, [n, c], planeLabel("X", [["image", images, n], ["channel", channels, c]]));
}

function poolingForward(model, g, {n, c}) {
  const [images, channels] = shapeOf(model.x);
  const x = inputPlane(model, g, n, c);
  const label = planeLabel("Z", [["image", images, n], ["channel", channels, c]]);
  const z = targetPlane(model, "z", [n, c], [images, channels, ...g.out], {label, tone: "output"});
  return {
    slices: [{a: x}], sign: isMaximum(model) ? "max →" : "mean →", targets: [z], selectors: ["n", "c"],
    formula: isMaximum(model) ? "Z = max of each window of X" : "Z = mean of each window of X",
    words: isMaximum(model)
      ? "The window slides over each channel on its own; its largest element is the output. Padding never wins."
      : "The window slides over each channel on its own; the output is the mean of its elements. " +
        (model.countIncludePad ? "Zeros of the padding count as elements." : "Padding doesn’t count."),
    steps: places(g.out).map(([i, j]) => (
      {writes: [poolWrite(model, x, z.cells[i][j], i, j)], frames: [windowFrame(model, g, x, i, j)]})),
  };
}

function poolingDX(model, g, {n, c}) {
  const [images, channels] = shapeOf(model.x);
  const x = inputPlane(model, g, n, c);
  const dz = gradientPlane(model, n, c);
  const label = planeLabel("dX", [["image", images, n], ["channel", channels, c]]);
  const dx = targetPlane(model, "dx", [n, c], shapeOf(model.x), {label, tone: "gradient"});
  const start = {writes: cellsOf(dx).map((cell) => ({cell, terms: () => [], combine: "sum"})), frames: [],
    words: "every gradient begins with 0"};
  const steps = places(g.out).map(([i, j]) => {
    const pixels = windowCells(model, x, i, j);
    const takers = isMaximum(model) ? winnersOf(model, pixels) : pixels.filter((cell) => cell.kind === "data");
    const among = isMaximum(model) ? takers.length : pixels.length;
    const share = among > 1 ? {share: fraction(1n, BigInt(among))} : {};
    const target = (pixel) => dx.cells[pixel.from.index[2]][pixel.from.index[3]];
    return {
      at: dz.cells[i][j],
      columns: new Set(takers.map(({column}) => column)).size,
      writes: takers.map((pixel) => (
        {cell: target(pixel), terms: () => [{factors: [dz.cells[i][j]], ...share, slice: 0}], combine: "sum"})),
      frames: [windowFrame(model, g, x, i, j)],
      marks: isMaximum(model) ? takers : [],
    };
  });
  return {
    slices: [{a: dz, b: x}], joint: isMaximum(model) ? "to the winners in" : "in equal shares over", sign: "→",
    targets: [dx], selectors: ["n", "c"], isScatter: true,
    formula: isMaximum(model) ? "∂L/∂X[winner of z] += ∂L/∂z" : "∂L/∂X[each of n] += ∂L/∂z / n",
    words: isMaximum(model)
      ? "Each output passes its gradient to the element that won its window; an element that won several adds them up. " +
        `Among equals ${model.ties === "first" ? "the first in reading order gets it all." : "it is split in equal shares."}`
      : "Each output passes its gradient in equal shares to the elements of its window" +
        (model.countIncludePad ? "; what falls on the padding is lost." : "."),
    steps: [start, ...steps],
  };
}

/** Who gets the gradient of a window: the first of the largest, or all of them. */
function winnersOf(model, pixels) {
  const largest = pixels.map((cell) => cell.value).reduce((p, q) => compare(q, p) > 0 ? q : p);
  const winners = pixels.filter((cell) => compare(cell.value, largest) === 0);
  return model.ties === "first" ? winners.slice(0, 1) : winners;
}
