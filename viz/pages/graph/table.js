// The same graph as a table: for screen readers, for reading in order, and for copying.

function tableView(go) {
  const head = ["step", "what", "kind", "from", "shape", "dtype", "value", "gradient"];
  const numbers = new Map(data.forward.map((step, i) => [step.item, i + 1]));
  const rows = data.nodes.map((about, item) => {
    const operands = incoming[item].map((i) => edges[i].source);
    const isOperation = about.kind === "operation";
    return make("tr", {"data-row": item, class: isOperation ? "operation" : null},
      make("td", {class: "numbers"}, numbers.get(item) ?? ""),
      make("th", {scope: "row"}, link(item, go)),
      make("td", {}, about.output ? "output" : about.kind),
      make("td", {}, operands.map(titleOf).join(", ")),
      make("td", {}, about.shape ?? ""),
      make("td", {}, about.dtype ?? ""),
      make("td", {class: "numbers"}, short(about.value)),
      make("td", {class: "numbers"}, about.kind === "constant" ? "none" : short(about.gradient)));
  });
  return make("div", {id: "table", tabindex: 0, role: "region", "aria-label": "The graph as a table"},
    make("table", {}, make("thead", {}, make("tr", {}, head.map((name) => make("th", {scope: "col"}, name)))),
      make("tbody", {}, rows)));
}

function short(array) {
  const number = numberIn(array);
  return number ? numberElement(number) : inShort(array);
}
