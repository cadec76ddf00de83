// The page put together: the bar, the picture, the panel and the steps, and what happens between them.

const MOST_MOVING = 500;

const page = document.getElementById("page");
const state = {selected: null, hovered: null, current: null, moving: () => {}};
openLevels(data.depth);

const picture = new Picture({
  onSelect: (item) => select(item),
  onToggle: (item) => toggle(item),
  onHover: (item) => hover(item),
  onFocus: (item) => item !== state.selected && select(item),
});
const zoomButtons = make("div", {id: "zoom", class: "screen-only"}, [["+", "Zoom in (+)", () => view.zoom(1.35, undefined, true)],
  ["−", "Zoom out (−)", () => view.zoom(1 / 1.35, undefined, true)], ["fit", "Fit (0)", () => view.fit()]]
  .map(([text, label, onclick]) => make("button", {type: "button", title: label, "aria-label": label, onclick}, text)));
const stage = make("div", {id: "stage", tabindex: 0, role: "application", "aria-roledescription": "graph",
  "aria-label": "Computation graph. Arrow keys move it, plus and minus zoom, Tab goes to the boxes."}, picture.svg, zoomButtons);
const panel = make("aside", {id: "details", "aria-label": "Details", tabindex: 0});
const depthField = make("select", {id: "depth", "aria-label": "Levels of modules that are open",
  onchange: () => setDepth(Number(depthField.value))});
const tableButton = make("button", {type: "button", id: "as-table", "aria-pressed": "false", onclick: () => showTable()}, "Table");
const help = helpDialog();
const view = new View(picture, stage);

page.append(
  make("div", {id: "bar"}, document.getElementById("title"),
    searchField((item) => go(item), (hits) => picture.mark("hit", hits.map(shown))),
    data.depths.length > 1 ? make("label", {class: "depth"}, make("span", {}, "Depth"), depthField) : null,
    make("span", {class: "end"}, tableButton, make("button", {type: "button", title: "Keys (?)", "aria-label": "Keys and mouse",
      onclick: () => help.showModal()}, "?"), themeButton())),
  make("main", {}, stage, panel), stepsBar(), help, make("p", {id: "spoken", class: "spoken", "aria-live": "polite"}));

/** Show the picture for the containers that are open now. */
function refresh(openness = (container) => (open.has(container) ? 1 : 0)) {
  picture.show(compose(openness));
}

/** Everything that depends on which boxes are there. */
function decorate() {
  paintSteps(picture);
  mark();
  for (const [item, {own, isShown}] of picture.boxes) if (isShown && isContainer(item)) own.setAttribute("aria-label", spokenName(item));
  setCurrent(state.current === null ? shownInOrder()[0] : shown(state.current));
  depthField.replaceChildren(...data.depths.map((boxes, level) =>
    make("option", {value: level}, level === 0 ? `0: all folded` : level === data.depths.length - 1 ? `${level}: all open` : level)));
  const level = data.depths.findIndex((_, depth) => items.every((about, item) =>
    !isContainer(item) || open.has(item) === about.level < depth));
  if (level < 0) depthField.append(make("option", {value: -1, disabled: true}, "by hand"));
  depthField.value = level;
}

/** Change what is open, with everything moving to its new place, and one item standing still. */
function change(action, still = null) {
  state.moving();
  const before = new Set(open), start = performance.now();
  action();
  const changed = new Set([...open, ...before].filter((item) => open.has(item) !== before.has(item)));
  const anchor = still === null ? null : picture.place(still);
  const where = anchor && {x: view.x + view.scale * anchor.x, y: view.y + view.scale * (anchor.y - anchor.height / 2)};
  const step = (share) => {
    refresh((item) => changed.has(item) ? (open.has(item) ? share : 1 - share) : open.has(item) ? 1 : 0);
    const place = where && picture.place(still);
    if (place) view.set(view.scale, where.x - view.scale * place.x, where.y - view.scale * (place.y - place.height / 2));
  };
  const hadFocus = picture.svg.contains(document.activeElement);
  const done = () => {
    refresh();
    decorate();
    if (hadFocus && still !== null) picture.element(shown(still))?.focus({preventScroll: true});
    if (still === null || view.hasRoom()) view.fit(true, true);
    else view.reveal(still);
    document.documentElement.dataset.changed = Math.round(performance.now() - start);
  };
  view.stop();
  view.isFitted = false;
  const boxes = picture.composition.boxes.size;
  state.moving = animate(boxes > MOST_MOVING ? 0 : 300, step, done);
}

function toggle(container) {
  state.current = container;
  change(() => open.has(container) ? open.delete(container) : open.add(container), container);
  speak(spokenName(container));
  select(container);
}

function setDepth(depth) {
  change(() => openLevels(depth));
}

function select(item) {
  state.selected = item;
  state.hovered = null;
  if (item !== null) setCurrent(shown(item));
  mark();
  showDetails(item);
}

function hover(item) {
  clearTimeout(state.waiting);
  state.waiting = setTimeout(() => {
    state.hovered = item;
    showDetails(item ?? state.selected);
  }, item === null ? 250 : 60);
}

function mark() {
  const item = state.selected;
  picture.mark("selected", item === null ? [] : [shown(item)]);
  const near = item === null || isContainer(item) ? [] : [...incoming[item], ...outgoing[item]];
  for (const {path} of picture.curves.values()) path.classList.remove("near");
  for (const {path} of near.length ? picture.curvesOf(near) : []) path.classList.add("near");
}

/** The one box that Tab reaches. */
function setCurrent(item) {
  const last = state.current === null ? null : picture.svg.querySelector('[tabindex="0"]');
  if (last) last.setAttribute("tabindex", -1);
  state.current = item;
  picture.element(item)?.setAttribute("tabindex", 0);
}

function showDetails(item) {
  if (item === null) {
    panel.replaceChildren(overview());
    return;
  }
  if (panel.firstChild?.dataset?.about === String(item) && !steps.isActive) return;
  panel.replaceChildren(detailsOf(item, go));
  panel.scrollTop = 0;
}

/** What the panel says before anything is selected. */
function overview() {
  const count = (kind) => data.nodes.filter((node) => node.kind === kind).length;
  return make("div", {class: "about"}, make("header", {}, make("h2", {}, document.getElementById("title").textContent)),
    facts([["operations", count("operation")], ["leaves", count("leaf")], ["constants", count("constant")],
      ["modules", data.containers.filter(({path}) => path !== undefined).length || null], ["backward walk", data.backward.length ? `${data.backward.length} step${data.backward.length === 1 ? "" : "s"}` : "not computed"]]),
    data.notes.map((note) => make("p", {class: "warning"}, note)), advice(),
    make("p", {class: "faint"}, "Point at a box to see what it holds. ",
      make("button", {type: "button", class: "link", onclick: () => help.showModal()}, "Keys and mouse")));
}

/** Unfold what hides an item, select it and bring it into the window. */
function go(item) {
  if (page.classList.contains("as-table")) showTable();
  const hidden = around(item).slice(0, -1).filter((container) => !open.has(container));
  const then = () => {
    select(item);
    view.reveal(item);
    picture.element(item)?.classList.add("found");
    setTimeout(() => picture.element(item)?.classList.remove("found"), 900);
  };
  if (!hidden.length) return then();
  state.moving();
  for (const container of hidden) open.add(container);
  refresh();
  decorate();
  then();
}

function showTable() {
  const isTable = page.classList.toggle("as-table");
  tableButton.setAttribute("aria-pressed", isTable);
  if (isTable && !document.getElementById("table")) stage.after(tableView(go));
  if (isTable) document.getElementById("table").focus();
}

/** The box that an arrow key leads to: along an edge in its direction, else the next or the previous box. */
function neighbour(item, key) {
  const along = {ArrowDown: isDown ? 1 : 0, ArrowUp: isDown ? -1 : 0, ArrowRight: isDown ? 0 : 1, ArrowLeft: isDown ? 0 : -1}[key];
  const ends = [...picture.composition.lines.values()];
  const near = (from, to) => ends.filter((curve) => curve[from] === item).map((curve) => curve[to]);
  if (along) return (along > 0 ? near("source", "target") : near("target", "source"))[0] ?? null;
  const places = picture.composition.boxes, here = places.get(item);
  if (!here) return null;
  const [main, across] = isDown ? ["y", "x"] : ["x", "y"];
  const sign = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
  // Beside it, the nearest whose place along the edges is about the same.
  let best = null, least = Infinity;
  for (const [other, place] of places) {
    const aside = (place[across] - here[across]) * sign, off = Math.abs(place[main] - here[main]);
    if (other !== item && aside > 1 && aside + 4 * off < least) [best, least] = [other, aside + 4 * off];
  }
  return best;
}

function moveTo(item) {
  if (item === null) return;
  picture.element(item)?.focus({preventScroll: true});
  view.reveal(item);
}

function inRecordedOrder(step) {
  const order = shownInOrder(), place = order.indexOf(shown(state.current));
  moveTo(order[clamp(place + step, 0, order.length - 1)]);
}

const STEP = 60;
const pans = {ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP]};
const atPicture = (event) => stage.contains(event.target);
const focused = (event) => Number(event.target.closest?.("[data-item]")?.dataset.item ?? -1);
const arrows = Object.fromEntries(Object.entries(pans).flatMap(([key, by]) => [
  [`Shift+${key}`, (event) => atPicture(event) && view.pan(...by)],
  [key, (event) => {
    if (!atPicture(event)) return false;
    const item = focused(event);
    if (item < 0) view.pan(...by);
    else moveTo(neighbour(item, key));
    return true;
  }],
]));
onKeys({
  ...arrows,
  Enter: (event) => focused(event) >= 0 && (isContainer(focused(event)) ? toggle(focused(event)) : select(focused(event))),
  " ": () => steps.isPlaying ? steps.pause() : steps.play(),
  ".": () => steps.go(steps.isActive ? steps.position + 1 : 1),
  ",": () => steps.go(steps.position - 1),
  Home: () => steps.go(0),
  End: () => steps.go(steps.count),
  "+": () => view.zoom(1.35, undefined, true),
  "=": () => view.zoom(1.35, undefined, true),
  "-": () => view.zoom(1 / 1.35, undefined, true),
  0: () => view.fit(),
  n: (event) => inRecordedOrder(event.shiftKey ? -1 : 1),
  "[": () => changeLevel(-1),
  "]": () => changeLevel(1),
  "/": () => document.getElementById("search").focus(),
  t: () => showTable(),
  "?": () => help.showModal(),
  Escape: () => select(null),
});

function changeLevel(by) {
  const level = Number(depthField.value);
  const depth = clamp((level < 0 ? data.depth : level) + by, 0, data.depths.length - 1);
  if (depth !== level) setDepth(depth);
}

steps.listeners.push(() => {
  const step = steps.step;
  if (step) {
    state.selected = step.item;
    setCurrent(shown(step.item));
    mark();
    panel.replaceChildren(detailsOf(step.item, go));
    if (view.isFar || !isSeen(shown(step.item))) view.reveal(shown(step.item));
  }
  paintSteps(picture);
});

function isSeen(item) {
  const place = picture.place(item), {width, height} = view.size;
  if (!place) return true;
  const x = view.x + view.scale * place.x, y = view.y + view.scale * place.y;
  return x > 30 && y > 30 && x < width - 30 && y < height - 30;
}

// The colours of little pictures are set when they are painted.
new MutationObserver(() => showAgain()).observe(document.documentElement, {attributeFilter: ["data-theme"]});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => showAgain());

function showAgain() {
  for (const canvas of panel.querySelectorAll("canvas")) paintCells(canvas);
}

refresh();
view.measure();
view.fit(false, true);
decorate();
select(null);
