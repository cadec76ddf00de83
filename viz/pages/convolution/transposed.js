// The sweeps of conv_transpose2d: Y as a sum of stamps and as a convolution over the dilated X, and backward dX, dK, dB.
// Dumoulin and Visin, A guide to convolution arithmetic for deep learning (2016), chapter 4.

function transposedSweeps(model, g) {
  return [
    {id: "forward", title: "Y by stamps", build: (at) => stamps(model, g, at)},
    {id: "dilated", title: "Y by a window", build: (at) => transposedWindow(model, g, at)},
    {id: "dx", title: "dX", build: (at) => transposedDX(model, g, at)},
    {id: "dk", title: "dK", build: (at) => transposedDK(model, g, at)},
    {id: "db", title: "dB", build: (at) => biasGradient(model, g, at)},
  ];
}

/** Where filter f finds its channels, and its place in weight (C, F / groups, kH, kW). */
function transposedGroup(model, f) {
  const [channels, perFilterGroup] = shapeOf(model.weight);
  const perGroup = channels / model.groups;
  return {first: Math.floor(f / perFilterGroup) * perGroup, perGroup, inner: f % perFilterGroup};
}

function transposedKernel(model, c, inner, rotated = false) {
  const [channels, perFilterGroup] = shapeOf(model.weight);
  const name = rotated ? "K rotated by 180°" : "K";
  const label = planeLabel(name, [["channel", channels, c], ["filter", perFilterGroup, inner]]);
  return rotated ? rotatedPlane(model, [c, inner], {key: "weight", label})
    : plainPlane(model, "weight", [c, inner], {key: "weight", label, tone: "kernel"});
}

function outputPlane(model, g, n, f) {
  const shape = [model.x.length, model.filters, ...g.out];
  const label = planeLabel("Y", [["image", shape[0], n], ["channel", shape[1], f]]);
  return {shape, label, tone: "output", symbol: symbols(model.operation).z};
}

function stamps(model, g, {n, f}) {
  const [images, channels] = shapeOf(model.x);
  const {first, perGroup, inner} = transposedGroup(model, f);
  const slices = Array.from({length: perGroup}, (_, i) => ({
    a: plainPlane(model, "x", [n, first + i], {
      key: "x", label: planeLabel("X", [["image", images, n], ["channel", channels, first + i]]), tone: "input"}),
    b: transposedKernel(model, first + i, inner),
  }));
  const {shape, label, tone, symbol} = outputPlane(model, g, n, f);
  const y = uncutPlane(model, g, [n, f], {key: "z", label, tone}, (i, j) => (
    {value: null, name: elementName(symbol, [n, f, i, j], shape)}));
  const bias = biasCell(model, f);
  const start = cellsOf(y).filter((cell) => cell.kind === "data").map((cell) => (
    {cell, terms: () => bias ? [{factors: [bias.cells[0][0]], slice: null}] : [], combine: "sum"}));
  const steps = slices.flatMap(({a, b}, slice) => cellsOf(a).map((pixel) => stamp(model, pixel, b, y, slice)));
  return {
    slices, bias, targets: [y], selectors: ["n", "f"], sliceName: "channel", isScatter: true, joint: "×", sign: "→",
    formula: `Y[s i + d u − p] += X[i] K[u]${bias ? ", and + B" : ""}`,
    words: `The output begins with ${bias ? "the bias" : "zeros"}. Each pixel of X then adds a copy of the kernel, ` +
      "multiplied with the pixel, a stride apart; where copies overlap they add up." +
      (g.pads.flat().some(Boolean) ? " The hatched rim is what padding takes off." : ""),
    steps: [{writes: start, frames: [], words: bias ? "the output begins with the bias" : "the output begins with zeros"},
      ...steps],
  };
}

function stamp(model, pixel, kernel, y, slice) {
  const [top, left] = [pixel.row * model.stride[0], pixel.column * model.stride[1]];
  const [rows, columns] = [kernel.rows, kernel.columns].map((k, a) => model.dilation[a] * (k - 1) + 1);
  return {
    at: pixel,
    columns: kernel.columns,
    writes: cellsOf(kernel).map((entry) => ({
      cell: y.cells[top + model.dilation[0] * entry.row][left + model.dilation[1] * entry.column],
      terms: () => [{factors: [pixel, entry], slice}], combine: "sum",
    })),
    frames: [{grid: y, row: top, column: left, rows, columns}],
  };
}

function transposedWindow(model, g, {n, f}) {
  const [images, channels] = shapeOf(model.x);
  const {first, perGroup, inner} = transposedGroup(model, f);
  const size = AXES.map((a) => g.out[a] + g.reach[a] - 1);
  const start = AXES.map((a) => g.reach[a] - 1 - g.pads[a][0]);
  const dilated = model.stride.some((s) => s > 1);
  const slices = Array.from({length: perGroup}, (_, i) => ({
    a: dilatedPlane(model, "x", [n, first + i], size, start, {
      key: "x", tone: "input", label: planeLabel(dilated ? "X dilated by the stride, zero-padded" : "X zero-padded",
        [["image", images, n], ["channel", channels, first + i]])}),
    b: transposedKernel(model, first + i, inner, true),
  }));
  const {shape, label, tone} = outputPlane(model, g, n, f);
  const y = targetPlane(model, "z", [n, f], shape, {label, tone});
  const bias = biasCell(model, f);
  return {
    slices, bias, targets: [y], selectors: ["n", "f"], sliceName: "channel",
    formula: `Y = (X${dilated ? ", dilated by the stride and" : ""} zero-padded) ⋆ K rotated by 180°` +
      (bias ? " + B" : ""),
    words: "The same numbers, gathered: the rotated kernel slides over X with zeros between and around its pixels. It is " +
      "the very sweep that makes dX of a convolution.",
    steps: slide({
      slices, count: g.out, kernel: g.kernel, stride: [1, 1], dilation: model.dilation, bias: bias?.cells[0][0],
      target: (i, j) => y.cells[i][j],
    }),
  };
}

function uncutGradient(model, g, n, f) {
  const label = planeLabel(g.pads.flat().some(Boolean) ? "dY, zeros where padding cut" : "dY",
    [["image", model.x.length, n], ["channel", model.filters, f]]);
  return uncutPlane(model, g, [n, f], {key: "dz", label, tone: "gradient"}, (i, j) =>
    elementCell(model, "dz", [n, f, i, j]));
}

function transposedDX(model, g, {n, c}) {
  const [images, channels] = shapeOf(model.x);
  const perFilterGroup = model.weight[0].length;
  const firstFilter = Math.floor(c / (channels / model.groups)) * perFilterGroup;
  const slices = Array.from({length: perFilterGroup}, (_, i) => (
    {a: uncutGradient(model, g, n, firstFilter + i), b: transposedKernel(model, c, i)}));
  const label = planeLabel("dX", [["image", images, n], ["channel", channels, c]]);
  const dx = targetPlane(model, "dx", [n, c], shapeOf(model.x), {label, tone: "gradient"});
  return {
    slices, targets: [dx], selectors: ["n", "c"], sliceName: "filter", formula: "∂L/∂X = ∂L/∂y ⋆ K",
    words: "The kernel, as it is, slides over dY with the stride: each pixel collects from where it was stamped. It is a " +
      "plain convolution.",
    steps: slide({
      slices, count: g.size, kernel: g.kernel, stride: model.stride, dilation: model.dilation,
      target: (i, j) => dx.cells[i][j],
    }),
  };
}

function transposedDK(model, g, {c, k}) {
  const [images, channels] = shapeOf(model.x);
  const perFilterGroup = model.weight[0].length;
  const f = Math.floor(c / (channels / model.groups)) * perFilterGroup + k;
  const slices = Array.from({length: images}, (_, n) => ({
    a: uncutGradient(model, g, n, f),
    b: plainPlane(model, "x", [n, c], {
      key: "x", label: planeLabel("X", [["image", images, n], ["channel", channels, c]]), tone: "input"}),
  }));
  const label = planeLabel("dK", [["channel", channels, c], ["filter", perFilterGroup, k]]);
  const dk = targetPlane(model, "dk", [c, k], shapeOf(model.weight), {label, tone: "gradient"});
  return {
    slices, targets: [dk], selectors: ["c", "k"], sliceName: "image", formula: "∂L/∂K = ∂L/∂y ⋆ X",
    words: "X slides over dY as a kernel would, one entry of K at a time: each entry collects the products of X with the " +
      `outputs that it was stamped on${strideAndDilation(model).replace("dZ", "X")}.`,
    steps: slide({
      slices, count: g.kernel, kernel: g.size, stride: model.dilation, dilation: model.stride,
      target: (u, v) => dk.cells[u][v],
    }),
  };
}
