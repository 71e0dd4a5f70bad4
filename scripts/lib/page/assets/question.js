"use strict";
// One question: gold answer, worked solution, and the answers of all rows of the table side by side.
async function questionView(names, query) {
  const [, benchmark, id] = names;
  const questions = await redpen.read(`questions/${benchmark}`);
  const q = questions ? questions.findIndex((one) => one.id === id) : -1;
  if (q < 0) return missing("There is no such question.");
  const question = questions[q];
  const at = { table: query.table, checkpoint: query.of, benchmark };
  const rows = query.table ? rowsOf(at) : redpen.core.checkpoints.map((name) => ({ of: name, name })).filter((row) => redpen.has(`rows/${row.of}/${benchmark}`));
  const order = lastList.key === benchmark && lastList.order.includes(q) ? lastList.order : questions.map((_, place) => place);
  const spot = order.indexOf(q);
  const step = (by) => (order[spot + by] === undefined ? null : link(["question", benchmark, questions[order[spot + by]].id], query));
  stepTo = { j: step(1), k: step(-1) };
  const sample = Number(query.sample || 0);
  const answers = await Promise.all(rows.map((row) => answerOf(row, benchmark, q, sample)));
  const pair = [query.of, query.against].map((name) => answers.find((one) => one && one.of === name));
  const compared = pair[0] && pair[1] && query.diff ? wordDifferences(pair[0].text || "", pair[1].text || "") : null;
  const turns = answers.some((one) => one && one.turn !== null);
  const tooLong = pair[0] && pair[1] && query.diff && !compared;
  const samples = Math.max(1, ...answers.map((one) => (one ? one.samples : 1)));
  const options = rows.map((row) => [row.of, row.name]);
  const here = { names, query };
  const first = (one) => (one.of === query.of ? 0 : one.of === query.against ? 1 : 2);
  const ordered = answers.filter(Boolean).sort((a, b) => first(a) - first(b));
  return element("div", {},
    crumbs(at, [query.table && [query.table, link(["table", query.table])], [titleOf(benchmark), query.of && link(["answers", query.of, benchmark])], [id]]),
    element("p", { class: "bar" }, step(-1) && element("a", { href: step(-1) }, "← previous ", element("kbd", {}, "k")), step(1) && element("a", { href: step(1) }, "next ", element("kbd", {}, "j"), " →"),
      element("span", { class: "dim" }, `${spot + 1} of ${order.length} listed`)),
    element("h2", {}, "Question"), prose(question.question || ""),
    question.choices && element("ol", { type: "A" }, question.choices.map((choice) => element("li", {}, String(choice)))),
    facts([["gold", question.answer === undefined ? "none" : String(question.answer)], question.subject && ["subject", question.subject], question.level !== undefined && ["level", String(question.level)]]),
    question.response && element("details", { open: true }, element("summary", {}, "response to judge"), prose(question.response)),
    question.solution && element("details", {}, element("summary", {}, "worked solution"), prose(question.solution)),
    await nearQuestion((redpen.core.near[benchmark] || {})[id]),
    element("h2", {}, "Answers"),
    element("div", { class: "bar" }, chooser("left", options, "of", here), chooser("right", [["", "none"], ...options], "against", here),
      query.against && chooser("word differences", [["", "off"], ["1", "on"]], "diff", here),
      samples > 1 && chooser(turns ? "turn" : "sample", [...Array(samples).keys()].map((number) => [number ? String(number) : "", String(number + 1)]), "sample", here)),
    tooLong && missing("The two answers are too long and too different for word differences."),
    element("div", { class: "columns" }, ordered.map((one) => answerColumn(one, compared && pair.includes(one) ? compared[pair.indexOf(one)] : null))),
    await promptDetails(benchmark, q, question, query.of || (rows[0] || {}).of));
}

async function nearQuestion(near) {
  if (!near) return null;
  const critiques = [];
  for (const [entry, fact] of Object.entries(redpen.core.critiques).filter(([, one]) => one.dataset === near.dataset)) {
    const rows = (await redpen.read(`critiques/${entry}`)).filter((row) => row.question_id === near.id);
    critiques.push(...rows.map((row) => element("li", {}, element("a", { href: link(["critiques", entry, row.id]) }, `${entry}: ${row.id}`))));
  }
  return element("div", {}, element("h2", {}, "A similar question in training"),
    element("p", { class: "hint" }, `${near.id} of ${near.dataset} has 13 words in a row in common.`), prose(near.question),
    critiques.length > 0 && element("div", {}, element("p", { class: "hint" }, "Critiques of responses to it:"), element("ul", {}, critiques)));
}

// One row's answer: the chosen sample, its verdicts and its text.
async function answerOf(row, benchmark, q, sample) {
  const rows = await redpen.read(`rows/${row.of}/${benchmark}`);
  const mine = rows.q.flatMap((place, index) => (place === q ? [index] : []));
  if (!mine.length) return null;
  const index = mine[Math.min(sample, mine.length - 1)];
  const verdicts = Object.entries(redpen.core.verdicts).map(([name, field]) => [name, of(rows, field, index)]).filter(([, value]) => value !== null).sort(([a], [b]) => (b === "ours") - (a === "ours"));
  return {
    ...row, samples: mine.length, verdicts, extracted: of(rows, "extracted", index), tokens: of(rows, "tokens", index),
    cut: cutOff(rows, index), error: of(rows, "error", index), turn: of(rows, "turn", index), rating: of(rows, "rating", index), seed: of(rows, "seed_of", index), text: await textAt(row.of, benchmark, index),
    judged: redpen.has(`judged/${row.of}/${benchmark}`) ? (await redpen.read(`judged/${row.of}/${benchmark}`))[index] : null,
  };
}

const sign = (value) => (value === 1 ? "✓ right" : value === 0 ? "✗ wrong" : value.toFixed(2).replace(/0$/, ""));
function answerColumn(one, differences) {
  const extracted = one.extracted === null ? null : String(one.extracted);
  return element("div", { "data-row": one.of },
    element("h3", {}, one.name),
    element("div", {}, one.verdicts.map(([name, value]) => element("span", { class: value > 0.5 ? "right verdict" : "wrong verdict" }, `${name} ${sign(value)}`))),
    element("small", {}, `extracted: ${extracted ?? "nothing"} · ${one.tokens ?? "?"} tokens${one.cut ? " · ✂ cut off" : ""}${one.error ? ` · ${one.error}` : ""}${one.seed ? ` · seed run ${one.seed}` : ""}`),
    one.text === null ? missing("This text is not in the page.") : one.text.trim() ? element("div", { class: "text" }, differences || marked(one.text, extracted)) : missing(`Only white space, ${one.text.length} characters.`),
    one.judged !== null && element("div", { class: "judged" }, element("h3", {}, `judgement: ${one.rating ?? "no rating"}`), element("div", { class: "text" }, one.judged || "(empty)")));
}

const MOST_EDITS = 3000; // the time grows with its square
function wordDifferences(left, right) {
  const parts = Diff.diffWordsWithSpace(left, right, { maxEditLength: MOST_EDITS });
  if (!parts) return null; // it would take too long
  const side = (tag, other) => parts.filter((part) => !part[other]).map((part) => (part.added || part.removed ? element(tag, {}, part.value) : part.value));
  return [side("del", "added"), side("ins", "removed")];
}

async function promptDetails(benchmark, q, question, checkpoint) {
  const asked = redpen.has(`prompts/${benchmark}`) ? await redpen.read(`prompts/${benchmark}`) : null;
  const form = asked && asked.forms[asked.of[checkpoint]];
  if (!form || form.error) return form ? missing(`The prompt could not be rendered: ${form.error}`) : null;
  const text = String(q) in form.own ? form.own[String(q)] : form.text.split("\0").join(stripped(question.question));
  return element("details", { open: true }, element("summary", {}, `the exact prompt that ${checkpoint} was sent`), element("div", { class: "text" }, text));
}

let stepTo = {};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (stepTo[event.key]) location.hash = stepTo[event.key];
});
