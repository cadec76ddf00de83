// How a number came about: its products as they lie in the window, and the lecture's formula with names.

const MOST_PRODUCTS = 400;

/** What made a target cell, what a source cell is used for, or what a step of a scattering sweep does. */
function explainCell(sweep, cell, position) {
  return sweep.targets.includes(cell.grid) ? explainTarget(sweep, cell, position) : explainSource(sweep, cell);
}

function explainTarget(sweep, cell, position) {
  const writes = writesInto(sweep, cell, position);
  const terms = writes.flatMap((write) => write.terms());
  const {combine, divisor, winners} = writes[0] ?? {combine: "sum"};
  if (!cell.name) return [make("p", {}, "The padding takes this cell off the output.")];
  const value = writes.length ? writes.map((write) => write.value).reduce(add) : 0;
  const heading = make("h3", {}, nameElement(cell.name), " = ", make("b", {}, shortText(value, 6)));
  if (!terms.length) return [heading, make("p", {}, "Nothing has reached this cell.")];
  return [
    heading,
    make("div", {class: "products"}, productGroups(sweep, terms, writes[0], value)),
    combine === "max" ? maximumLine(cell, terms, winners) : formulaLine(cell, terms, divisor),
  ];
}

/** The products of each slice as they lie in the window, with their sum; then the terms outside of it, and the result. */
function productGroups(sweep, terms, write, value) {
  const slices = [...new Set(terms.map((term) => term.slice))];
  const sign = write.combine === "max" ? "," : "+";
  const groups = slices.map((slice) => {
    const part = terms.filter((term) => term.slice === slice);
    const columns = Math.min(part.length, write.columns ?? 8);
    const label = slices.length > 1 && slice !== null && sweep.slices.length > 1
      ? make("figcaption", {}, `${sweep.sliceName} ${slice + 1}`) : null;
    const sum = part.map(termValue).reduce(add);
    const shown = part.slice(0, MOST_PRODUCTS).map((term) => productElement(term, write));
    const more = part.length - shown.length;
    return make("figure", {class: "product-group"}, label,
      make("div", {class: "product-plane", style: `--columns: ${columns}`}, shown),
      more > 0 ? make("p", {class: "faint"}, `and ${more} more`) : null,
      slices.length > 1 && part.length > 1 ? make("p", {class: "subtotal"}, "sum ", make("b", {}, shortText(sum))) : null);
  });
  const joined = groups.flatMap((group, i) => i ? [make("span", {class: "sign"}, sign), group] : [group]);
  const dividing = write.combine === "mean" ? [make("span", {class: "sign"}, `÷ ${write.divisor}`)] : [];
  return [...joined, ...dividing, make("span", {class: "sign"}, write.combine === "max" ? "max =" : "="),
    make("b", {class: "result"}, shortText(value, 6))];
}

/** One product: the numbers, and below what they make. Zeros of the padding are faint. */
function productElement(term, write) {
  const won = write.winners?.includes(term.factors[0]);
  const parts = term.factors.map((cell) => shortText(cell.value));
  if (term.share !== undefined) parts.push(shortText(term.share));
  const numbers = parts.map((text, i) => i && text.startsWith("−") ? `(${text})` : text).join("\u2009·\u2009");
  const faint = term.factors.some((cell) => !cell.name);
  const element = make("span", {class: `product${faint ? " faint" : ""}${won ? " won" : ""}`, title: productName(term)},
    make("span", {}, numbers), parts.length > 1 ? make("b", {}, shortText(termValue(term))) : null);
  element.pair = term.factors;
  return element;
}

function productName(term) {
  return [...term.factors.map((cell) => cell.name ? nameText(cell.name) : "0"), ...shareText(term)].join(" ");
}

const shareText = (term) => term.share === undefined ? [] : [`· ${shortText(term.share)}`];

const separated = (parts, sign = ", ") => parts.flatMap((part, i) => i ? [sign, part] : [part]);

/** The gradient comes first, as in the lecture. */
function orderedFactors(term) {
  return [...term.factors].sort((p, q) => q.name.long.includes("∂") - p.name.long.includes("∂"));
}

/** z11 = X11 K11 + X12 K12 + ... + B; terms with a zero of the padding are left out. */
function formulaLine(cell, terms, divisor) {
  const named = terms.filter((term) => term.factors.every((factor) => factor.name));
  const shown = named.slice(0, MOST_PRODUCTS / 4);
  const parts = shown.flatMap((term, i) => {
    const factors = separated(orderedFactors(term).map((factor) => nameElement(factor.name)), "\u2009");
    const part = make("span", {class: "term"}, factors, ...shareText(term));
    part.pair = term.factors;
    return i ? [" + ", part] : [part];
  });
  if (shown.length < named.length) parts.push(` + … (${named.length - shown.length} more)`);
  const sum = parts.length ? parts : ["0"];
  const right = divisor > 1 ? ["(", ...sum, `) / ${divisor}`] : sum;
  const text = formulaText(cell, named, divisor);
  return make("p", {class: "formula-line", "data-formula": text}, nameElement(cell.name), " = ", right);
}

function formulaText(cell, named, divisor) {
  const sum = named.map((term) =>
    [...orderedFactors(term).map((factor) => nameText(factor.name)), ...shareText(term)].join(" ")).join(" + ") || "0";
  return `${nameText(cell.name)} = ${divisor > 1 ? `(${sum}) / ${divisor}` : sum}`;
}

function maximumLine(cell, terms, winners) {
  const names = separated(terms.map((term) => nameElement(term.factors[0].name)));
  const won = separated(winners.map((winner) => nameElement(winner.name)));
  return make("p", {class: "formula-line"}, nameElement(cell.name), " = max(", names, "), ",
    winners.length > 1 ? "a tie of " : "won by ", won);
}

function explainSource(sweep, cell) {
  const about = cell.kind === "data" ? [] : [make("p", {class: "faint"}, `${capital(tooltip(cell))}.`)];
  if (!cell.name) return [make("h3", {}, cell.kind === "beyond" ? "—" : "0"), ...about];
  const uses = usesOf(sweep, cell);
  const heading = make("h3", {}, nameElement(cell.name), " = ", make("b", {}, shortText(cell.value, 6)));
  const shown = uses.slice(0, MOST_PRODUCTS / 10).map(({cell: target, term}) => {
    const others = term.factors.filter((factor) => factor.same !== cell.same);
    const part = make("span", {class: "use"}, nameElement(target.name ?? {long: "cut off", above: "", below: ""}),
      others.length ? [" through ", ...others.map((other) => other.name ? nameElement(other.name) : "0")] : null);
    part.pair = [target, ...term.factors];
    return part;
  });
  const more = uses.length - shown.length;
  const words = uses.length
    ? [`Takes part in ${plural(uses.length, "term")}: `, ...separated(shown), more > 0 ? ` and ${more} more.` : "."]
    : ["Takes part in no term: no window reaches it."];
  const advice = isEditable(cell) ? [make("p", {class: "faint screen-only"}, "Enter or a double click changes it.")] : [];
  return [heading, ...about, make("p", {class: "formula-line"}, words), ...advice];
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** What a step of a scattering sweep adds where. */
function explainStep(step) {
  if (!step.at) return [make("h3", {}, `${capital(step.words)}.`)];
  const heading = make("h3", {}, nameElement(step.at.name), " = ", make("b", {}, shortText(step.at.value, 6)),
    ` goes to ${plural(step.writes.length, "cell")}`);
  const columns = step.columns ?? Math.min(step.writes.length, 8);
  return [heading, make("div", {class: "product-plane", style: `--columns: ${columns}`}, step.writes.map((write) => {
    const [term] = write.terms();
    const product = productElement(term, write);
    product.prepend(make("small", {}, write.cell.name ? [nameElement(write.cell.name), " +="] : "cut off"));
    product.pair = [write.cell, ...term.factors];
    return product;
  }))];
}

/** A step in one sentence, for a screen reader: "output row 1, column 2: 1·1 + 0·2 = 1". */
function sentence(sweep, step) {
  if (step.words) return step.words;
  if (sweep.isScatter) {
    const places = step.writes.slice(0, 12).map(({cell, value}) =>
      `row ${cell.row + 1}, column ${cell.column + 1}: plus ${shortText(value)}`);
    return `${nameText(step.at.name)}, ${shortText(step.at.value)}, goes to ${places.join("; ") || "no cell"}`;
  }
  const [write] = step.writes;
  if (write.folds && step.writes.length > 1) {
    return `${step.writes.length} pixels that the border doesn’t repeat keep their gradient`;
  }
  const terms = write.terms();
  const texts = terms.slice(0, 30).map((term) => term.factors.map((cell) => factorText(cell.value)).join("·"));
  const more = terms.length > 30 ? ["…"] : [];
  const sum = write.combine === "max" ? `max(${texts.join(", ")})` : [...texts, ...more].join(" + ");
  const whole = write.combine === "mean" ? `(${sum}) / ${write.divisor}` : sum;
  return `${write.cell.grid.label}, row ${write.cell.row + 1}, column ${write.cell.column + 1}: ${whole} = ` +
    shortText(write.cell.value, 6);
}
