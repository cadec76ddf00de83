// Arrays as the panel shows them. Every number has its exact form in data-value; the texts were written by Python.

/** A number: what is shown, and as data-value what it is. */
function numberElement([text, exact], attributes = {}) {
  return make("span", {class: "number", "data-value": exact, title: text === exact ? null : exact, ...attributes}, text);
}

/** An array, or why it isn't there: a number is that of an array, a text is a reason. */
function arrayElement(array, name) {
  if (typeof array === "string") return make("p", {class: "absent", "data-array": name, "data-missing": array}, array);
  const about = data.arrays[array];
  const {size, grid, excerpt, statistics, histogram, map} = about;
  if (!size) return make("p", {class: "absent", "data-array": name}, "empty: it has no elements");
  return make("div", {class: "array", "data-array": name},
    grid ? gridElement(grid, "grid") : null,
    map ? mapElement(map) : null,
    !grid && excerpt ? excerptElement(about) : null,
    statistics ? statisticsElement(statistics) : null,
    histogram ? histogramElement(histogram) : null);
}

function gridElement(rows, name) {
  if (rows.length === 1 && rows[0].length === 1) return make("p", {class: "single", "data-part": name}, numberElement(rows[0][0]));
  return make("table", {class: "grid", "data-part": name}, make("tbody", {}, rows.map((row) =>
    make("tr", {}, row.map((pair) => make("td", {}, numberElement(pair)))))));
}

function excerptElement({shape: whole, excerpt, size}) {
  const shape = whole.filter((n) => n > 1);
  const rows = shape.length > 1 ? `${excerpt.length} × ${excerpt[0].length}` : `${excerpt[0].length}`;
  const plane = shape.length > 2 ? ` of plane [${shape.slice(0, -2).map(() => 0).join(", ")}]` : "";
  return make("details", {class: "excerpt"},
    make("summary", {}, `The first ${rows}${plane}, of ${size.toLocaleString("en")} numbers`), gridElement(excerpt, "excerpt"));
}

function statisticsElement(statistics) {
  return make("dl", {class: "statistics"}, Object.entries(statistics).map(([name, pair]) =>
    make("div", {class: name === "not finite" && pair[1] !== "0" ? "warning" : null},
      make("dt", {}, name), make("dd", {}, numberElement(pair, {"data-statistic": name})))));
}

function histogramElement({counts, low, high}) {
  const highest = Math.max(...counts), width = 240, height = 44, step = width / counts.length;
  const bars = counts.map((count, i) => count ? draw("rect", {x: (i * step + 0.5).toFixed(1), width: (step - 1).toFixed(1),
    y: (height - Math.max(1, height * count / highest)).toFixed(1), height: Math.max(1, height * count / highest).toFixed(1),
    "data-count": count}) : null);
  return make("figure", {class: "histogram", "data-counts": counts.join(" ")},
    draw("svg", {viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img",
      "aria-label": `histogram from ${low} to ${high}, the fullest of ${counts.length} bins holds ${highest}`}, bars),
    make("figcaption", {}, make("span", {}, low), make("span", {}, high)));
}

/** The planes of an array as little pictures: red above 0, blue below, the stronger the further away. */
function mapElement({planes, of, rows, columns, block, largest, codes}) {
  const bytes = Uint8Array.from(atob(codes), (character) => character.charCodeAt(0));
  const side = rows > 1 ? clamp(Math.floor((planes > 3 ? 56 : planes > 1 ? 84 : 150) / Math.max(rows, columns)), 1, 18) : 0;
  const canvases = Array.from({length: planes}, (_, plane) => {
    const canvas = make("canvas", {width: columns, height: rows});
    canvas.style.width = side ? `${columns * side}px` : "100%";
    canvas.style.height = side ? `${rows * side}px` : "14px";
    canvas.cells = bytes.subarray(plane * rows * columns, (plane + 1) * rows * columns);
    paintCells(canvas);
    return canvas;
  });
  const means = block[0] * block[1] > 1 ? `; each cell is the mean of ${block[0]} × ${block[1]} numbers` : "";
  const few = planes < of ? `the first ${planes} of ${of} planes; ` : "";
  const caption = `${few}red above 0, blue below, up to ±${largest.replace("−", "")}${means}`;
  return make("figure", {class: "map", role: "img", "aria-label": `picture of the values: ${caption}`},
    make("div", {}, canvases), make("figcaption", {}, caption));
}

function paintCells(canvas) {
  const probe = make("span");
  document.body.append(probe);
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  };
  const [ground, positive, negative, broken] = ["--cell", "--positive", "--negative", "--warning"].map(colour);
  probe.remove();
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  canvas.cells.forEach((code, i) => {
    const end = code === 255 ? broken : code > 127 ? positive : negative;
    const share = code === 255 ? 1 : Math.abs(code - 127) / 127;
    for (let k = 0; k < 3; k++) image.data[4 * i + k] = mix(ground[k], end[k], share);
    image.data[4 * i + 3] = 255;
  });
  context.putImageData(image, 0, 0);
}

/** An array in a few characters, for lists and for edges. */
function inShort(array) {
  if (array === undefined) return "";
  if (typeof array === "string") return array.split(",")[0];
  const {grid, shape, statistics} = data.arrays[array];
  if (grid && grid.length === 1 && grid[0].length <= 4) return grid[0].map(([text]) => text).join("  ");
  const spread = statistics && statistics.min ? `${statistics.min[0]} … ${statistics.max[0]}` : "";
  return spread || `(${shape.join(", ")})`;
}
