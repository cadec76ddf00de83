// The graph as the other scripts see it. An item is a node, by its number, or a container (the call of a module, or a
// part of a large graph), numbered after the nodes. What the picture shows of them depends on which containers are open.

const data = readData();
const ROOT = -1;
const items = [...data.nodes, ...data.containers];
const isContainer = (item) => item >= data.nodes.length;
const isDown = data.direction === "TB";

const edges = data.edges.map(([source, target, label, hasGradient]) => ({source, target, label, hasGradient}));
const incoming = items.map(() => []);
const outgoing = items.map(() => []);
edges.forEach((edge, i) => {
  outgoing[edge.source].push(i);
  incoming[edge.target].push(i);
});

const scenes = new Map(data.scenes.map((scene) => [scene.item, {
  width: scene.size[0],
  height: scene.size[1],
  boxes: scene.boxes.map(([item, x, y]) => ({item, x, y})),
  centers: new Map(scene.boxes.map(([item, ...center]) => [item, center])),
  ports: new Map(Object.entries(scene.ports)),
  curves: new Map(scene.edges.map(([from, to, points]) => [`${from}>${to}`, sampled(points)])),
}]));

/**
 * Points on a chain of Bezier curves. The picture is stretched where something opens, and bends don't follow that: what
 * runs around a box has to run around it afterwards.
 */
function sampled(bends) {
  const points = bends.slice(0, 2);
  for (let i = 0; i + 8 <= bends.length; i += 6) {
    const curve = bends.slice(i, i + 8);
    const isStraight = [2, 4].every((k) => Math.abs(curve[k + (isDown ? 0 : 1)] - curve[isDown ? 0 : 1]) < 0.5)
      && Math.abs(curve[6] - curve[0]) < 0.5 === isDown && Math.abs(curve[7] - curve[1]) < 0.5 !== isDown;
    const count = isStraight ? 1 : 7;
    for (let k = 1; k <= count; k++) points.push(...onCurve(curve, k / count));
  }
  return points;
}

/** A point of a Bezier curve. */
function onCurve(p, t) {
  const s = 1 - t, a = s * s * s, b = 3 * s * s * t, c = 3 * s * t * t, d = t * t * t;
  return [a * p[0] + b * p[2] + c * p[4] + d * p[6], a * p[1] + b * p[3] + c * p[5] + d * p[7]];
}

/** The containers around an item, the innermost first, and ROOT. */
function around(item) {
  const found = [];
  while (item !== ROOT) found.push(item = items[item].in);
  return found;
}

// Each edge as the links that it consists of, from scene to scene: out of all that its source lies in and its target
// does not, then into all that its target lies in.
for (const edge of edges) {
  const out = around(edge.source), into = around(edge.target);
  const common = out.find((item) => into.includes(item));
  edge.out = out.slice(0, out.indexOf(common));
  edge.into = into.slice(0, into.indexOf(common));
  edge.common = common;
  edge.links = [];
  let from = edge.source;
  for (const scene of edge.out) {
    edge.links.push({scene, from, to: `out${edge.source}`});
    from = scene;
  }
  const last = [];
  let to = edge.target;
  for (const scene of edge.into) {
    last.unshift({scene, from: `in${edge.source}`, to});
    to = scene;
  }
  edge.links.push({scene: common, from, to}, ...last);
}

const open = new Set();

/** Open so many levels of containers and fold the others. */
function openLevels(depth) {
  open.clear();
  for (let item = data.nodes.length; item < items.length; item++) if (items[item].level < depth) open.add(item);
}

/** The item itself, or the folded container that hides it. */
function shown(item) {
  for (const container of around(item).slice(0, -1)) if (!open.has(container)) item = container;
  return item;
}

/** What to call an item in lists, in one line. */
function titleOf(item) {
  const {name, title, kind, shape, value} = items[item];
  if (isContainer(item)) return name ? `${name} (${title})` : title;
  if (kind === "operation" || kind === "folded") return name || title;
  if (name) return name;
  const number = shape === "()" && kind === "constant" ? numberIn(value) : null;
  if (number) return number[0];
  const operation = operationOf(item);
  return operation === null ? `${kind} ${shape}` : `result of ${items[operation].title}`;
}

/** The operation that computes a tensor, or null. */
function operationOf(item) {
  const edge = incoming[item].map((i) => edges[i]).find(({source}) => items[source].kind === "operation");
  return edge ? edge.source : null;
}

/** The text and the exact form of an array that is a single number, or null. */
function numberIn(array) {
  const {grid, size} = typeof array === "number" ? data.arrays[array] : {};
  return grid && size === 1 ? grid[0][0] : null;
}

/** What a screen reader says of an item. */
function spokenName(item) {
  const about = items[item];
  if (isContainer(item)) {
    return `${titleOf(item)}, ${about.operations} operations, ${open.has(item) ? "open" : "folded"}`;
  }
  if (about.kind === "folded") return `${titleOf(item)}, ${about.operations} operations`;
  if (about.kind === "operation") {
    const result = outgoing[item].map((i) => items[edges[i].target])[0];
    return `${about.title}${result && result.shape ? `, result ${result.shape}` : ""}`;
  }
  const value = numberIn(about.value), gradient = numberIn(about.gradient);
  const parts = [titleOf(item), about.output ? "output" : about.kind];
  if (about.shape !== "()") parts.push(`shape ${about.shape}`);
  if (value) parts.push(`value ${value[0]}`);
  if (typeof about.gradient === "string") parts.push(`gradient ${about.gradient}`);
  else if (about.gradient !== undefined) parts.push(gradient ? `gradient ${gradient[0]}` : "gradient computed");
  return parts.join(", ");
}

/** In the order of the recording, what is to be seen now: folded containers stand where their first node does. */
function shownInOrder() {
  const found = new Set();
  for (let item = 0; item < data.nodes.length; item++) found.add(shown(item));
  return [...found];
}
