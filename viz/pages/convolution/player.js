// Play, pause, step: the controls of a sweep, and their keys.

const ICONS = {
  start: "M5 4h2.5v12H5zM16 4v12L8 10z", back: "M13 4v12L5 10z", play: "M6 3.5v13L16.5 10z",
  pause: "M5.5 4h3v12h-3zM11.5 4h3v12h-3z", step: "M7 4v12l8-6z", end: "M4 4v12l8-6zM12.5 4H15v12h-2.5z",
};

function icon(name) {
  const path = draw("path", {d: ICONS[name], fill: "currentColor"});
  return draw("svg", {viewBox: "0 0 20 20", width: 18, height: 18, "aria-hidden": "true"}, path);
}

/** The controls; `moved(position)` is called when the position changes. Returns {element, reset(count, position), ...}. */
function player(moved) {
  let [count, position, timer] = [0, 0, null];
  const button = (name, label, keys, act) => make("button", {
    type: "button", "aria-label": label, title: `${label} (${keys})`, "data-control": name, onclick: act,
  }, icon(name));
  const start = button("start", "To the start", "Home", () => go(0));
  const back = button("back", "Step back", "←", () => go(position - 1));
  const play = button("play", "Play", "Space", () => toggle());
  const step = button("step", "Step", "→", () => go(position + 1));
  const end = button("end", "To the end", "End", () => go(count));
  const slider = make("input", {
    type: "range", min: 0, class: "progress", "aria-label": "Step", oninput: () => go(Number(slider.value)),
  });
  const counter = make("output", {class: "numbers counter"});
  const speed = make("input", {type: "range", min: -1, max: 5, step: 1, value: 1, "aria-label": "Speed",
    oninput: () => { speed.title = `${rate()} steps a second`; speed.setAttribute("aria-valuetext", speed.title); }});
  const rate = () => 2 ** Number(speed.value);

  function go(to) {
    pause();
    move(to);
  }

  function move(to) {
    position = Math.max(0, Math.min(count, to));
    refresh();
    moved(position);
  }

  function refresh() {
    slider.max = count;
    slider.value = position;
    slider.setAttribute("aria-valuetext", `step ${position} of ${count}`);
    counter.textContent = `${position} / ${count}`;
    start.disabled = back.disabled = position === 0;
    end.disabled = step.disabled = position === count;
  }

  function tick() {
    if (position === count) return pause();
    move(position + 1);
    timer = setTimeout(tick, 1000 / rate());
  }

  function toggle() {
    if (timer !== null) return pause();
    if (position === count) move(0);
    tick();
    if (timer !== null) label("pause", "Pause");
  }

  function pause() {
    clearTimeout(timer);
    timer = null;
    label("play", "Play");
  }

  function label(name, text) {
    play.replaceChildren(icon(name));
    play.setAttribute("aria-label", text);
    play.title = `${text} (Space)`;
  }

  const KEYS = {
    " ": toggle, ArrowRight: () => go(position + 1), ArrowLeft: () => go(position - 1), Home: () => go(0),
    End: () => go(count),
  };
  return {
    element: make("div", {class: "player screen-only", role: "group", "aria-label": "Playback"},
      make("span", {class: "buttons"}, start, back, play, step, end), slider, counter,
      make("label", {class: "speed"}, make("span", {class: "faint"}, "Speed"), speed)),
    reset: (steps, at) => {
      [count, position] = [steps, Math.min(steps, at)];
      refresh();
    },
    pause,
    get isFast() { return timer !== null && rate() > 2; },
    /** Whether the key was one of the player's. */
    key: (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return false;
      KEYS[event.key]();
      return true;
    },
  };
}
