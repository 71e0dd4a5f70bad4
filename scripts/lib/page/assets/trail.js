"use strict";
// Where a number comes from: each file and the files that it is made from.
async function provenanceView(names) {
  const [, checkpoint, benchmark] = names;
  const scores = redpen.core.scores;
  if (checkpoint === undefined) {
    return element("div", {}, element("h1", {}, "Provenance"), element("p", { class: "hint" }, "Where the numbers of a checkpoint come from, file by file."),
      element("ul", {}, Object.entries(scores).map(([name, found]) => element("li", {}, `${name}: `, Object.keys(found).map((one) => [element("a", { href: link(["provenance", name, one]) }, titleOf(one)), " "])))));
  }
  const score = (scores[checkpoint] || {})[benchmark];
  if (!score) return missing("There is no score with this name.");
  const files = await redpen.read("provenance");
  const first = Object.keys(files).find((file) => file.endsWith(`/scores/${checkpoint}/${score.suite}.json`));
  const seen = new Set();
  const branch = (file) => {
    const fact = files[file];
    if (seen.has(file)) return element("li", {}, element("code", {}, file), " (above)");
    seen.add(file);
    const made = fact.made_by || {};
    const versions = Object.entries(made.versions || {}).map(([name, version]) => `${name} ${version}`).join(", ");
    return element("li", {}, element("code", {}, file), fact.missing ? " is missing" : "",
      element("small", {}, [fact.sha256 && `sha256 ${fact.sha256}`, fact.bytes !== undefined && `${count(fact.bytes)} bytes`, fact.rows !== undefined && `${count(fact.rows)} rows`,
        made.script && `scripts.${made.script}`, made.device, made.wall_s !== undefined && `${made.wall_s} s`, made.git_commit && `commit ${made.git_commit}`, fact.commit && `revision ${fact.commit}`].filter(Boolean).join(" · ")),
      element("small", {}, "made by ", element("code", {}, fact.command)),
      versions && element("details", {}, element("summary", {}, "versions"), element("small", {}, versions)),
      fact.needs.length ? element("ul", { class: "trail" }, fact.needs.map(branch)) : null);
  };
  return element("div", {}, crumbs({}, [["Provenance", link(["provenance"])], [checkpoint], [titleOf(benchmark)]]),
    element("h1", {}, `Where ${checkpoint} on ${titleOf(benchmark)} comes from`),
    element("p", { class: "hint" }, "Each file and, below it, the files that it is made from, down to the data."), element("ul", { class: "trail" }, branch(first)));
}
