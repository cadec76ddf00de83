// Windows on a plane: what the words of padding mean, how many windows fit, and which pixel a border repeats.
// Pairs are [rows, columns]; a padding is [[top, bottom], [left, right]].

const AXES = [0, 1];
const AXIS_NAMES = ["rows", "columns"];
const POOLS = ["max_pool2d", "avg_pool2d"];
const isPool = (operation) => POOLS.includes(operation);
const isTransposed = (operation) => operation === "conv_transpose2d";
const floorMod = (i, n) => ((i % n) + n) % n;

/** Which of n elements place i of an axis shows, when the mode continues the axis without end. */
const SOURCES = {
  zeros: (i, n) => i >= 0 && i < n ? i : null,
  reflect: (i, n) => {
    const place = floorMod(i, Math.max(2 * n - 2, 1));
    return Math.min(place, 2 * n - 2 - place);
  },
  replicate: (i, n) => Math.min(Math.max(i, 0), n - 1),
  circular: floorMod,
  symmetric: (i, n) => {
    const place = floorMod(i, 2 * n);
    return Math.min(place, 2 * n - 1 - place);
  },
};

/**
 * All sizes that a setting implies, for each axis; `error` is a sentence where it can't be, else null.
 *
 * kernel, reach: the window and how far it extends. pads: the padding in numbers; `counted` leaves out what ceil mode
 * adds. out: the size of the output. full: the output of a transposed convolution before padding is taken off. extra:
 * what is added to it. left: rows and columns of the padded input that lie in no window.
 */
function measure(model) {
  const kernel = kernelSize(model);
  const {stride, dilation} = model;
  const reach = AXES.map((a) => dilation[a] * (kernel[a] - 1) + 1);
  const size = [model.x[0][0].length, model.x[0][0][0].length];
  const g = {kernel, reach, size, error: null};
  (isTransposed(model.operation) ? measureTransposed : measureWindows)(model, g, stride);
  g.error ??= tooLarge(model, g);
  return g;
}

function kernelSize(model) {
  return isPool(model.operation) ? model.kernelSize : [model.weight[0][0].length, model.weight[0][0][0].length];
}

function measureWindows(model, g, stride) {
  const {size, reach} = g;
  g.counted = windowPads(model.padding, size, reach, stride);
  g.pads = g.counted.map((pair) => [...pair]);
  if (isPool(model.operation) && model.ceilMode) {
    for (const a of AXES) g.pads[a][1] = ceilPad(size[a], g.pads[a], reach[a], stride[a]);
  }
  g.padded = AXES.map((a) => size[a] + g.pads[a][0] + g.pads[a][1]);
  for (const a of AXES) {
    if (reach[a] > g.padded[a]) {
      g.error = `The window reaches over ${reach[a]} ${AXIS_NAMES[a]}, but the padded input has only ${g.padded[a]}. ` +
        "Take a smaller kernel or dilation, or more padding.";
      return;
    }
  }
  g.out = AXES.map((a) => Math.floor((g.padded[a] - reach[a]) / stride[a]) + 1);
  g.left = AXES.map((a) => (g.padded[a] - reach[a]) % stride[a]);
  if (isPool(model.operation)) g.error = emptyWindow(model, g);
}

function windowPads(padding, size, reach, stride) {
  if (padding === "valid") return [[0, 0], [0, 0]];
  if (padding === "full") return reach.map((r) => [r - 1, r - 1]);
  if (padding !== "same") return padding;
  return AXES.map((a) => {
    const added = Math.max((Math.ceil(size[a] / stride[a]) - 1) * stride[a] + reach[a] - size[a], 0);
    return [Math.floor(added / 2), added - Math.floor(added / 2)];
  });
}

/** The padding after an axis that takes in the window which hangs over the end, if it begins on the image. */
function ceilPad(size, [before, after], reach, stride) {
  let count = Math.ceil((size + before + after - reach) / stride) + 1;
  if ((count - 1) * stride >= size + before) count -= 1;
  return Math.max(after, (count - 1) * stride + reach - size - before);
}

/** A pool needs in each window a pixel that can win, or an element that counts. */
function emptyWindow(model, g) {
  const averages = model.operation === "avg_pool2d";
  const [counted, what] = averages
    ? [model.countIncludePad ? g.counted : [[0, 0], [0, 0]], "an element that counts"]
    : [[[0, 0], [0, 0]], "a pixel of X"];
  for (const a of AXES) {
    for (let i = 0; i < g.out[a]; i++) {
      let found = false;
      for (let u = 0; u < g.kernel[a]; u++) {
        const place = i * model.stride[a] + model.dilation[a] * u - g.pads[a][0];
        found ||= place >= -counted[a][0] && place < g.size[a] + counted[a][1];
      }
      if (!found) return `This padding leaves a window without ${what}. Take less padding or a larger window.`;
    }
  }
  return null;
}

function measureTransposed(model, g, stride) {
  const {size, reach} = g;
  const {padding, dilation} = model;
  g.full = AXES.map((a) => (size[a] - 1) * stride[a] + reach[a]);
  if (padding === "same") {
    g.out = AXES.map((a) => size[a] * stride[a]);
    g.pads = AXES.map((a) => {
      const cut = Math.max(g.full[a] - g.out[a], 0);
      return [Math.floor(cut / 2), cut - Math.floor(cut / 2)];
    });
    g.extra = AXES.map((a) => g.out[a] - (g.full[a] - g.pads[a][0] - g.pads[a][1]));
    if (model.outputPadding.some(Boolean)) {
      g.error = "Padding “same” gives the size of the output: the output padding must be 0.";
    }
    return;
  }
  g.pads = windowPads(padding, size, reach, stride);
  g.extra = model.outputPadding;
  g.out = AXES.map((a) => g.full[a] - g.pads[a][0] - g.pads[a][1] + g.extra[a]);
  for (const a of AXES) {
    const most = Math.max(stride[a], dilation[a]);
    if (g.extra[a] >= most) {
      g.error = `The output padding must be smaller than the stride or the dilation: at most ${most - 1} ` +
        `${AXIS_NAMES[a]}, but it is ${g.extra[a]}.`;
      return;
    }
    if (g.out[a] < 1) {
      g.error = `The padding takes all ${g.full[a]} ${AXIS_NAMES[a]} off the output. Take less padding.`;
      return;
    }
  }
}

function tooLarge(model, g) {
  const {limits} = model;
  for (const a of AXES) {
    for (const [what, n, most] of [
      ["The window reaches over", g.reach[a], limits.reach],
      ["The padded input has", g.padded?.[a] ?? 0, limits.plane],
      ["The output has", Math.max(g.out[a], g.full?.[a] ?? 0), limits.plane],
    ]) {
      if (n > most) return `${what} ${n} ${AXIS_NAMES[a]}: this page shows at most ${most}.`;
    }
  }
  return null;
}

/** The formula of one output size with the numbers put in, as [symbols, numbers, result]. */
function sizeFormula(model, g, a) {
  const letter = "HW"[a];
  const [before, after] = [["top", "bottom"], ["left", "right"]][a];
  const k = `k${letter}`;
  if (isTransposed(model.operation)) {
    return [
      `(${letter} − 1) s − ${before} − ${after} + d (${k} − 1) + 1 + output padding`,
      `(${g.size[a]} − 1) · ${model.stride[a]} − ${g.pads[a][0]} − ${g.pads[a][1]} + ` +
        `${model.dilation[a]} · (${g.kernel[a]} − 1) + 1 + ${g.extra[a]}`,
      g.out[a],
    ];
  }
  return [
    `⌊(${letter} + ${before} + ${after} − d (${k} − 1) − 1) / s⌋ + 1`,
    `⌊(${g.size[a]} + ${g.pads[a][0]} + ${g.pads[a][1]} − ${model.dilation[a]} · (${g.kernel[a]} − 1) ` +
      `− 1) / ${model.stride[a]}⌋ + 1`,
    g.out[a],
  ];
}
