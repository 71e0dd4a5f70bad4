"use strict";
// Elements and links. Text is inserted as text only: nothing that a model wrote can become an element.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "value") made.value = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => ![null, undefined, false, ""].includes(child)));
  return made;
}

function link(names, query = {}) {
  const more = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const path = "#/" + names.map(encodeURIComponent).join("/");
  return more.length ? `${path}?${more.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&")}` : path;
}

// Text that cannot be decoded stays unchanged: it names no place, and the page says so.
function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const names = path ? path.split("/").map(decoded) : [];
  return { names, query: Object.fromEntries(new URLSearchParams(query || "")) };
}

// A select element that changes one key of the query.
function chooser(label, options, key, at) {
  const change = (event) => { location.hash = link(at.names, { ...at.query, [key]: event.target.value }); };
  const made = element("select", { onchange: change, "aria-label": label },
    options.map(([value, text]) => element("option", { value, selected: (at.query[key] || "") === value }, text)));
  return element("label", {}, `${label} `, made);
}

const percent = (share, digits = 1) => (share === null || share === undefined ? "–" : `${(100 * share).toFixed(digits)} %`);
// As in scripts/lib/cli.py.
function duration(seconds) {
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}
const count = (number) => number.toLocaleString("en");
const facts = (pairs) => element("ul", { class: "facts" },
  pairs.filter(Boolean).map(([name, value]) => element("li", {}, element("span", {}, `${name} `), element("b", {}, value))));
const missing = (text) => element("p", { class: "missing" }, text);

// A list that shows its first rows, and more on demand.
function list(head, rows, line, size = 100) {
  const body = element("tbody");
  const more = element("button", { onclick: () => grow() });
  let shown = 0;
  function grow() {
    const next = rows.slice(shown, shown + size);
    body.append(...next.map(line));
    shown += next.length;
    more.hidden = shown >= rows.length;
    more.textContent = `more (${count(rows.length - shown)} left)`;
  }
  grow();
  return element("div", {}, element("table", { class: "list" }, element("thead", {}, element("tr", {}, head)), body),
    rows.length ? more : missing("None."));
}
const heading = (text, kind = "") => element("th", { class: kind }, text);

// Text with typeset formulas, if the page includes KaTeX.
function prose(text) {
  const made = element("div", { class: "prose" });
  if (typeof katex === "undefined") { made.textContent = text; return made; }
  const formula = /\$\$([^$]+)\$\$|\$([^$\n]+)\$|\\\((.+?)\\\)|\\\[([^]+?)\\\]/g;
  let last = 0;
  for (const found of text.matchAll(formula)) {
    made.append(text.slice(last, found.index));
    const node = element("span");
    try {
      katex.render(found.slice(1).find((part) => part !== undefined), node, { output: "mathml", throwOnError: true, trust: false });
    } catch { node.textContent = found[0]; }
    made.append(node);
    last = found.index + found[0].length;
  }
  made.append(text.slice(last));
  return made;
}

// Strips white space as Python's strip() does, as prompts show a question.
const stripped = (text) => text.replace(/^(?:(?!\ufeff)[\s\x1c-\x1f\x85])+|(?:(?!\ufeff)[\s\x1c-\x1f\x85])+$/g, "");

// A text in which the last occurrence of a part is marked.
function marked(text, part) {
  const at = part ? text.lastIndexOf(part) : -1;
  if (at < 0) return [text];
  return [text.slice(0, at), element("mark", {}, part), text.slice(at + part.length)];
}
