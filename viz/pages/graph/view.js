// What part of the picture is seen, and how large: by mouse, by fingers and by keys.

const SMALLEST = 0.02, LARGEST = 4, READABLE = 0.62;

/** A window on the picture. Points of the picture lie at scale * point + offset in the window. */
class View {
  constructor(picture, stage) {
    this.picture = picture;
    this.stage = stage;
    this.scale = 1;
    this.x = this.y = 0;
    this.fingers = new Map();
    this.isFitted = true;
    stage.addEventListener("wheel", (event) => this.wheel(event), {passive: false});
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (event) => this.up(event));
    // A drag that ends on a box is no click on it.
    stage.addEventListener("click", (event) => this.wasDragged && event.stopPropagation(), true);
    // To ask for the size later would make the browser lay out everything that has changed.
    this.size = {width: 0, height: 0};
    new ResizeObserver(([{contentRect: {width, height}}]) => {
      this.size = {width, height};
      if (this.isFitted) this.fit(false);
    }).observe(stage);
  }

  /** Ask for the size once, when the window is first shown. */
  measure() {
    this.size = {width: this.stage.clientWidth, height: this.stage.clientHeight};
  }

  apply() {
    set(this.picture.moving, "transform", `translate(${this.x.toFixed(2)} ${this.y.toFixed(2)}) scale(${this.scale.toFixed(4)})`);
    this.picture.svg.classList.toggle("far", this.scale < 0.3);
  }

  set(scale, x, y) {
    [this.scale, this.x, this.y] = [scale, x, y];
    this.apply();
  }

  /** Move smoothly, unless the reader wants no motion. */
  glide(scale, x, y) {
    this.stop();
    const from = [this.scale, this.x, this.y];
    this.stop = animate(260, (share) => this.set(...[scale, x, y].map((to, i) => mix(from[i], to, share))));
  }

  stop() {}

  pan(dx, dy) {
    this.stop();
    this.isFitted = false;
    this.set(this.scale, this.x + dx, this.y + dy);
  }

  /** Zoom so that a point of the window, its middle if none is given, stays where it is. */
  zoom(factor, at = {x: this.size.width / 2, y: this.size.height / 2}, isSmooth = false) {
    this.isFitted = false;
    const scale = clamp(this.scale * factor, SMALLEST, LARGEST), share = scale / this.scale;
    const target = [scale, at.x - (at.x - this.x) * share, at.y - (at.y - this.y) * share];
    if (isSmooth) this.glide(...target);
    else {
      this.stop();
      this.set(...target);
    }
  }

  /** Show everything; at first only as much as can be read, from where the computation begins. */
  fit(isSmooth = true, isReadable = false) {
    const {width, height} = this.size, whole = this.picture.composition;
    if (!width || !whole) return;
    let scale = Math.min(width / whole.width, height / whole.height, 1.15);
    const isCut = isReadable && scale < READABLE;
    if (isCut) scale = Math.min(READABLE, Math.max(isDown ? width / whole.width : height / whole.height, 0.35));
    const place = (room, length) => (room - length * scale) / 2;
    const first = this.picture.composition.boxes.get(shownInOrder()[0]);
    // Begin at the first box, but leave no room beside the picture that it could fill.
    const begin = (room, length, center) => length * scale < room ? place(room, length)
      : clamp(room / 2 - center * scale, room - length * scale, 0);
    const x = isCut ? begin(width, whole.width, isDown ? first.x : 0) : place(width, whole.width);
    const y = isCut ? begin(height, whole.height, isDown ? 0 : first.y) : place(height, whole.height);
    this.isFitted = !isCut;
    if (isSmooth) this.glide(scale, x, y);
    else this.set(scale, x, y);
  }

  /** Whether the whole picture has room in the window at this scale. */
  hasRoom() {
    const {width, height} = this.size, whole = this.picture.composition;
    return whole.width * this.scale <= width && whole.height * this.scale <= height;
  }

  /** Whether boxes are too small to be read. */
  get isFar() {
    return this.scale < 0.4;
  }

  /** Move as little as it takes to have an item well in the window, and zoom in where it can't be read. */
  reveal(item) {
    const box = this.picture.place(item);
    if (!box) return;
    const {width, height} = this.size, margin = 40;
    const scale = this.isFar ? READABLE : this.scale;
    const share = scale / this.scale;
    let x = width / 2 - (width / 2 - this.x) * share, y = height / 2 - (height / 2 - this.y) * share;
    const inside = (offset, center, length, room) => {
      const low = offset + (center - length / 2) * scale, high = offset + (center + length / 2) * scale;
      if (high - low > room - 2 * margin) return offset + margin - low;
      return offset + Math.max(margin - low, 0) + Math.min(room - margin - high, 0);
    };
    x = inside(x, box.x, box.width, width);
    y = inside(y, box.y, box.height, height);
    if (x !== this.x || y !== this.y || scale !== this.scale) {
      this.isFitted = false;
      this.glide(scale, x, y);
    }
  }

  at(event) {
    const {left, top} = this.stage.getBoundingClientRect();
    return {x: event.clientX - left, y: event.clientY - top};
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey) this.pan(-(event.deltaX || event.deltaY) * lines, 0);
    else this.zoom(Math.exp(-clamp(event.deltaY * lines, -240, 240) / 320), this.at(event));
  }

  down(event) {
    this.wasDragged = false;
    if (event.button || event.target.closest("button")) return;
    this.fingers.set(event.pointerId, this.at(event));
    this.start = this.at(event);
  }

  move(event) {
    const before = this.fingers.get(event.pointerId), now = this.at(event);
    if (!before) return;
    const others = [...this.fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    if (!this.wasDragged && Math.hypot(now.x - this.start.x, now.y - this.start.y) < 4) return;
    if (!this.wasDragged) {
      this.wasDragged = true;
      this.stage.setPointerCapture(event.pointerId);
    }
    this.fingers.set(event.pointerId, now);
    if (others.length === 1) {
      const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y) || 1;
      this.zoom(distance(now, others[0]) / distance(before, others[0]), others[0]);
    } else if (!others.length) {
      this.pan(now.x - before.x, now.y - before.y);
    }
  }

  up(event) {
    this.fingers.delete(event.pointerId);
  }
}

const wantsNoMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * Call with a share from 0 to 1 in every frame for so many milliseconds; at once with 1 where no motion is wanted.
 * @returns a function that stops it.
 */
function animate(duration, step, done = () => {}) {
  if (wantsNoMotion() || !duration) {
    step(1);
    done();
    return () => {};
  }
  let handle = 0, start = null;
  const frame = (time) => {
    start ??= time;
    const share = Math.min((time - start) / duration, 1);
    step(share * share * (3 - 2 * share));
    if (share < 1) handle = requestAnimationFrame(frame);
    else done();
  };
  handle = requestAnimationFrame(frame);
  return () => cancelAnimationFrame(handle);
}
