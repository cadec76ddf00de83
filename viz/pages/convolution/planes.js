// The grids that sweeps are made of: planes of the arrays, with a border, dilated, rotated, or still to be filled.

function shapeOf(array) {
  return Array.isArray(array) ? [array.length, ...shapeOf(array[0])] : [];
}

function elementOf(array, index) {
  return index.reduce((part, i) => part[i], array);
}

/** What a cell holds that is an element of an array. */
function elementCell(model, array, index) {
  return {
    value: elementOf(model[array], index),
    name: elementName(symbols(model.operation)[array], index, shapeOf(model[array])),
    from: {array, index},
  };
}

/** A plane of an array as it is: x, weight or dz at [., .]. */
function plainPlane(model, array, plane, {key, label, tone}) {
  const [rows, columns] = shapeOf(model[array]).slice(2);
  return makeGrid({key, label, tone, rows, columns, plane}, (i, j) => elementCell(model, array, [...plane, i, j]));
}

/** A kernel rotated by 180 degrees: its last entry comes first. */
function rotatedPlane(model, plane, {key, label}) {
  const [rows, columns] = shapeOf(model.weight).slice(2);
  return makeGrid({key, label, tone: "kernel", rows, columns, plane}, (u, v) =>
    elementCell(model, "weight", [...plane, rows - 1 - u, columns - 1 - v]));
}

/** X with its border, in the padding's mode. */
function paddedPlane(model, g, plane, label) {
  const mode = isPool(model.operation) ? "zeros" : model.mode;
  return makeGrid({key: "x", label, tone: "input", rows: g.padded[0], columns: g.padded[1], plane}, (row, column) => {
    const place = [row - g.pads[0][0], column - g.pads[1][0]];
    const source = AXES.map((a) => SOURCES[mode](place[a], g.size[a]));
    const isInside = AXES.every((a) => place[a] >= 0 && place[a] < g.size[a]);
    if (isInside) return elementCell(model, "x", [...plane, ...place]);
    const isCounted = AXES.every((a) => place[a] >= -g.counted[a][0] && place[a] < g.size[a] + g.counted[a][1]);
    const kind = isCounted ? "border" : "beyond";
    return source.includes(null) ? {kind} : {...elementCell(model, "x", [...plane, ...source]), kind};
  });
}

/**
 * A plane with its entries `stride` apart, the first at `start`, and zeros everywhere else. Entries that fall outside
 * of the size are left out.
 */
function dilatedPlane(model, array, plane, size, start, {key, label, tone}) {
  const [rows, columns] = shapeOf(model[array]).slice(2);
  return makeGrid({key, label, tone, rows: size[0], columns: size[1], plane}, (row, column) => {
    const [i, j] = [row - start[0], column - start[1]];
    const last = [(rows - 1) * model.stride[0], (columns - 1) * model.stride[1]];
    if (i < 0 || j < 0 || i > last[0] || j > last[1]) return {kind: "rim"};
    if (i % model.stride[0] || j % model.stride[1]) return {kind: "gap"};
    return elementCell(model, array, [...plane, i / model.stride[0], j / model.stride[1]]);
  });
}

/** The output of a transposed convolution before padding is taken off, or dY inside of zeros in its place. */
function uncutPlane(model, g, plane, {key, label, tone}, at) {
  const size = AXES.map((a) => Math.max(g.full[a], g.pads[a][0] + g.out[a]));
  return makeGrid({key, label, tone, rows: size[0], columns: size[1], plane}, (row, column) => {
    const [i, j] = [row - g.pads[0][0], column - g.pads[1][0]];
    return i >= 0 && j >= 0 && i < g.out[0] && j < g.out[1] ? at(i, j) : {kind: "cut"};
  });
}

/** A plane to be filled; `array` is z, dx, padded, dk or db, `shape` that of the whole array. */
function targetPlane(model, array, plane, shape, {label, tone}) {
  const [rows, columns] = shape.slice(-2);
  return makeGrid({key: array, label, tone, rows, columns, plane}, (i, j) => (
    {value: null, name: elementName(symbols(model.operation)[array], [...plane, i, j], shape)}));
}

/** The bias of a filter as a grid of one cell; null without a bias. */
function biasCell(model, f) {
  if (!model.bias) return null;
  return makeGrid({key: "bias", label: "B", tone: "kernel", rows: 1, columns: 1, plane: [f]}, () => (
    {...elementCell(model, "bias", [f]), name: biasName(model, "bias", f)}));
}

function biasName(model, array, f) {
  const [long, short] = symbols(model.operation)[array];
  return {long, short, above: model.filters > 1 ? String(f + 1) : "", below: ""};
}

/** "X, channel 2": what a plane is called, by those of its axes that have more than one plane. */
function planeLabel(name, parts) {
  return [name, ...parts.filter(([, n]) => n > 1).map(([word, , i]) => `${word} ${i + 1}`)].join(", ");
}
