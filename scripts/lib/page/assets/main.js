"use strict";
// The router: shows what the address's fragment names, a static section of the page or a view.
const VIEWS = {
  answers: answersView, average: averageView, question: questionView, critiques: critiquesView, train: trainView, training: trainingView, provenance: provenanceView,
};

function viewAt(names) {
  if (names[0] === "table") return names.length > 2 ? answersView : null;
  if (["critiques", "train"].includes(names[0]) && names.length < 2) return null;
  return VIEWS[names[0]] || null;
}

let turn = 0;
async function show() {
  const mine = (turn += 1);
  const { names, query } = place();
  const view = viewAt(names);
  const wanted = names.join("/");
  const sections = [...document.querySelectorAll("#still > section")];
  const known = view || sections.some((section) => section.dataset.page === wanted);
  stepTo = {};
  let shown = known ? [] : [missing("There is no such place in this page.")];
  try {
    if (view) shown = [await view(names, query)];
  } catch (error) {
    shown = [element("p", { class: "warning" }, `This view could not be shown: ${error.message}`)];
    console.error(error);
  }
  if (mine !== turn) return; // the address has changed in the meantime
  for (const section of sections) section.classList.toggle("on", !view && section.dataset.page === wanted);
  document.getElementById("view").replaceChildren(...shown);
  for (const anchor of document.querySelectorAll("nav a")) {
    const target = anchor.getAttribute("href").slice(2);
    anchor.classList.toggle("here", target === names.join("/") || (target !== "" && names[0] === target));
  }
  document.body.dataset.shown = location.hash;
  scrollTo(0, 0);
}

(async () => {
  document.body.classList.add("js");
  redpen.core = await redpen.read("core");
  addEventListener("hashchange", show);
  await show();
})();
