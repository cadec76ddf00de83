// The picture for any set of open containers, put together from the layouts of their insides. An open container makes
// room: the scene around it is stretched where the container stands, along both axes. What was left of something else
// stays left of it, so no two boxes ever overlap and nothing changes places.

/**
 * A function that stretches an axis. Each interval becomes at least as long as it has to; nothing becomes shorter.
 * @param {{low: number, high: number, length: number}[]} intervals
 */
function stretching(intervals) {
  if (!intervals.length) return (x) => x;
  const cuts = [...new Set(intervals.flatMap(({low, high}) => [low, high]))].sort((a, b) => a - b);
  const images = [cuts[0]];
  for (let i = 1; i < cuts.length; i++) {
    let factor = 1;
    for (const {low, high, length} of intervals) {
      if (low <= cuts[i - 1] && cuts[i] <= high) factor = Math.max(factor, length / (high - low));
    }
    images.push(images[i - 1] + factor * (cuts[i] - cuts[i - 1]));
  }
  const last = cuts.length - 1;
  return (x) => {
    if (x <= cuts[0]) return x;
    if (x >= cuts[last]) return x - cuts[last] + images[last];
    let low = 0, high = last;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (cuts[middle] <= x) low = middle;
      else high = middle;
    }
    return images[low] + (x - cuts[low]) * (images[high] - images[low]) / (cuts[high] - cuts[low]);
  };
}

/** Between two ranks, about; in pixels. */
const GAP = 30;

const mix = (from, to, share) => from + (to - from) * share;
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

/**
 * The picture while each container is so far open.
 * @param {(container: number) => number} openness 0 for folded, 1 for open, and in between on the way.
 * @returns width and height; `boxes`, center, size and scale of each item that is seen; `frames`, corner and size of
 *   each open container; `lines`, the points of each line and the edges that it stands for.
 */
function compose(openness) {
  const measured = new Map(), boxes = new Map(), frames = new Map(), placed = new Map();

  function measure(id) {
    const scene = scenes.get(id);
    const across = [], along = [];
    for (const {item, x, y} of scene.boxes) {
      const share = isContainer(item) ? openness(item) : 0;
      if (!share) continue;
      const inside = measure(item), [width, height] = items[item].box;
      across.push({low: x - width / 2, high: x + width / 2, length: mix(width, inside.width, share)});
      along.push({low: y - height / 2, high: y + height / 2, length: mix(height, inside.height, share)});
    }
    const mapX = stretching(across), mapY = stretching(along);
    const found = {mapX, mapY, width: mapX(scene.width), height: mapY(scene.height)};
    measured.set(id, found);
    return found;
  }

  function place(id, left, top, scaleX, scaleY) {
    const {mapX, mapY} = measured.get(id);
    placed.set(id, {left, top, scaleX, scaleY, mapX, mapY});
    for (const {item, x, y} of scenes.get(id).boxes) {
      const share = isContainer(item) ? openness(item) : 0;
      const [width, height] = items[item].box, inside = measured.get(item);
      const wide = share ? mix(width, inside.width, share) : width;
      const high = share ? mix(height, inside.height, share) : height;
      const centerX = left + scaleX * clamp(mapX(x), mapX(x - width / 2) + wide / 2, mapX(x + width / 2) - wide / 2);
      const centerY = top + scaleY * clamp(mapY(y), mapY(y - height / 2) + high / 2, mapY(y + height / 2) - high / 2);
      const box = {x: centerX, y: centerY, width: wide * scaleX, height: high * scaleY, scale: Math.min(scaleX, scaleY)};
      if (share) {
        frames.set(item, {...box, share});
        place(item, centerX - box.width / 2, centerY - box.height / 2,
          scaleX * wide / inside.width, scaleY * high / inside.height);
      } else {
        boxes.set(item, box);
      }
    }
  }

  const whole = measure(ROOT);
  place(ROOT, 0, 0, 1, 1);

  /**
   * Where an edge meets an item or a port.
   * @param {number} side 1 for the end that it leaves, -1 for the end that it enters.
   * @param {number[]} end where it does so in the layout of its scene.
   */
  function meeting(scene, id, side, tensor, end) {
    if (typeof id === "number" && boxes.has(id)) {
      const {x, y, width, height, scale} = boxes.get(id), center = scenes.get(scene).centers.get(id);
      return isDown ? [x + scale * (end[0] - center[0]), y + side * height / 2]
        : [x + side * width / 2, y + scale * (end[1] - center[1])];
    }
    const [inside, port] = typeof id === "number" ? [id, `${side > 0 ? "out" : "in"}${tensor}`] : [scene, id];
    const {left, top, scaleX, scaleY, mapX, mapY} = placed.get(inside);
    const [x, y] = scenes.get(inside).ports.get(port);
    return [left + scaleX * mapX(x), top + scaleY * mapY(y)];
  }

  /**
   * An edge of a scene, as it runs in the picture: through its points, stretched as everything is. Where an end has to
   * reach a port, the way there lies in the free space between two ranks.
   */
  function line({scene, from, to}, tensor) {
    const {left, top, scaleX, scaleY, mapX, mapY} = placed.get(scene);
    const points = scenes.get(scene).curves.get(`${from}>${to}`).slice(), last = points.length - 2;
    const met = [meeting(scene, from, 1, tensor, points), meeting(scene, to, -1, tensor, points.slice(last))];
    for (let i = 0; i <= last; i += 2) {
      points[i] = left + scaleX * mapX(points[i]);
      points[i + 1] = top + scaleY * mapY(points[i + 1]);
    }
    const main = isDown ? 1 : 0, reach = GAP * (isDown ? scaleY : scaleX);
    const ends = [0, last].map((end, i) =>
      ({at: points[end + main], dx: met[i][0] - points[end], dy: met[i][1] - points[end + 1]}));
    for (let i = 0; i <= last; i += 2) {
      const along = points[i + main];
      for (const {at, dx, dy} of ends) {
        const share = clamp(1 - Math.abs(along - at) / reach, 0, 1), weight = share * share * (3 - 2 * share);
        points[i] += weight * dx;
        points[i + 1] += weight * dy;
      }
    }
    return points;
  }

  const isOpen = (container) => openness(container) > 0;
  const lines = new Map();
  edges.forEach((edge, i) => {
    if (edge.common !== ROOT && !placed.has(edge.common)) return;
    // The outermost folded container on either side is what the edge is seen to leave or enter.
    let first = edge.out.length - 1, last = edge.into.length - 1;
    while (first >= 0 && isOpen(edge.out[first])) first--;
    while (last >= 0 && isOpen(edge.into[last])) last--;
    const source = first < 0 ? edge.source : edge.out[first], target = last < 0 ? edge.target : edge.into[last];
    const links = edge.links.slice(first + 1, edge.links.length - last - 1);
    const key = links.length > 1 ? `${source}>${target}>${edge.source}` : `${source}>${target}`;
    const known = lines.get(key);
    if (known) {
      known.edges.push(i);
      return;
    }
    const points = [];
    for (const link of links) points.push(...line(link, edge.source).slice(points.length ? 2 : 0));
    lines.set(key, {source, target, points, edges: [i]});
  });
  return {width: whole.width, height: whole.height, boxes, frames, lines};
}
