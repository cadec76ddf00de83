// The picture: the elements for what can be seen, made when they are first needed and moved from then on.

/** The elements of the picture, and what changes them. */
class Picture {
  /** @param {{onSelect: Function, onToggle: Function, onHover: Function}} actions what the reader's mouse does. */
  constructor(actions) {
    this.actions = actions;
    this.boxes = new Map();
    this.frames = new Map();
    this.curves = new Map();
    this.composition = null;
    const layer = (name) => draw("g", {class: name});
    this.layers = {frames: layer("frames"), curves: layer("curves"), boxes: layer("boxes"), headings: layer("headings"),
      labels: layer("labels")};
    const arrow = (id) => draw("marker", {id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8,
      markerUnits: "userSpaceOnUse", orient: "auto-start-reverse"}, draw("path", {d: "M0.5 0.8 L7.5 4 L0.5 7.2 Z"}));
    this.moving = draw("g", {id: "moving"}, ...Object.values(this.layers));
    this.svg = draw("svg", {id: "picture", role: "group"},
      draw("defs", {}, arrow("arrow"), arrow("arrow-lit"), arrow("arrow-back")), this.moving);
    this.listen();
  }

  /** Show a composition; what is in it for the first time is made, and what is no longer in it is hidden. */
  show(composition) {
    this.composition = composition;
    this.update(this.frames, composition.frames, (item) => this.makeFrame(item), (frame, box) => this.placeFrame(frame, box));
    this.update(this.boxes, composition.boxes, (item) => this.makeBox(item), (element, {x, y, scale}) => {
      const small = scale < 0.999 ? ` scale(${scale.toFixed(3)})` : "";
      set(element, "transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})${small}`);
    });
    this.update(this.curves, composition.lines, (key, curve) => this.makeCurve(key, curve), (element, curve) => {
      set(element.path, "d", pathOf(curve.points));
      if (element.label) {
        const [x, y] = beforeEnd(curve.points, 24);
        set(element.label, "transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
      }
    });
  }

  update(known, wanted, makeOne, placeOne) {
    for (const [key, element] of known) {
      const isWanted = wanted.has(key);
      if (element.isShown !== isWanted) {
        element.isShown = isWanted;
        for (const part of element.parts) part.style.display = isWanted ? "" : "none";
      }
    }
    for (const [key, place] of wanted) {
      let element = known.get(key);
      if (!element) {
        element = makeOne(key, place);
        element.isShown = true;
        known.set(key, element);
      }
      placeOne(element.own ?? element, place);
    }
  }

  makeBox(item) {
    const about = items[item], [width, height] = about.box;
    const kind = isContainer(item) ? "container" : about.kind;
    const shape = about.form === "circle"
      ? draw("circle", {r: width / 2})
      : draw("rect", {x: -width / 2, y: -height / 2, width, height, rx: kind === "operation" ? Math.min(height / 2, 16) : 5});
    // A second border behind a box says that there is more in it; around a box that it is what was asked for.
    const second = isContainer(item) || kind === "folded"
      ? draw("rect", {class: "behind", x: -width / 2 + 4, y: -height / 2 + 4, width, height, rx: 5})
      : about.output ? draw("rect", {class: "around", x: -width / 2 - 3, y: -height / 2 - 3, width: width + 6, height: height + 6, rx: 8})
      : null;
    const texts = about.texts.map(([x, y, anchor, style, text]) =>
      draw("text", {x, y, "text-anchor": anchor, class: style || "plain"}, text));
    const element = draw("g", {class: `box ${kind}${about.output ? " output" : ""}`, "data-item": item, tabindex: -1,
      role: isContainer(item) ? "button" : "img", "aria-label": spokenName(item),
      "aria-expanded": isContainer(item) ? "false" : null}, second, shape, texts);
    this.layers.boxes.append(element);
    return {own: element, parts: [element]};
  }

  makeFrame(item) {
    const rect = draw("rect", {rx: 9});
    const sign = draw("path", {class: "sign", d: "M-4 -2 L0 3 L4 -2"});
    const text = draw("text", {x: 24, y: 19}, items[item].heading[0]);
    const heading = draw("g", {class: "heading", "data-item": item, tabindex: -1, role: "button", "aria-expanded": "true",
      "aria-label": `${titleOf(item)}, open`}, draw("rect", {class: "ground", width: items[item].heading[1] + 36, height: 28, rx: 9}),
      draw("g", {transform: "translate(13 14)"}, sign), text);
    const frame = draw("g", {class: "frame", "data-item": item}, rect);
    this.layers.frames.append(frame);
    this.layers.headings.append(heading);
    return {own: {rect, heading}, parts: [frame, heading]};
  }

  placeFrame({rect, heading}, {x, y, width, height, share}) {
    const left = x - width / 2, top = y - height / 2;
    for (const [name, value] of Object.entries({x: left, y: top, width, height})) set(rect, name, value.toFixed(1));
    set(heading, "transform", `translate(${left.toFixed(1)} ${top.toFixed(1)})`);
    heading.style.opacity = share < 1 ? share : "";
  }

  makeCurve(key, curve) {
    const carried = curve.edges.map((i) => edges[i]);
    const hasGradient = carried.some((edge) => edge.hasGradient);
    const path = draw("path", {class: hasGradient ? "curve" : "curve constant", "data-edge": key, "marker-end": "url(#arrow)"});
    this.layers.curves.append(path);
    const element = {path, parts: [path]};
    const text = carried.length === 1 && curve.target === carried[0].target ? carried[0].label : "";
    if (text) {
      element.label = draw("text", {class: "operand"}, text);
      this.layers.labels.append(element.label);
      element.parts.push(element.label);
    }
    return element;
  }

  /** One listener for all boxes, for thousands of them take time to make. */
  listen() {
    const itemAt = (event) => {
      const found = event.target.closest?.("[data-item]");
      return found ? Number(found.dataset.item) : null;
    };
    this.svg.addEventListener("click", (event) => {
      const item = itemAt(event), isFrame = Boolean(event.target.closest(".frame"));
      if (item !== null && isContainer(item) && !isFrame) this.actions.onToggle(item);
      else this.actions.onSelect(item);
    });
    this.svg.addEventListener("pointerover", (event) => {
      if (event.pointerType === "mouse") this.actions.onHover(event.target.closest(".frame") ? null : itemAt(event));
    });
    this.svg.addEventListener("pointerleave", () => this.actions.onHover(null));
    this.svg.addEventListener("focusin", (event) => this.actions.onFocus(itemAt(event)));
  }

  /** The element that stands for an item which is seen, or null. */
  element(item) {
    if (this.boxes.get(item)?.isShown) return this.boxes.get(item).own;
    if (this.frames.get(item)?.isShown) return this.frames.get(item).own.heading;
    return null;
  }

  /** Center and size of an item which is seen; of an open container its frame. */
  place(item) {
    return this.composition.boxes.get(item) ?? this.composition.frames.get(item);
  }

  /** The lines that stand for these edges now. */
  curvesOf(indices) {
    const wanted = new Set(indices), found = [];
    for (const [key, curve] of this.composition.lines) {
      if (curve.edges.some((i) => wanted.has(i))) found.push({...this.curves.get(key), ...curve, key});
    }
    return found;
  }

  /** Give a class to exactly these items. */
  mark(name, wanted) {
    for (const element of this.svg.querySelectorAll(`g.${name}`)) element.classList.remove(name);
    for (const item of wanted) this.element(item)?.classList.add(name);
  }

  /** Give a class to exactly the lines that stand for these edges. */
  markEdges(name, indices, marker) {
    for (const path of this.layers.curves.querySelectorAll(`.${name}`)) {
      path.classList.remove(name);
      path.setAttribute("marker-end", "url(#arrow)");
      path.removeAttribute("marker-start");
    }
    for (const {path} of indices.length ? this.curvesOf(indices) : []) {
      path.classList.add(name);
      if (marker === "back") {
        path.removeAttribute("marker-end");
        path.setAttribute("marker-start", "url(#arrow-back)");
      } else {
        path.setAttribute("marker-end", `url(#arrow-${marker})`);
      }
      path.parentNode.append(path);
    }
  }
}

/** Set an attribute where it changes: that is what takes the browser time. */
function set(element, name, value) {
  element.was ??= {};
  if (element.was[name] === value) return;
  element.was[name] = value;
  element.setAttribute(name, value);
}

/** A smooth path through the middles between the points, from the first to the last. */
function pathOf(p) {
  const last = p.length - 2;
  let text = `M${p[0].toFixed(1)} ${p[1].toFixed(1)}`;
  for (let i = 2; i < last; i += 2) {
    text += `Q${p[i].toFixed(1)} ${p[i + 1].toFixed(1)} ${((p[i] + p[i + 2]) / 2).toFixed(1)} ${((p[i + 1] + p[i + 3]) / 2).toFixed(1)}`;
  }
  return `${text}L${p[last].toFixed(1)} ${p[last + 1].toFixed(1)}`;
}

/** The point on a line so far before its end; where the line is shorter, in its middle. */
function beforeEnd(points, distance) {
  let left = Math.min(distance, lengthOf(points) / 2);
  for (let i = points.length - 2; i > 0; i -= 2) {
    const dx = points[i - 2] - points[i], dy = points[i - 1] - points[i + 1], length = Math.hypot(dx, dy);
    if (length >= left && length) return [points[i] + dx * left / length, points[i + 1] + dy * left / length];
    left -= length;
  }
  return points.slice(0, 2);
}

function lengthOf(points) {
  let length = 0;
  for (let i = 2; i < points.length; i += 2) length += Math.hypot(points[i] - points[i - 2], points[i + 1] - points[i - 1]);
  return length;
}
