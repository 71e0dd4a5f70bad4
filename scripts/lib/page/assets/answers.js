"use strict";
// The answers of a checkpoint to a benchmark: one line per question, filters, and a comparison with another row.

// A checkpoint's rows by question, each with the share of its answers that the verdict calls right.
async function byQuestion(checkpoint, benchmark, verdict) {
  const rows = await redpen.read(`rows/${checkpoint}/${benchmark}`);
  if (!rows) return null;
  const field = rows[redpen.core.verdicts[verdict]] || rows.correct;
  const found = new Map();
  rows.q.forEach((q, index) => {
    if (!rows.correct || rows.correct[index] === null) { // no gold
      if (!found.has(q)) found.set(q, { q, rows: [], share: null, sum: 0, graded: 0 });
    } else {
      if (!found.has(q)) found.set(q, { q, rows: [], share: null, sum: 0, graded: 0 });
      const one = found.get(q);
      one.sum += field[index] || 0;
      one.graded += 1;
      one.share = one.sum / one.graded;
    }
    found.get(q).rows.push(index);
  });
  return { rows, questions: [...found.values()] };
}

const of = (rows, field, index) => (rows[field] ? rows[field][index] : null);
const cutOff = (rows, index) => of(rows, "finished", index) === 0;
const noAnswer = (rows, index) => rows.extracted !== undefined && rows.extracted[index] === null;
function differ(rows, index) {
  const verdicts = Object.values(redpen.core.verdicts).map((field) => of(rows, field, index)).filter((value) => value !== null).map((value) => value > 0);
  return new Set(verdicts).size > 1;
}

const FILTERS = {
  wrong: ["wrong", (one) => one.share !== null && one.share < 1],
  right: ["right", (one) => one.share > 0],
  cut: ["cut off", (one, rows) => one.rows.some((index) => cutOff(rows, index))],
  none: ["no answer", (one, rows) => one.rows.some((index) => noAnswer(rows, index))],
  differ: ["graders disagree", (one, rows) => one.rows.some((index) => differ(rows, index))],
  lost: ["lost to the other", (one, rows, other) => other && one.share < other.get(one.q)],
  won: ["won over the other", (one, rows, other) => other && one.share > other.get(one.q)],
  flipped: ["flipped", (one, rows, other) => other && one.share !== other.get(one.q)],
};

// What an answers view shows: a cell of a table, or just a checkpoint and a benchmark.
function cellAt(names) {
  const [kind, first, second, third] = names;
  const tables = redpen.core.tables;
  if (kind === "table") {
    const cell = (Object.hasOwn(tables, first) ? tables[first].cells : []).find((one) => one.row === second && one.column === third);
    return cell && cell.checkpoint ? { table: first, cell, checkpoint: cell.checkpoint, benchmark: cell.benchmark } : null;
  }
  const table = Object.keys(tables).find((name) => tables[name].rows.some((row) => row.of === first)
    && tables[name].cells.some((cell) => cell.benchmark === second));
  const cell = table && tables[table].cells.find((one) => one.checkpoint === first && one.benchmark === second);
  return { table, cell, checkpoint: first, benchmark: second };
}

function rowsOf(at) {
  const rows = at.table ? redpen.core.tables[at.table].rows : [{ of: at.checkpoint, name: at.checkpoint }];
  return rows.filter((row) => redpen.has(`rows/${row.of}/${at.benchmark}`));
}

const nameOf = (at, checkpoint) => (rowsOf(at).find((row) => row.of === checkpoint) || { name: checkpoint }).name;
const titleOf = (benchmark) => (redpen.core.benchmarks[benchmark] || {}).title || benchmark;

function cellFacts(at) {
  const score = (redpen.core.scores[at.checkpoint] || {})[at.benchmark] || {};
  const cell = at.cell || {};
  const verdicts = Object.entries(score.verdicts || {}).map(([name, one]) => [name, percent(one.accuracy)]);
  const other = cell.metric && cell.metric !== "accuracy" && cell.value !== null;
  return facts([
    other && [cell.metric.replaceAll("_", " "), cell.value.toFixed(1)],
    [other ? "accuracy" : "ours", percent(score.accuracy_ours ?? score.accuracy)], ...verdicts,
    ["n", count(cell.n || score.questions || 0)],
    cell.se !== null && cell.se !== undefined && ["standard error", cell.se.toFixed(1)],
    ["cut off", percent(score.cut_off_share)], ["no answer", percent(score.no_answer_share)],
    score.mean_tokens && ["mean tokens", score.mean_tokens.toFixed(1)],
    cell.paper !== null && cell.paper !== undefined && ["paper", String(cell.paper)],
    cell.difference !== undefined && ["ours − paper", cell.difference.toFixed(1)],
    ...Object.entries(cell.flags || {}).map(([name]) => ["flag", `${redpen.core.flags[name].mark} ${redpen.core.flags[name].says}`]),
  ]);
}

// The 2 × 2 table of two rows, whose flipped corners link to their questions, and McNemar's test.
function comparison(at, mine, other, names, query) {
  const cells = [[0, 0], [0, 0]]; // [mine better than half][other better than half]
  let better = 0;
  let worse = 0;
  for (const one of mine) {
    const share = other.get(one.q);
    if (one.share === null || share === undefined || share === null) continue;
    cells[Number(one.share > 0.5)][Number(share > 0.5)] += 1;
    better += one.share > share;
    worse += one.share < share;
  }
  const [me, them] = [nameOf(at, at.checkpoint), nameOf(at, query.against)];
  const to = (show, number) => element("a", { href: link(names, { ...query, show }) }, String(number));
  return element("div", {},
    element("table", { class: "two" },
      element("tr", {}, element("th"), element("th", {}, `${them} right`), element("th", {}, `${them} wrong`)),
      element("tr", {}, element("th", {}, `${me} right`), element("td", {}, String(cells[1][1])), element("td", { class: "flip" }, to("won", cells[1][0]))),
      element("tr", {}, element("th", {}, `${me} wrong`), element("td", { class: "flip" }, to("lost", cells[0][1])), element("td", {}, String(cells[0][0])))),
    element("p", { class: "hint" }, `McNemar's exact test: ${better} better, ${worse} worse, p = ${shownP(mcnemar(better, worse))}.`,
      " A question with several samples counts by its share of right answers."));
}

// How many of the listed answers were cut off, gave no answer, or have graders that disagree.
function reasons(kept, rows) {
  const found = ["cut", "none", "differ"].map((key) => [FILTERS[key][0], kept.filter((one) => FILTERS[key][1](one, rows)).length]).filter(([, number]) => number);
  return found.length ? [": ", found.map(([name, number]) => `${name} ${count(number)}`).join(", ")] : [];
}

const verdictOf = (one) => {
  if (one.share === null) return element("span", { class: "dim" }, "no gold");
  if (one.graded > 1) return element("span", { class: one.share > 0.5 ? "right" : "wrong" }, `${+one.sum.toFixed(2)} of ${one.graded}`);
  return one.share > 0.5 ? element("span", { class: "right" }, "✓ right") : element("span", { class: "wrong" }, "✗ wrong");
};

let lastList = { key: "", order: [] }; // the most recent list of questions, for the keys j and k

async function answersView(names, query) {
  const at = cellAt(names);
  if (!at || !redpen.has(`rows/${at.checkpoint}/${at.benchmark}`)) return missing("There are no graded answers behind this cell.");
  const verdict = at.table ? redpen.core.tables[at.table].verdict : "ours";
  const { rows, questions: all } = await byQuestion(at.checkpoint, at.benchmark, verdict);
  const leftOut = new Set(at.table ? redpen.core.tables[at.table].left_out[at.benchmark] || [] : []);
  const mine = all.filter((one) => !leftOut.has(one.q));
  const questions = await redpen.read(`questions/${at.benchmark}`);
  let other = null;
  if (query.against && redpen.has(`rows/${query.against}/${at.benchmark}`)) {
    const found = await byQuestion(query.against, at.benchmark, verdict);
    other = new Map(found.questions.map((one) => [one.q, one.share]));
  }
  const graded = mine.filter((one) => one.share !== null);
  const sum = graded.reduce((total, one) => total + one.share, 0);
  const chosen = (key, one) => !key || FILTERS[key][1](one, rows, other);
  const others = rowsOf(at).filter((row) => row.of !== at.checkpoint).map((row) => [row.of, row.name]);
  const here = { names, query };
  const values = (key) => [...new Set(questions.map((one) => one[key]).filter((value) => value !== undefined).map(String))].sort();
  const many = ["subject", "level"].filter((key) => values(key).length > 1);
  const search = element("input", { type: "search", placeholder: "search questions and answers", value: query.q || "", "aria-label": "search" });
  const place = element("div");
  const texts = query.q ? await allTexts(at.checkpoint, at.benchmark) : null;

  function show() {
    const wanted = (query.q || "").toLowerCase();
    const kept = mine.filter((one) => chosen(query.show, one)
      && many.every((key) => !query[key] || String(questions[one.q][key]) === query[key])
      && (!wanted || `${questions[one.q].question || ""}\n${one.rows.map((index) => (texts && texts[index]) || "").join("\n")}`.toLowerCase().includes(wanted)));
    lastList = { key: at.benchmark, order: kept.map((one) => one.q) };
    const head = [heading("question"), heading("gold", "w2"), heading("extracted", "w2"), heading("verdict", "w2"),
      heading("tokens", "num w1"), heading("cut off", "w1"), other && heading(nameOf(at, query.against), "w2")];
    const line = (one) => {
      const question = questions[one.q];
      const first = one.rows[0];
      const to = link(["question", at.benchmark, question.id], { table: at.table, of: at.checkpoint, against: query.against });
      const cut = one.rows.filter((index) => cutOff(rows, index)).length;
      return element("tr", { "data-question": question.id },
        element("td", {}, element("a", { href: to }, (question.question || question.id).slice(0, 300))),
        element("td", {}, question.answer === undefined ? "" : String(question.answer)),
        element("td", {}, [...new Set(one.rows.map((index) => of(rows, "extracted", index) ?? "–"))].join(", ")),
        element("td", {}, verdictOf(one)),
        element("td", { class: "num" }, of(rows, "tokens", first) === null ? "" : count(Math.round(one.rows.reduce((total, index) => total + rows.tokens[index], 0) / one.rows.length))),
        element("td", {}, cut ? (one.rows.length > 1 ? `${cut} ✂` : "✂ yes") : ""),
        other && element("td", {}, other.get(one.q) === undefined || other.get(one.q) === null ? "" : other.get(one.q) > 0.5 ? "✓ right" : "✗ wrong"));
    };
    place.replaceChildren(element("p", { class: "hint", id: "listed" }, `${count(kept.length)} of ${count(mine.length)} questions`, ...reasons(kept, rows)), list(head, kept, line));
  }
  search.addEventListener("change", () => { location.hash = link(names, { ...query, q: search.value }); });
  show();
  const buttons = ["", ...Object.keys(FILTERS)].filter((key) => other || !["lost", "won", "flipped"].includes(key)).map((key) => {
    const number = mine.filter((one) => chosen(key, one)).length;
    return element("a", { href: link(names, { ...query, show: key }), class: (query.show || "") === key ? "on" : "", "data-show": key || "all" },
      `${key ? FILTERS[key][0] : "all"} ${count(number)}`);
  });
  return element("div", {},
    crumbs(at, [at.table && [at.table, link(["table", at.table])], [`${nameOf(at, at.checkpoint)}`], [titleOf(at.benchmark)]]),
    element("h1", {}, `${nameOf(at, at.checkpoint)} on ${titleOf(at.benchmark)}: ${graded.length ? percent(sum / graded.length) : "no verdicts"}`),
    element("p", { class: "hint", id: "total" }, `${+sum.toFixed(2)} of ${count(graded.length)} questions right`,
      verdict === "ours" ? "" : `, by ${verdict}`, leftOut.size ? `; ${leftOut.size} excluded: used to select a checkpoint, or without a verdict` : "", ". ",
      element("a", { href: link(["provenance", at.checkpoint, at.benchmark]) }, "Where this number comes from"),
      redpen.core.runs[at.checkpoint] && [" · ", element("a", { href: link(["train", at.checkpoint]) }, "its training data")]),
    cellFacts(at),
    element("div", { class: "bar" }, chooser("against", [["", "no other row"], ...others], "against", here),
      many.map((key) => chooser(key, [["", "all"], ...values(key).map((value) => [value, value])], key, here)), search),
    other && comparison(at, mine, other, names, query),
    element("div", { class: "bar" }, buttons),
    place);
}

const crumbs = (at, steps) => element("p", { class: "crumbs" }, steps.filter(Boolean).map(([text, to], index) => [
  index ? " › " : "", to ? element("a", { href: to }, text) : text]));

// All texts of a checkpoint on a benchmark, including those in files beside the page.
async function allTexts(checkpoint, benchmark) {
  const [first, rest] = [await redpen.read(`texts/${checkpoint}/${benchmark}`), redpen.has(`rest/${checkpoint}/${benchmark}`) && await redpen.read(`rest/${checkpoint}/${benchmark}`)];
  return first.map((text, index) => text ?? (rest ? rest[index] : null));
}

async function textAt(checkpoint, benchmark, index) {
  const first = await redpen.read(`texts/${checkpoint}/${benchmark}`);
  if (first[index] !== null || !redpen.has(`rest/${checkpoint}/${benchmark}`)) return first[index];
  return (await redpen.read(`rest/${checkpoint}/${benchmark}`))[index];
}

// The cells of an average, as the table shows them, with links to their answers.
function averageView(names) {
  const [, table, row, column] = names;
  const known = Object.hasOwn(redpen.core.tables, table) ? redpen.core.tables[table].averages : [];
  const average = known.find((one) => one.row === row && one.column === column);
  if (!average) return missing("There is no such average in this page.");
  const name = (one) => (one.row === row ? one.column : one.row);
  const figure = (one) => element("td", { class: one.kind }, one.link ? element("a", { href: one.link }, one.text) : one.text);
  return element("div", {},
    crumbs({}, [[table, link(["table", table])], [row], [column]]),
    element("h1", {}, `${row}, ${column}: ${average.text}`), element("p", { class: "hint" }, average.says),
    element("p", { class: "hint" }, `The mean of ${count(average.over.length)} cells. Click a number for its answers.`),
    element("table", { class: "scores" }, average.over.map((one) => element("tr", {}, element("th", {}, name(one)), figure(one), element("td", {}, one.says)))));
}
