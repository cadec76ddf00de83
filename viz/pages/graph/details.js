// The panel: all that is known of one item.

/** What the panel shows of an item, as an element. */
function detailsOf(item, go) {
  const about = items[item];
  const parts = isContainer(item) || about.kind === "folded" ? containerDetails(item, about, go)
    : about.kind === "operation" ? operationDetails(item, about, go)
    : tensorDetails(item, about, go);
  return make("div", {class: "about", "data-about": item}, parts);
}

function headed(title, kind, className) {
  return make("header", {}, make("h2", {}, title), make("span", {class: `kind ${className}`}, kind));
}

function facts(pairs) {
  const given = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? make("dl", {class: "facts"}, given.map(([name, value]) =>
    [make("dt", {}, name), make("dd", {}, value)])) : null;
}

/** A button that goes to an item. */
function link(item, go, text = titleOf(item)) {
  return make("button", {type: "button", class: "link", onclick: () => go(item)}, text);
}

function links(found, go) {
  return found.length ? make("span", {class: "links"}, found.map((item) => link(item, go))) : null;
}

function moduleOf(item, go) {
  const container = items[item].in;
  return container === ROOT ? null : link(container, go, items[container].path || titleOf(container));
}

function section(title, ...children) {
  return make("section", {}, make("h3", {}, title), children);
}

function tensorDetails(item, about, go) {
  const operation = operationOf(item);
  const users = [...new Set(outgoing[item].map((i) => edges[i].target))];
  const kind = about.output ? "output" : about.kind;
  const gradient = about.gradient === undefined
    ? about.kind === "constant" ? make("p", {class: "faint"}, "a constant gets none") : null
    : [arrayElement(about.gradient, "gradient"), about.gradient === "not computed" ? advice() : null];
  return [
    headed(titleOf(item), kind, kind),
    facts([
      ["shape", about.shape === "()" ? "() a single number" : about.shape],
      ["dtype", about.dtype],
      ["computed by", operation === null ? null : link(operation, go)],
      ["used by", links(users, go)],
      ["in module", moduleOf(item, go)],
      ["recorded at", about.line && make("code", {}, about.line)],
    ]),
    (about.remarks ?? []).map((remark) => make("p", {class: "formula"}, remark)),
    about.value === undefined ? null : section("Value", arrayElement(about.value, "value")),
    gradient ? section("Gradient", gradient) : null,
  ];
}

/** How to get the gradients that are not there. */
function advice() {
  if (data.backward.length) return null;
  return make("p", {class: "faint"}, "No backward walk came by. Call ", make("code", {}, "backward()"),
    " on the output before the page is made.");
}

function operationDetails(item, about, go) {
  const forward = data.forward.find((step) => step.item === item);
  const backward = data.backward.find((step) => step.item === item);
  // While the reader steps through it, the way that the step takes; else both.
  const way = steps.step?.item === item ? (steps.isBackward() ? "backward" : "forward") : "both";
  return [
    headed(about.title, "operation", "operation"),
    facts([
      ["options", about.options && make("span", {class: "lines"}, about.options.map((option) => make("code", {}, option)))],
      ["in module", moduleOf(item, go)],
      ["recorded at", about.line && make("code", {}, about.line)],
    ]),
    forward && way !== "backward" ? forwardDetails(item, forward, go) : null,
    backward && way !== "forward" ? backwardDetails(item, backward, go) : null,
    backward ? null : advice(),
  ];
}

/** A formula in general, with the user's names, and with the numbers put in. */
function formulas({formula, named, worked, where}) {
  return [
    formula ? make("p", {class: "formula general"}, formula) : null,
    named && named !== formula && !worked ? make("p", {class: "formula named"}, named) : null,
    worked ? make("p", {class: "formula worked"}, worked) : null,
    where ? make("p", {class: "faint where"}, `where ${where}`) : null,
  ];
}

function operandName(item, position) {
  const label = edges[incoming[item][position]].label;
  return label || (incoming[item].length > 1 ? "xyuv"[position] ?? String(position + 1) : "x");
}

function forwardDetails(item, step, go) {
  return make("section", {class: "way forward"}, make("h3", {}, "Forward"), formulas(step),
    make("dl", {class: "operands"},
      incoming[item].map((i, position) => operandRow(operandName(item, position), edges[i].source, go)),
      operandRow("z", step.result, go)));
}

function operandRow(name, tensor, go) {
  const {shape, value} = items[tensor];
  const number = numberIn(value);
  return make("div", {}, make("dt", {class: "formula"}, name), make("dd", {}, link(tensor, go), " ",
    number ? numberElement(number) : make("span", {class: "faint"}, shape === "()" ? inShort(value) : shape)));
}

function backwardDetails(item, step, go) {
  return make("section", {class: "way backward", "data-step": item}, make("h3", {}, "Backward"),
    make("p", {class: "caption"}, "dz, which arrives from ", link(step.result, go)),
    arrayElement(step.arrives, "arrives"),
    step.sends.map((sent) => make("div", {class: "sent", "data-to": sent.to, "data-operand": sent.operand},
      make("p", {class: "caption"}, "sent to ", link(sent.to, go)),
      formulas(sent),
      sent.worked && numberIn(sent.array) ? make("span", {hidden: true, "data-array": "sent"}, numberElement(numberIn(sent.array)))
        : arrayElement(sent.array, "sent"),
      "sum" in sent ? sumDetails(sent) : null)),
    step.where ? make("p", {class: "faint where"}, `where ${step.where}`) : null,
    step.sends.length ? null : make("p", {class: "faint"}, "no operand takes a gradient"));
}

/** What an operand has got so far, where this is not the first use of it that sends something. */
function sumDetails(sent) {
  return make("div", {class: "sum"}, make("p", {class: "caption"}, "added to what came before"),
    sent.added ? [make("p", {class: "formula worked"}, sent.added),
      make("span", {hidden: true, "data-array": "sum"}, numberElement(numberIn(sent.sum)))] : arrayElement(sent.sum, "sum"));
}

function containerDetails(item, about, go) {
  const inside = data.nodes.filter((node, i) => !isContainer(item) || around(i).includes(item));
  const counted = new Map();
  for (const {kind, title} of inside) if (kind === "operation") counted.set(title, (counted.get(title) ?? 0) + 1);
  const listed = [...counted].map(([title, count]) => count > 1 ? `${title} × ${count}` : title);
  return [
    headed(about.name || about.title, about.path === undefined ? "part" : "module", "container"),
    facts([
      ["class", about.name ? about.title : null],
      ["arguments", about.arguments && make("code", {}, about.arguments)],
      ["path", about.path && make("code", {}, about.path)],
      ["call", about.turn > 1 ? `number ${about.turn} of this module` : null],
      ["parameters", about.parameters ? about.parameters.toLocaleString("en") : null],
      ["operations", isContainer(item) && listed.length ? listed.join(", ") : about.operations],
      ["in module", moduleOf(item, go)],
    ]),
  ];
}
