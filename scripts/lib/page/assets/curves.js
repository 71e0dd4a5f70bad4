"use strict";
// Training curves, and the recipes of runs side by side.
const STROKES = ["#0b57b0", "#b3261e", "#1a7f4b", "#9a6700", "#7b3fb5", "#00788a", "#c2477f", "#5b6675"];
const DASHES = [[], [6, 3], [2, 3]]; // so that lines do not differ by colour alone

async function trainingView(names, query) {
  const runs = Object.entries(redpen.core.runs).filter(([, fact]) => fact.training);
  if (!runs.length) return missing("No run is trained yet.");
  const wanted = query.runs ? query.runs.split(",") : runs.map(([name]) => name);
  const chosen = runs.filter(([name]) => wanted.includes(name));
  const toggle = (name) => {
    const next = wanted.includes(name) ? wanted.filter((one) => one !== name) : [...wanted, name];
    return link(names, { ...query, runs: next.join(",") });
  };
  const losses = (keys) => chosen.map(([name, fact]) => [name, fact.training.losses.map((one) => [one.step, one])])
    .map(([name, points]) => [name, points.filter(([, one]) => keys in one).map(([step, one]) => [step, one[keys]])]).filter(([, points]) => points.length);
  const known = [...new Set(chosen.flatMap(([, fact]) => fact.training.losses.flatMap((one) => Object.keys(one))))].filter((key) => key !== "step");
  const curves = known.flatMap((key) => {
    const preference = (name) => ["dpo", "spin", "thinkpo"].includes(redpen.core.runs[name].method);
    const series = losses(key);
    if (key !== "loss") return [[key.replaceAll("_", " "), series]];
    return [["loss, next-token", series.filter(([name]) => !preference(name))], ["loss, preference", series.filter(([name]) => preference(name))]];
  }).filter(([, series]) => series.length);
  const candidates = chosen.filter(([, fact]) => fact.curve).map(([name, fact]) => [name, curvePoints(fact.curve)]).filter(([, points]) => points.length);
  if (candidates.length) curves.push(["candidates' accuracy on the selecting benchmark", candidates]);
  const view = element("div", {},
    element("h1", {}, "Training"),
    element("div", { class: "bar" }, runs.map(([name]) => element("a", { href: toggle(name), class: wanted.includes(name) ? "on" : "" }, `${wanted.includes(name) ? "✓ " : ""}${name}`))));
  for (const [title, series] of curves) view.append(element("h2", {}, title), chart(series));
  view.append(element("h2", {}, "Runs"), trainingTable(chosen), element("h2", {}, "Differences between recipes"), recipeTable(chosen));
  return view;
}

function curvePoints(curve) {
  const points = Array.isArray(curve) ? curve : curve.candidates || curve.curve || [];
  const entries = Array.isArray(points) ? points.map((one) => [one.step ?? one.candidate, one.accuracy]) : Object.entries(points).map(([name, one]) => [name, one.accuracy]);
  return entries.map(([step, accuracy]) => [Number(String(step).replace(/\D/g, "")), accuracy]).filter(([, accuracy]) => typeof accuracy === "number");
}

function chart(series) {
  const steps = [...new Set(series.flatMap(([, points]) => points.map(([step]) => step)))].sort((a, b) => a - b);
  const values = series.map(([, points]) => { const by = new Map(points); return steps.map((step) => by.get(step) ?? null); });
  const node = element("div");
  const style = getComputedStyle(document.body);
  const axis = { stroke: style.getPropertyValue("--ink"), grid: { stroke: style.getPropertyValue("--line"), width: 1 } };
  new uPlot({
    width: Math.min(1000, Math.max(360, innerWidth - 60)), height: 280, scales: { x: { time: false } }, axes: [{ ...axis, label: "step", incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000] }, axis],
    series: [{ label: "step" }, ...series.map(([name], place) => ({ label: name, stroke: STROKES[place % STROKES.length], dash: DASHES[Math.floor(place / STROKES.length) % DASHES.length], width: 1.5, spanGaps: true, points: { show: steps.length < 40 } }))],
  }, [steps, ...values], node);
  return node;
}

function trainingTable(runs) {
  const columns = ["run", "method", "starts from", "rows", "steps", "time", "tokens/s", "device"];
  return element("div", { class: "wide" }, element("table", { class: "numbers" }, element("thead", {}, element("tr", {}, columns.map((name) => element("th", {}, name)))), element("tbody", {}, runs.map(([name, fact]) => {
    const { counts, steps, train_seconds: seconds, recipe, made_by: made } = fact.training;
    const rate = ((counts.prompt_tokens + counts.completion_tokens) / Math.max(counts.rows_trained, 1)) * recipe.global_batch * steps / seconds;
    return element("tr", {}, element("th", {}, element("a", { href: link(["train", name]) }, name)), [fact.method, fact.start, count(counts.rows_trained), count(steps), duration(seconds), count(Math.round(rate)), made.device].map((text) => element("td", {}, text)));
  }))));
}

function recipeTable(runs) {
  const keys = [...new Set(runs.flatMap(([, fact]) => Object.keys(fact.recipe)))].sort();
  const text = (fact, key) => JSON.stringify(fact.recipe[key] ?? null);
  const apart = keys.filter((key) => new Set(runs.map(([, fact]) => text(fact, key))).size > 1);
  if (runs.length < 2 || !apart.length) return missing(runs.length < 2 ? "Choose at least two runs." : "Their settings are the same.");
  return element("div", { class: "wide" }, element("table", {}, element("thead", {}, element("tr", {}, element("th"), runs.map(([name]) => element("th", {}, name)))),
    element("tbody", {}, apart.map((key) => element("tr", {}, element("th", {}, key), runs.map(([, fact]) => element("td", {}, text(fact, key))))))));
}
