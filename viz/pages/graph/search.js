// Search by name, title, shape and dtype; Enter goes from hit to hit, in folded modules too.

/** All that an item can be found by, in lower case. */
const searchable = items.map((about, item) => [titleOf(item), about.id, about.title, about.name, about.path, about.shape,
  about.dtype, about.arguments, ...(about.options ?? []), about.output ? "output" : about.kind]
  .filter(Boolean).join("\n").toLowerCase());

function searchField(onHit, onChange) {
  let hits = [], current = -1;
  const count = make("span", {class: "faint", id: "hits", "aria-live": "polite"});
  const input = make("input", {type: "search", id: "search", placeholder: "Search  ( / )", autocomplete: "off", spellcheck: "false",
    "aria-label": "Search by name, operation, shape or dtype; Enter goes to the next hit"});
  const find = () => {
    const words = input.value.toLowerCase().trim().split(/\s+/).filter(Boolean);
    hits = words.length ? items.map((_, item) => item).filter((item) => matches(searchable[item], words)) : [];
    current = -1;
    count.textContent = words.length ? `${hits.length} hit${hits.length === 1 ? "" : "s"}` : "";
    onChange(hits);
  };
  // "(1, 8, 28, 28)" has spaces in it and is one word all the same.
  const matches = (text, words) => text.includes(words.join(" ")) || words.every((word) => text.includes(word));
  input.addEventListener("input", find);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && hits.length) {
      current = (current + (event.shiftKey ? hits.length - 1 : 1)) % hits.length;
      if (current < 0) current = hits.length - 1;
      count.textContent = `${current + 1} of ${hits.length}`;
      onHit(hits[current]);
    } else if (event.key === "Escape") {
      input.value = "";
      find();
      input.blur();
    }
    event.stopPropagation();
  });
  return make("div", {id: "finder", role: "search"}, input, count);
}
