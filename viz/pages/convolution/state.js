// What the page plays with: the arrays and settings, from Python at first, then as they are edited.
//
// model: {operation, x, weight, bias, dz, kernelSize, stride, padding, dilation, outputPadding, mode, groups, ties,
//         countIncludePad, ceilMode, limits, filters}; x and dz are (N, C, H, W), a kernel as the operation takes it

function readModel(data) {
  const numbers = (part) => Array.isArray(part) ? part.map(numbers) : part === null ? null : parseNumber(part);
  const model = structuredClone({...data, kernels: undefined});
  for (const name of ["x", "weight", "bias", "dz"]) model[name] = numbers(model[name]);
  return model;
}

/** The numbers that a kernel of the gallery has. */
function galleryKernel(kernel) {
  return kernel.weight.map((row) => row.map(parseNumber));
}

/** The model's sizes, after what follows from other settings was brought in line: filters, kernel, dZ. */
function settle(model) {
  model.filters = countFilters(model);
  const g = measure(model);
  if (!g.error) model.dz = resized(model.dz ?? [], [model.x.length, model.filters, ...g.out], 1);
  return g;
}

function countFilters(model) {
  if (isPool(model.operation)) return model.x[0].length;
  return isTransposed(model.operation) ? model.weight[0].length * model.groups : model.weight.length;
}

/** An array cut or continued to another shape. */
function resized(array, [n, ...rest], value) {
  const isPart = (part) => part !== undefined;
  return Array.from({length: n}, (_, i) => rest.length ? resized(isPart(array[i]) ? array[i] : [], rest, value)
    : isPart(array[i]) ? array[i] : value);
}

function setElement(model, {array, index}, value) {
  elementOf(model[array], index.slice(0, -1))[index.at(-1)] = value;
}

/** Go over to another operation with the same input; the kernel keeps its numbers, in the layout that is now needed. */
function changeOperation(model, operation) {
  const before = model.operation;
  if (isPool(before) && !isPool(operation)) {
    const channels = model.x[0].length;
    const planes = isTransposed(operation) ? [channels, 1] : [1, channels];
    model.weight = resized([], [...planes, ...model.kernelSize], 1);
    model.groups = 1;
    model.bias = null;
  } else if (!isPool(before) && isPool(operation)) {
    model.kernelSize = kernelSize(model);
  } else if (isTransposed(before) !== isTransposed(operation)) {
    model.weight = otherLayout(model);
  }
  if (isTransposed(operation)) model.mode = "zeros";
  else model.outputPadding = [0, 0];
  model.operation = operation;
}

/** A kernel (F, C / groups, kH, kW) as (C, F / groups, kH, kW), or the other way round. */
function otherLayout({weight, groups}) {
  const [outer, inner] = shapeOf(weight);
  const perGroup = outer / groups;
  return Array.from({length: inner * groups}, (_, i) => Array.from({length: perGroup}, (_, j) =>
    weight[Math.floor(i / inner) * perGroup + j][i % inner]));
}

/** How Python calls what the page shows. */
function pythonCall(model, g) {
  const pair = ([p, q]) => p === q ? `${p}` : `(${p}, ${q})`;
  const padding = () => {
    if (typeof model.padding === "string") return `"${model.padding}"`;
    const [[top, bottom], [left, right]] = model.padding;
    if (top === bottom && left === right) return pair([top, left]);
    return `((${top}, ${bottom}), (${left}, ${right}))`;
  };
  const options = [];
  const pool = isPool(model.operation);
  if (pair(model.stride) !== (pool ? pair(g.kernel) : "1")) options.push(`stride=${pair(model.stride)}`);
  if (padding() !== "0") options.push(`padding=${padding()}`);
  if (model.outputPadding.some(Boolean)) options.push(`output_padding=${pair(model.outputPadding)}`);
  if (pair(model.dilation) !== "1") options.push(`dilation=${pair(model.dilation)}`);
  if (!pool && model.groups > 1) options.push(`groups=${model.groups}`);
  if (!pool && model.mode !== "zeros") options.push(`padding_mode="${model.mode}"`);
  if (pool && model.ceilMode) options.push("ceil_mode=True");
  if (isMaximum(model) && model.ties !== "first") options.push(`ties="${model.ties}"`);
  if (model.operation === "avg_pool2d" && !model.countIncludePad) options.push("count_include_pad=False");
  const operands = pool ? ["x", pair(g.kernel)] : ["x", "weight", ...(model.bias ? ["bias"] : [])];
  return `tg.${model.operation}(${[...operands, ...options].join(", ")})`;
}
