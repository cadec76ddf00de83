// The form: operation, sizes, stride, padding, dilation. What can't be is said in a sentence; the fields stay as typed.

const OPERATIONS = ["conv2d", "convolve2d", "conv_transpose2d", "max_pool2d", "avg_pool2d"];
const MODES = {
  zeros: "00|1234|00", reflect: "32|1234|32", replicate: "11|1234|44", circular: "34|1234|12", symmetric: "21|1234|43",
};
const PADDINGS = [["", "In numbers"], ["valid", "Valid: none"], ["same", "Same size"], ["full", "Full: all that touch"]];

/**
 * The form for a model. `changed(error)` is called after each change; the error is a sentence about a field, or null.
 * `kernels` is the gallery. Returns {element, refresh()}.
 */
function settingsForm(model, kernels, changed) {
  const fields = [];
  const wrong = new Map();
  const done = () => changed([...wrong.values()][0] ?? null);
  const refresh = () => {
    for (const field of fields) if (!wrong.has(field.input)) field.read();
    sample.textContent = MODES[model.mode];
    explanation.textContent = kernels.find(({name}) => name === galleryName(model, kernels))?.explanation ?? "";
    showRelevant(form, model);
  };

  function field(input, read, write) {
    fields.push({input, read});
    input.addEventListener("change", () => {
      const error = write();
      wrong.delete(input);
      if (error) wrong.set(input, error);
      input.setAttribute("aria-invalid", String(Boolean(error)));
      done();
    });
    return input;
  }

  function whole(name, low, high, get, set) {
    const input = make("input", {type: "number", min: low, max: high, step: 1, "aria-label": name, "data-setting": name});
    return field(input, () => { input.value = get(); }, () => {
      const value = Number(input.value);
      if (input.value === "" || !Number.isInteger(value) || value < low || value > high) {
        return `${capital(name)} must be a whole number from ${low} to ${high}, but is ${input.value || "empty"}.`;
      }
      return set(value);
    });
  }

  function choice(name, options, get, set) {
    const select = make("select", {"aria-label": name, "data-setting": name},
      options.map(([value, text]) => make("option", {value}, text)));
    return field(select, () => { select.value = get(); }, () => set(select.value));
  }

  function check(name, get, set) {
    const input = make("input", {type: "checkbox", "data-setting": name});
    field(input, () => { input.checked = get(); }, () => set(input.checked));
    return make("label", {class: "check"}, input, ` ${name}`);
  }

  const both = (name, low, high, key) => AXES.map((a) =>
    whole(`${name}, ${AXIS_NAMES[a]}`, low, high, () => model[key][a], (value) => { model[key][a] = value; }));
  const side = (name, a, end) => whole(`padding, ${name}`, 0, model.limits.plane, () => measure(model).pads?.[a][end] ?? 0,
    (value) => {
      model.padding = typeof model.padding === "string" ? measure(model).counted ?? measure(model).pads : model.padding;
      model.padding[a][end] = value;
    });

  const sample = make("code", {class: "faint sample", title: "A row 1234, two places before it and two after"});
  const explanation = make("p", {class: "faint kernel-words"});
  const form = make("form", {class: "settings", "aria-label": "Settings", onsubmit: (event) => event.preventDefault()},
    group("Operation", "", choice("operation", OPERATIONS.map((name) => [name, name]), () => model.operation,
      (value) => changeOperation(model, value))),
    group("Input", "", pairOf(inputSizes(model, whole))),
    group("Kernel", "kernel", choice("kernel from the gallery", [["", "Custom"], ...kernels.map((k) => [k.name, k.title])],
      () => galleryName(model, kernels), (name) => applyKernel(model, kernels, name))),
    make("div", {class: "only-kernel"}, explanation),
    group("Window", "", pairOf(kernelSizes(model, whole))),
    group("Stride", "", pairOf(both("stride", 1, model.limits.side, "stride"))),
    group("Dilation", "", pairOf(both("dilation", 1, model.limits.side, "dilation"))),
    group("Padding", "", choice("padding", PADDINGS,
      () => typeof model.padding === "string" ? model.padding : "",
      (value) => { model.padding = value || (measure(model).counted ?? measure(model).pads ?? [[0, 0], [0, 0]]); })),
    make("div", {class: "sides"}, [["top", 0, 0], ["bottom", 0, 1], ["left", 1, 0], ["right", 1, 1]].map(([name, a, end]) =>
      make("span", {}, name, side(name, a, end)))),
    group("Border", "convolution", make("span", {class: "stacked"},
      choice("padding mode", Object.keys(MODES).map((mode) => [mode, capital(mode)]), () => model.mode,
        (value) => { model.mode = value; }), sample)),
    group("Output padding", "transposed", pairOf(both("output padding", 0, model.limits.side, "outputPadding"))),
    group("Ties", "max", choice("ties", [["first", "First winner"], ["split", "Split evenly"]], () => model.ties,
      (value) => { model.ties = value; })),
    make("div", {class: "row only-average"}, check("Padding counts in the mean",
      () => model.countIncludePad, (on) => { model.countIncludePad = on; })),
    make("div", {class: "row only-pool"}, check("Ceil mode", () => model.ceilMode, (on) => { model.ceilMode = on; })),
    make("div", {class: "row only-kernel"}, check("Bias", () => Boolean(model.bias), (on) => {
      model.bias = on ? Array(countFilters(model)).fill(0) : null;
    })),
    make("div", {class: "row buttons"},
      action("Random X", () => { model.x = random(model.x); }), action("dZ all 1", () => { model.dz = null; }),
      action("Random dZ", () => { model.dz = random(model.dz); })));

  function action(text, act) {
    return make("button", {type: "button", onclick: () => { act(); done(); }}, text);
  }
  refresh();
  return {element: form, refresh, forget: () => wrong.clear()};
}

function group(label, only, control) {
  return make("div", {class: `row${only && ` only-${only}`}`}, make("span", {class: "label"}, label), control);
}

function pairOf([rows, columns]) {
  return make("span", {class: "pair"}, rows, make("span", {class: "faint"}, "×"), columns);
}

/** Only what the operation has. */
function showRelevant(form, model) {
  const kinds = {kernel: !isPool(model.operation), transposed: isTransposed(model.operation), max: isMaximum(model),
    average: model.operation === "avg_pool2d", pool: isPool(model.operation),
    convolution: !isPool(model.operation) && !isTransposed(model.operation)};
  for (const [name, shown] of Object.entries(kinds)) {
    for (const row of form.querySelectorAll(`.only-${name}`)) row.hidden = !shown;
  }
}

function inputSizes(model, whole) {
  return AXES.map((a) => whole(`input, ${AXIS_NAMES[a]}`, 1, model.limits.side, () => shapeOf(model.x)[2 + a], (value) => {
    const shape = shapeOf(model.x);
    shape[2 + a] = value;
    model.x = resized(model.x, shape, 0);
  }));
}

function kernelSizes(model, whole) {
  return AXES.map((a) => whole(`window, ${AXIS_NAMES[a]}`, 1, model.limits.kernel, () => kernelSize(model)[a], (value) => {
    const size = kernelSize(model);
    size[a] = value;
    if (isPool(model.operation)) model.kernelSize = [...size];
    else model.weight = resized(model.weight, [...shapeOf(model.weight).slice(0, 2), ...size], 0);
  }));
}

/** The kernel of the gallery that all planes of the weight are, or "". */
function galleryName(model, kernels) {
  if (!model.weight) return "";
  const isEqual = (plane, other) => plane.length === other.length && plane[0].length === other[0].length &&
    plane.every((row, u) => row.every((value, v) => compare(value, other[u][v]) === 0));
  const found = kernels.find((kernel) => model.weight.flat().every((plane) => isEqual(plane, galleryKernel(kernel))));
  return found?.name ?? "";
}

/** One kernel for every channel of every filter: each keeps the layout that it has. */
function applyKernel(model, kernels, name) {
  const kernel = kernels.find((other) => other.name === name);
  if (kernel) model.weight = model.weight.map((planes) => planes.map(() => galleryKernel(kernel)));
}

function random(array) {
  return Array.isArray(array) ? array.map(random) : Math.floor(Math.random() * 10);
}
