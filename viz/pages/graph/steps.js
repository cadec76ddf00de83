// Stepping: the operations as they were recorded, then the rules as the backward walk ran them.

const SPEEDS = [["slow", 2400], ["normal", 1200], ["fast", 500], ["very fast", 120]];

/** Where the reader is: after so many steps. Nothing is lit before the first step that the reader takes. */
class Steps {
  constructor() {
    this.count = data.forward.length + data.backward.length;
    this.position = this.count;
    this.isActive = false;
    this.timer = null;
    this.delay = SPEEDS[1][1];
    this.listeners = [];
    // When each result is there, and what each tensor's gradient is after which step.
    this.computed = new Map(data.forward.map((step, i) => [step.result, i + 1]));
    this.gradients = new Map();
    const first = data.forward.length;
    data.backward.forEach((step, i) => {
      if (!this.gradients.has(step.result)) this.add(step.result, first, step.arrives);
      for (const sent of step.sends) this.add(sent.to, first + i + 1, sent.sum ?? sent.array);
    });
  }

  add(tensor, position, array) {
    if (!this.gradients.has(tensor)) this.gradients.set(tensor, []);
    this.gradients.get(tensor).push({position, array});
  }

  /** The step that was taken last, or null. */
  get step() {
    if (!this.isActive || !this.position) return null;
    const first = data.forward.length;
    return this.position > first ? data.backward[this.position - first - 1] : data.forward[this.position - 1];
  }

  isBackward() {
    return this.isActive && this.position > data.forward.length;
  }

  isComputed(tensor) {
    return (this.computed.get(tensor) ?? 0) <= this.position;
  }

  /** The array of what has arrived at a tensor so far, null where nothing has; undefined at the end: then it is all. */
  gradientSoFar(tensor) {
    if (this.position === this.count) return undefined;
    const known = this.gradients.get(tensor)?.filter(({position}) => position <= this.position);
    return known?.length && this.position >= data.forward.length ? known[known.length - 1].array : null;
  }

  go(position) {
    this.position = clamp(position, 0, this.count);
    this.isActive = true;
    if (this.position === this.count) this.pause();
    for (const listener of this.listeners) listener();
  }

  get isPlaying() {
    return this.timer !== null;
  }

  play() {
    if (this.isPlaying) return;
    this.timer = setInterval(() => this.go(this.position + 1), this.delay);
    this.go(this.position === this.count ? 0 : this.position + 1);
  }

  pause() {
    if (!this.isPlaying) return;
    clearInterval(this.timer);
    this.timer = null;
    for (const listener of this.listeners) listener();
  }

  setDelay(delay) {
    this.delay = delay;
    if (!this.isPlaying) return;
    clearInterval(this.timer);
    this.timer = setInterval(() => this.go(this.position + 1), delay);
  }

  /** One sentence on where the reader is. */
  caption() {
    const first = data.forward.length, step = this.step;
    if (!this.count) return "No single operation is left here to step through";
    if (!this.isActive) {
      const forward = `${first} step${first === 1 ? "" : "s"} forward`;
      return data.backward.length ? `${forward}, ${data.backward.length} back`
        : `${forward}. For the steps back, call backward() before the page is made`;
    }
    if (!step) return "Before the first step";
    const title = items[step.item].title;
    if (this.position <= first) {
      return `Forward ${this.position} of ${first}: ${title}  ${step.worked ?? step.named ?? step.formula ?? ""}`;
    }
    const lines = step.sends.map((sent) => sent.worked ?? sent.named ?? sent.formula).filter(Boolean);
    return `Backward ${this.position - first} of ${data.backward.length}: ${title}  ${lines.join("; ")}`;
  }
}

const steps = new Steps();

/** The buttons, the slider and the sentence. */
function stepsBar() {
  const button = (label, sign, onclick) => make("button", {type: "button", title: label, "aria-label": label, onclick}, icon(sign));
  const start = button("To the start (Home)", "start", () => steps.go(0));
  const back = button("Step back (,)", "back", () => steps.go(steps.position - 1));
  const play = button("Play (Space)", "play", () => steps.isPlaying ? steps.pause() : steps.play());
  const next = button("Step (.)", "next", () => steps.go(steps.isActive ? steps.position + 1 : 1));
  const end = button("To the end (End)", "end", () => steps.go(steps.count));
  const slider = make("input", {type: "range", id: "slider", min: 0, max: steps.count, value: steps.count,
    "aria-label": "Step", oninput: () => steps.go(Number(slider.value))});
  // Where the way back begins.
  const share = steps.count ? data.forward.length / steps.count : 1;
  const track = make("div", {class: "track", style: `--turn: ${(100 * share).toFixed(2)}%`}, slider);
  const speed = make("select", {"aria-label": "Speed", title: "Speed", onchange: () => steps.setDelay(Number(speed.value))},
    SPEEDS.map(([name, delay]) => make("option", {value: delay, selected: delay === steps.delay}, name)));
  const caption = make("p", {id: "caption", "data-position": steps.position});
  const refresh = () => {
    slider.value = steps.position;
    caption.textContent = steps.caption();
    slider.setAttribute("aria-valuetext", caption.textContent);
    caption.dataset.position = steps.position;
    const label = steps.isPlaying ? "Pause (Space)" : "Play (Space)";
    play.replaceChildren(icon(steps.isPlaying ? "pause" : "play"));
    play.title = label;
    play.setAttribute("aria-label", label);
    back.disabled = start.disabled = !steps.position;
    next.disabled = steps.isActive && steps.position === steps.count;
  };
  steps.listeners.push(refresh, () => steps.isPlaying || speak(steps.caption()));
  refresh();
  return make("footer", {id: "steps", class: "screen-only"}, make("div", {class: "buttons"}, start, back, play, next, end),
    track, speed, caption);
}

const ICONS = {
  play: "M5 3 L13 8 L5 13 Z", pause: "M4 3 H7 V13 H4 Z M9 3 H12 V13 H9 Z", next: "M4 3 L10 8 L4 13 Z M11 3 H13 V13 H11 Z",
  back: "M12 3 L6 8 L12 13 Z M3 3 H5 V13 H3 Z", start: "M14 3 L9 8 L14 13 Z M9 3 L4 8 L9 13 Z M2 3 H3.5 V13 H2 Z",
  end: "M2 3 L7 8 L2 13 Z M7 3 L12 8 L7 13 Z M12.5 3 H14 V13 H12.5 Z",
};

function icon(name) {
  return draw("svg", {viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true"}, draw("path", {d: ICONS[name]}));
}

/** Show in the picture what is there after the last step, what it worked on, and what flows on the edges. */
function paintSteps(picture) {
  const step = steps.step, isBack = steps.isBackward();
  for (const [item, {own, isShown}] of picture.boxes) {
    if (!isShown || isContainer(item)) continue;
    const isPending = steps.isActive && !steps.isComputed(item);
    own.classList.toggle("pending", isPending || (items[item].kind === "operation" && isOperationPending(item)));
    paintGradient(own, item);
  }
  for (const pill of picture.layers.labels.querySelectorAll(".pill")) pill.remove();
  const operands = step ? incoming[step.item].map((i) => edges[i].source) : [];
  picture.mark("now", step ? [shown(step.item)] : []);
  picture.mark("taking", step ? (isBack ? step.sends.map(({to}) => shown(to)) : operands.map(shown)) : []);
  picture.mark("giving", step ? [shown(step.result)] : []);
  const result = step ? outgoing[step.item].filter((i) => edges[i].target === step.result) : [];
  picture.markEdges("forth", step && !isBack ? [...incoming[step.item], ...result] : [], "lit");
  picture.markEdges("back", step && isBack ? [...step.sends.map(({operand}) => incoming[step.item][operand]), ...result] : [], "back");
  if (step && isBack) paintSent(picture, step);
}

function isOperationPending(item) {
  const result = outgoing[item].map((i) => edges[i].target)[0];
  return steps.isActive && result !== undefined && !steps.isComputed(result);
}

/** The gradient in a box: what has arrived up to now. */
function paintGradient(element, item) {
  const written = items[item].texts.map((text, i) => [text, i]).filter(([[, , , style]]) => style === "gradient");
  if (!written.length) return;
  const array = steps.gradientSoFar(item);
  if (element.gradient === array) return;
  element.gradient = array;
  const cells = typeof array === "number" ? data.arrays[array].grid?.flat() : null;
  const texts = element.querySelectorAll("text.gradient");
  written.forEach(([[, , , , text]], k) => {
    texts[k].textContent = array === undefined ? text : cells ? cells[k][0] : "–";
  });
}

/** On each edge what flows back along it in this step. */
function paintSent(picture, step) {
  const byLine = new Map();
  for (const sent of step.sends) {
    for (const line of picture.curvesOf([incoming[step.item][sent.operand]])) {
      if (!byLine.has(line.key)) byLine.set(line.key, {line, all: []});
      byLine.get(line.key).all.push(sent);
    }
  }
  for (const {line, all} of byLine.values()) {
    const texts = all.map((sent) => `${(sent.named ?? sent.formula ?? "").split(" = ")[0]} ${inShort(sent.array)}`.trim());
    const [x, y] = beforeEnd(line.points, Infinity);
    const words = texts.join(" and "), width = textWidth(words) + 16;
    const pill = draw("g", {class: "pill", "data-operands": all.map(({operand}) => operand).join(" "),
      "data-values": all.map((sent) => numberIn(sent.array)?.[1] ?? "").join(" "),
      transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`},
      draw("rect", {x: -width / 2, y: -10, width, height: 20, rx: 10}), draw("text", {"text-anchor": "middle", y: 4}, words));
    picture.layers.labels.append(pill);
  }
}

const ruler = make("canvas").getContext("2d");

/** How wide a text is on an edge, without laying out the page. */
function textWidth(text) {
  ruler.font = 'bold 11px "Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif';
  return ruler.measureText(text).width;
}
