// The sweeps of conv2d and convolve2d: Z, and backward dX, dK and dB. Lecture 14; Deep Learning, sections 9.1 and 9.5.

function convolutionSweeps(model, g) {
  return [
    {id: "forward", title: "Z", build: (at) => convolutionForward(model, g, at)},
    {id: "dx", title: "dX", build: (at) => convolutionDX(model, g, at)},
    {id: "dk", title: "dK", build: (at) => convolutionDK(model, g, at)},
    {id: "db", title: "dB", build: (at) => biasGradient(model, g, at)},
  ];
}

/** convolve2d slides the rotated kernel, conv2d the kernel as it is; the sweep of dX has it the other way round. */
const isFlipped = (model) => model.operation === "convolve2d";

function kernelPlane(model, f, c, rotated) {
  const [filters, channels] = shapeOf(model.weight);
  const name = rotated ? "K rotated by 180°" : "K";
  const label = planeLabel(name, [["filter", filters, f], ["channel", channels, c]]);
  return rotated ? rotatedPlane(model, [f, c], {key: "weight", label})
    : plainPlane(model, "weight", [f, c], {key: "weight", label, tone: "kernel"});
}

function gradientPlane(model, n, f, key = "dz") {
  const [images, filters] = shapeOf(model.dz);
  const label = planeLabel(isTransposed(model.operation) ? "dY" : "dZ", [["image", images, n], ["channel", filters, f]]);
  return plainPlane(model, "dz", [n, f], {key, label, tone: "gradient"});
}

function convolutionForward(model, g, {n, f}) {
  const [images, channels] = shapeOf(model.x);
  const [filters, perGroup] = shapeOf(model.weight);
  const first = Math.floor(f / (filters / model.groups)) * perGroup;
  const slices = Array.from({length: perGroup}, (_, c) => ({
    a: paddedPlane(model, g, [n, first + c], planeLabel("X", [["image", images, n], ["channel", channels, first + c]])),
    b: kernelPlane(model, f, c, isFlipped(model)),
  }));
  const label = planeLabel("Z", [["image", images, n], ["channel", filters, f]]);
  const z = targetPlane(model, "z", [n, f], [images, filters, ...g.out], {label, tone: "output"});
  const bias = biasCell(model, f);
  const kernel = isFlipped(model) ? "K rotated by 180°" : "K";
  return {
    slices, bias, targets: [z], selectors: ["n", "f"], sliceName: "channel",
    formula: `Z = X ⋆ ${kernel}${bias ? " + B" : ""}`,
    words: `The window slides over X${g.pads.flat().some(Boolean) ? " with its border" : ""}. Each entry under it is ` +
      `multiplied with the kernel’s; the products${perGroup > 1 ? " of all channels" : ""}` +
      `${bias ? " and the bias" : ""} are added up.`,
    steps: slide({
      slices, count: g.out, kernel: g.kernel, stride: model.stride, dilation: model.dilation,
      bias: bias?.cells[0][0], target: (i, j) => z.cells[i][j],
    }),
  };
}

function convolutionDX(model, g, {n, c}) {
  const [images, channels] = shapeOf(model.x);
  const [filters, perGroup] = shapeOf(model.weight);
  const perFilterGroup = filters / model.groups;
  const first = Math.floor(c / perGroup) * perFilterGroup;
  const hasBorder = model.mode !== "zeros" && g.pads.flat().some(Boolean);
  // A border of zeros holds no pixel of X, so that only X's own part of the gradient is computed.
  const cut = AXES.map((a) => hasBorder ? 0 : g.pads[a][0]);
  const filled = hasBorder ? g.padded : g.size;
  const size = AXES.map((a) => filled[a] + g.reach[a] - 1);
  const start = AXES.map((a) => g.reach[a] - 1 - cut[a]);
  const slices = Array.from({length: perFilterGroup}, (_, i) => {
    const f = first + i;
    const label = planeLabel(model.stride.some((s) => s > 1) ? "dZ dilated by the stride, zero-padded" : "dZ zero-padded",
      [["image", images, n], ["channel", filters, f]]);
    return {
      a: dilatedPlane(model, "dz", [n, f], size, start, {key: "dz", label, tone: "gradient"}),
      b: kernelPlane(model, f, c % perGroup, !isFlipped(model)),
    };
  });
  const at = [["image", images, n], ["channel", channels, c]];
  const dx = targetPlane(model, "dx", [n, c], shapeOf(model.x), {label: planeLabel("dX", at), tone: "gradient"});
  const padded = hasBorder ? targetPlane(model, "padded", [n, c], [images, channels, ...g.padded],
    {label: planeLabel("dX\u0302, of X with its border", at), tone: "gradient"}) : null;
  const steps = slide({
    slices, count: filled, kernel: g.kernel, stride: [1, 1], dilation: model.dilation,
    target: (i, j) => (padded ?? dx).cells[i][j],
  });
  if (padded) markBorder(model, g, padded, dx);
  const kernel = isFlipped(model) ? "K" : "K rotated by 180°";
  const dilated = model.stride.some((s) => s > 1) ? ", dilated by the stride and" : "";
  return {
    slices, targets: padded ? [padded, dx] : [dx], selectors: ["n", "c"], sliceName: "filter",
    formula: `∂L/∂X = (∂L/∂z${dilated} zero-padded) ⋆ ${kernel}`,
    words: `The kernel${isFlipped(model) ? "" : ", rotated by 180°,"} slides over dZ, one pixel of X at a time: each ` +
      "pixel collects from every output that it took part in." +
      (padded ? " Then the gradient of the border is folded back onto the pixels that the border repeats." : "") +
      lostEntries(model, g, slices),
    steps: padded ? [...steps, ...foldBack(model, g, padded, dx)] : steps,
  };
}

/** With much padding, an output may see nothing of X. */
function lostEntries(model, g, slices) {
  const shown = cellsOf(slices[0].a).filter((cell) => cell.kind === "data").length;
  return shown < g.out[0] * g.out[1] ? " Outputs that saw only padding give nothing and are left out." : "";
}

/** The border's cells of the padded gradient know which pixel they repeat. */
function markBorder(model, g, padded, dx) {
  for (const cell of cellsOf(padded)) {
    const place = [cell.row - g.pads[0][0], cell.column - g.pads[1][0]];
    if (AXES.every((a) => place[a] >= 0 && place[a] < g.size[a])) continue;
    const [i, j] = AXES.map((a) => SOURCES[model.mode](place[a], g.size[a]));
    cell.kind = "border";
    cell.repeats = dx.cells[i][j];
  }
}

/** The steps after the sweep: pixels without a copy in the border keep their gradient, the others add those of theirs. */
function foldBack(model, g, padded, dx) {
  const inside = (cell) => padded.cells[cell.row + g.pads[0][0]][cell.column + g.pads[1][0]];
  const copies = new Map(cellsOf(dx).map((cell) => [cell, [inside(cell)]]));
  for (const cell of cellsOf(padded)) if (cell.repeats) copies.get(cell.repeats).push(cell);
  const write = ([cell, parts]) => ({
    cell, terms: () => parts.map((part) => ({factors: [part], slice: null})), combine: "sum", folds: true,
  });
  const [alone, repeated] = [[], []];
  for (const entry of copies) (entry[1].length > 1 ? repeated : alone).push(entry);
  return [...(alone.length ? [{writes: alone.map(write), frames: []}] : []),
    ...repeated.map((entry) => ({writes: [write(entry)], frames: []}))];
}

function convolutionDK(model, g, {f, k: c}) {
  const [images, channels] = shapeOf(model.x);
  const [filters, perGroup] = shapeOf(model.weight);
  const channel = Math.floor(f / (filters / model.groups)) * perGroup + c;
  const slices = Array.from({length: images}, (_, n) => ({
    a: paddedPlane(model, g, [n, channel], planeLabel("X", [["image", images, n], ["channel", channels, channel]])),
    b: gradientPlane(model, n, f),
  }));
  const label = planeLabel("dK", [["filter", filters, f], ["channel", perGroup, c]]);
  const dk = targetPlane(model, "dk", [f, c], shapeOf(model.weight), {label, tone: "gradient"});
  const last = g.kernel.map((k) => k - 1);
  return {
    slices, targets: [dk], selectors: ["f", "k"], sliceName: "image",
    formula: "∂L/∂K = X ⋆ ∂L/∂z" + (isFlipped(model) ? ", rotated by 180°" : ""),
    words: "dZ slides over X as a kernel would, one entry of K at a time: each entry collects the products of dZ with " +
      `the pixels that it was multiplied with${strideAndDilation(model)}.`,
    steps: slide({
      slices, count: g.kernel, kernel: g.out, stride: model.dilation, dilation: model.stride, swapped: true,
      target: (u, v) => isFlipped(model) ? dk.cells[last[0] - u][last[1] - v] : dk.cells[u][v],
    }),
  };
}

function strideAndDilation(model) {
  const notes = [];
  if (model.stride.some((s) => s > 1)) notes.push("dZ’s entries lie a stride apart");
  if (model.dilation.some((d) => d > 1)) notes.push("it moves by the dilation");
  return notes.length ? ` (${notes.join(", ")})` : "";
}

/** dB: the sum of dZ over images and pixels. Without a bias there is none. */
function biasGradient(model, g, {f}) {
  if (!model.bias) return null;
  const images = model.x.length;
  const slices = Array.from({length: images}, (_, n) => ({a: gradientPlane(model, n, f)}));
  const db = makeGrid({key: "db", label: planeLabel("dB", [["filter", model.filters, f]]), tone: "gradient", rows: 1,
    columns: 1, plane: [f]}, () => ({value: null, name: biasName(model, "db", f)}));
  const [z] = symbols(model.operation).z;
  return {
    slices, targets: [db], selectors: ["f"], sliceName: "image", sign: "Σ →", formula: `∂L/∂B = Σ ∂L/∂${z}`,
    words: "The bias is added to every output of its filter, so that it collects the gradients of all of them.",
    steps: addUp(slices.map(({a}) => a), db.cells[0][0]),
  };
}
