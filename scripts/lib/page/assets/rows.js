"use strict";
// Critiques and training rows.
const VERDICTS = ["right", "wrong", "none"];
const graderOf = (row) => (row.correct === true ? "right" : row.correct === false ? "wrong" : "none");
const criticOf = (row) => (VERDICTS.includes(row.verdict) ? row.verdict : "none");
const partial = (fact) => fact.shown < fact.rows && element("p", { class: "note" }, `The first ${count(fact.shown)} of ${count(fact.rows)} rows are in this page.`);

async function critiquesView(names, query) {
  const [, entry, id] = names;
  const fact = redpen.core.critiques[entry];
  if (!fact) return missing("There are no critiques with this name yet.");
  const all = await redpen.read(`critiques/${entry}`);
  if (id !== undefined) return critiqueView(entry, all, id, query);
  const kept = all.filter((row) => (!query.verdict || criticOf(row) === query.verdict) && (!query.grader || graderOf(row) === query.grader));
  const cell = (critic, grader) => {
    const number = all.filter((row) => criticOf(row) === critic && graderOf(row) === grader).length;
    const on = query.verdict === critic && query.grader === grader;
    return element("td", {}, element("a", { href: link(names, on ? {} : { verdict: critic, grader }), class: on ? "on" : "" }, count(number)));
  };
  const judged = all.filter((row) => criticOf(row) !== "none" && graderOf(row) !== "none");
  const agreeing = judged.filter((row) => criticOf(row) === graderOf(row)).length;
  const head = [heading("response"), heading("gold", "w2"), heading("grader", "w1"), heading("critic", "w1"), heading("critique")];
  const line = (row) => element("tr", {},
    element("td", {}, element("a", { href: link(["critiques", entry, row.id]) }, (row.response || "").trim().slice(0, 200) || row.id)),
    element("td", {}, String(row.answer ?? "")), element("td", {}, graderOf(row)),
    element("td", { class: criticOf(row) === graderOf(row) ? "" : "wrong" }, criticOf(row) === graderOf(row) ? criticOf(row) : `≠ ${criticOf(row)}`), element("td", {}, (row.critique || row.error || "").slice(0, 200)));
  return element("div", {},
    crumbs({}, [["Critiques", link(["critiques"])], [entry]]),
    element("h1", {}, `Critiques ${entry}`), partial(fact),
    element("p", {}, judged.length ? `The critic agrees with the grader on ${agreeing} of ${judged.length} responses (${percent(agreeing / judged.length)}).` : "No critique has a verdict that can be compared with the grader's."),
    facts([["teacher", fact.teacher], ["responses", fact.responses], ["without a usable critique", count(all.filter((row) => row.error).length)]]),
    element("table", { class: "matrix" },
      element("tr", {}, element("th", {}, "critic ↓ grader →"), VERDICTS.map((name) => element("th", {}, name))),
      VERDICTS.map((critic) => element("tr", {}, element("th", {}, critic), VERDICTS.map((grader) => cell(critic, grader))))),
    otherTeachers(entry, fact),
    element("h2", {}, "Length of the critiques, in words"), histogram(all.map((row) => (row.critique || "").split(/\s+/).filter(Boolean).length)),
    element("h2", {}, "Items"), element("p", { class: "hint" }, `${count(kept.length)} of ${count(all.length)}`), list(head, kept, line));
}

function otherTeachers(entry, fact) {
  const others = Object.entries(redpen.core.critiques).filter(([name]) => name !== entry);
  if (!others.length) return null;
  const share = (one) => (one.summary && one.summary.with_gold ? percent(one.summary.agreeing / one.summary.with_gold) : "–");
  return element("table", {}, element("tr", {}, ["entry", "critiques", "right", "wrong", "agrees with the grader"].map((name) => element("th", {}, name))),
    [[entry, fact], ...others].map(([name, one]) => element("tr", {}, element("td", {}, element("a", { href: link(["critiques", name]) }, name)),
      element("td", {}, count(one.rows)), element("td", {}, String((one.summary || {}).right ?? "–")), element("td", {}, String((one.summary || {}).wrong ?? "–")), element("td", {}, share(one)))));
}

async function critiqueView(entry, all, id, query) {
  const place = all.findIndex((row) => row.id === id);
  if (place < 0) return missing("There is no such critique.");
  const row = all[place];
  stepTo = { j: all[place + 1] && link(["critiques", entry, all[place + 1].id]), k: all[place - 1] && link(["critiques", entry, all[place - 1].id]) };
  const others = Object.keys(redpen.core.critiques).filter((name) => name !== entry && redpen.core.critiques[name].rows);
  const beside = [];
  for (const name of others) {
    const found = (await redpen.read(`critiques/${name}`)).find((one) => one.id === id && one.response === row.response);
    if (found) beside.push([name, found]);
  }
  const users = [];
  for (const [run, fact] of Object.entries(redpen.core.runs)) {
    if (fact.critiques.includes(entry) && redpen.has(`train/${run}`)) {
      if ((await redpen.read(`train/${run}`)).some((one) => one.id === id)) users.push(run);
    }
  }
  const response = row.response || "";
  const at = row.wrong_step ? response.indexOf(row.wrong_step) : -1;
  const shown = at < 0 ? [response] : [response.slice(0, at), element("span", { class: "step", title: "first wrong step" }, `⚠ ${row.wrong_step}`), response.slice(at + row.wrong_step.length)];
  const said = (name, one) => element("div", {}, element("h3", {}, name),
    element("div", { class: criticOf(one) === graderOf(one) ? "right" : "wrong" }, `critic: ${criticOf(one)} · grader: ${graderOf(one)}`),
    one.error && element("small", {}, `not used: ${one.error}`), element("div", { class: "text" }, one.critique || "(empty)"));
  return element("div", {},
    crumbs({}, [["Critiques", link(["critiques"])], [entry, link(["critiques", entry])], [id]]),
    element("p", { class: "bar" }, stepTo.k && element("a", { href: stepTo.k }, "← previous ", element("kbd", {}, "k")), stepTo.j && element("a", { href: stepTo.j }, "next ", element("kbd", {}, "j"), " →")),
    element("h2", {}, "Question"), prose(row.question || ""), facts([["gold", String(row.answer ?? "none")], ["extracted", String(row.extracted ?? "nothing")]]),
    element("h2", {}, "Response"), element("div", { class: "text" }, shown),
    element("h2", {}, "Critique"), element("div", { class: "columns" }, said(entry, row), beside.map(([name, one]) => said(name, one))),
    row.solution && element("div", {}, element("h2", {}, "Worked solution"), prose(row.solution)),
    element("h2", {}, "Trained on by"), users.length ? element("p", {}, users.map((run) => [element("a", { href: link(["train", run, id]) }, run), " "])) : missing("None of the training rows in this page."));
}

function histogram(values) {
  if (!values.length) return missing("Nothing to count.");
  const top = Math.max(...values, 1);
  const least = Math.min(...values);
  const width = Math.max(1, Math.ceil((top - least) / 10));
  const first = Math.floor(least / width);
  const bins = Array(Math.floor(top / width) + 1 - first).fill(0);
  for (const value of values) bins[Math.floor(value / width) - first] += 1;
  const most = Math.max(...bins);
  const bar = (number) => {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("width", "260"); svg.setAttribute("height", "12");
    const rect = document.createElementNS(space, "rect");
    for (const [name, value] of Object.entries({ width: (260 * number) / most, height: 12, fill: "currentColor", opacity: 0.55 })) rect.setAttribute(name, value);
    svg.append(rect);
    return svg;
  };
  return element("table", { class: "bars" }, bins.map((number, place) => element("tr", {},
    element("td", {}, width > 1 ? `${(first + place) * width}–${(first + place + 1) * width - 1}` : String(first + place)), element("td", {}, bar(number)), element("td", {}, count(number)))));
}

// The end of a text, from the start of a word.
const ending = (text) => (text.length > 60 ? `… ${text.slice(-60).replace(/^\S*\s/, "")}` : text);

async function trainView(names, query) {
  const [, run, id] = names;
  const fact = redpen.core.runs[run];
  if (!fact || !redpen.has(`train/${run}`)) return missing("There is no training set with this name yet.");
  const rows = await redpen.read(`train/${run}`);
  if (id !== undefined) return trainRow(run, rows, id, query);
  const length = (row) => (row.prompt_tokens || 0) + Math.max(...Object.values(row.sides).map((side) => (side.cuts ? side.cuts.length + (row.end ? 1 : 0) : 0)));
  const counts = (fact.training || {}).counts || {};
  const early = (fact.training || {}).early_stopping;
  const parts = ((fact.set || {}).parts || []).flatMap((part, place) => Object.entries({ ...part, ...part.left_out })
    .filter(([, value]) => typeof value !== "object" && value).map(([key, value]) => [`part ${place + 1}, ${key.replaceAll("_", " ")}`, String(value)]));
  const head = [heading("row", "w4"), heading("prompt ends with"), heading(Object.keys(rows[0].sides).join(" / ")), heading("tokens", "num w1"), heading("dropped", "w3")];
  const line = (row) => element("tr", {}, element("td", {}, element("a", { href: rowLink(run, rows, rows.indexOf(row)) }, row.id)),
    element("td", {}, ending(row.prompt.trim())), element("td", {}, Object.values(row.sides).map((side) => side.text.slice(0, 120)).join(" / ")),
    element("td", { class: "num" }, fact.tokens_known ? count(length(row)) : ""), element("td", {}, row.dropped ? `✂ ${row.dropped}` : ""));
  return element("div", {},
    crumbs({}, [["Training data", link(["train"])], [run]]),
    element("h1", {}, `Training data of ${run}`), partial(fact),
    facts([["method", fact.method], ["starts from", fact.start], ["rows", count(fact.rows)], fact.training && ["trained", count(counts.rows_trained)],
      ...Object.entries(counts).filter(([key]) => /_dropped_|_deleted|_held_out|blocks/.test(key)).map(([key, value]) => [key.replaceAll("_", " "), count(value)]), fact.training && ["prompt tokens", count(counts.prompt_tokens)], fact.training && ["loss tokens", count(counts.completion_tokens)],
      early && ["early stopping", `step ${early.best_step} of ${early.planned_steps} is the checkpoint, loss on held-out rows ${early.best_loss.toFixed(2)}; ${fact.training.steps} steps trained`], ...parts]),
    element("p", {}, element("a", { href: link(["training"], { runs: run }) }, "how its training went")),
    fact.tokens_known ? element("div", {}, element("h2", {}, "Length of the rows, in tokens"), histogram(rows.map(length))) : missing("The start model's tokenizer is missing, so token boundaries are not shown."),
    element("h2", {}, "Rows"), list(head, rows, line));
}

// A text split into its tokens, in alternating shades.
function tokensOf(side, end) {
  if (!side.cuts) return [element("span", { class: "loss" }, side.text)];
  let at = 0;
  const made = side.cuts.filter((size) => size).map((size, place) => {
    const piece = side.text.slice(at, at + size);
    at += size;
    return element("span", { class: place % 2 ? "loss odd" : "loss" }, piece);
  });
  return [...made, end && element("span", { class: "loss end" }, end)];
}

// The address of a row: its id and, if several parts have a row with this id, its place.
function rowLink(run, rows, place) {
  const { id } = rows[place];
  return link(["train", run, id], { at: rows.findIndex((row) => row.id === id) === place ? "" : place });
}

function trainRow(run, rows, id, query) {
  const place = rows[query.at] && rows[query.at].id === id ? Number(query.at) : rows.findIndex((row) => row.id === id);
  if (place < 0) return missing("There is no such row in the page.");
  const row = rows[place];
  const to = (by) => rows[place + by] && rowLink(run, rows, place + by);
  stepTo = { j: to(1), k: to(-1) };
  const size = (side) => (side.cuts ? `${side.cuts.length + (row.end ? 1 : 0)} tokens${row.end ? ", including the end token" : ""}` : "");
  const pair = Object.keys(row.sides).length > 1;
  return element("div", {},
    crumbs({}, [["Training data", link(["train"])], [run, link(["train", run])], [id]]),
    element("p", { class: "bar" }, to(-1) && element("a", { href: to(-1) }, "← previous ", element("kbd", {}, "k")), to(1) && element("a", { href: to(1) }, "next ", element("kbd", {}, "j"), " →")),
    element("p", { class: "hint" }, "The row as the model reads it. Grey: the prompt", row.prompt_tokens ? `, ${row.prompt_tokens} tokens` : "", "; coloured and underlined: the tokens that the loss counts, in alternating shades."),
    row.dropped && element("p", { class: "wrong" }, `✂ Training drops this row: ${row.dropped}.`),
    pair ? element("div", {}, element("div", { class: "text prompt" }, row.prompt), element("div", { class: "columns" }, Object.entries(row.sides).map(([name, side]) => element("div", {},
      element("h3", {}, name), element("small", {}, size(side)), element("div", { class: "text" }, tokensOf(side, row.end))))))
      : element("div", { class: "text" }, element("span", { class: "prompt" }, row.prompt), Object.values(row.sides).map((side) => tokensOf(side, row.end))),
    !pair && element("small", {}, Object.values(row.sides).map(size)));
}
