"""What a run trains on, and how a spin run becomes ordinary entries, one responses and one run for each iteration."""

from collections.abc import Callable

Place = Callable[[tuple], str]
# How SPIN samples where a run says nothing: the schema's defaults of `sampling`.
SAMPLING = {"prompt": None, "template": None, "temperature": 1.0, "top_p": 1.0, "max_tokens": 2048}
SOURCES = {"dataset": "datasets", "responses": "responses", "critiques": "critiques", "answers": "answers"}


def parts(run: dict) -> list[dict]:
    """The parts of a run's data, each with the method, prompt and weight that hold for it."""
    common = {"method": run["method"], "prompt": run["prompt"], "weight": 1.0}
    data = run["data"]
    return [{**common, **part} for part in data["mix"]] if "mix" in data else [{**common, **data}]


def sources(part: dict) -> list[tuple[tuple, str, str]]:
    """(key path in the part, section, slug) of each entry that the part reads, in the order of its files."""
    if part["method"] == "thinkpo" or "long" in part or "short" in part:
        sides = [((side, key), key, part[side][key]) for side in ("long", "short") for key in part.get(side, {})]
        return [(path, SOURCES[key], slug) for path, key, slug in sides if key in SOURCES]
    if "self_play" in part:
        return [(("self_play", index), "responses", slug) for index, slug in enumerate(part["self_play"])]
    return [((key,), section, part[key]) for key, section in SOURCES.items() if key in part]


def dataset_behind(study: dict, section: str, slug: str) -> str | None:
    """The dataset whose questions an entry of datasets, responses, critiques or answers is about."""
    if section == "critiques":
        section, slug = "responses", study["critiques"].get(slug, {}).get("responses")
    if section in ("responses", "answers"):
        slug = study[section].get(slug, {}).get("dataset")
    return slug


def expand_spin(study: dict, broken: set[tuple], families: dict, with_overrides, place: Place) -> list[str]:
    """Replaces each spin run by the entries `<name>.t0 … <name>.tN`; returns what is wrong with it.

    Iteration t starts from iteration t − 1 (t0 from the run's `start`), which is also its opponent and reference. From
    t1 on the pairs of the iteration before are mixed in (SPIN, appendix B.1).

    Args:
        study: the conformed study; its runs and responses change.
        broken: (section, slug) of entries that do not fit the schema: left alone.
        families: takes the names made from each spin run.
        with_overrides: (recipe, overrides, path) → the full recipe and what is wrong with it.
        place: says where a key stands.
    """
    wrong: list[str] = []
    runs: dict = {}
    for slug, run in study["runs"].items():
        if ("runs", slug) in broken or not isinstance(run, dict):
            runs[slug] = run
            continue
        path = ("runs", slug)
        if run["method"] != "spin":
            for key in ("last_iteration", "iterations", "sampling"):
                if key in run:
                    wrong.append(f"{place((*path, key))}: only a spin run has it. Remove it.")
            runs[slug] = run
            continue
        if "last_iteration" not in run:
            wrong.append(f"{place(path)}: last_iteration is missing, so there is no iteration. Add last_iteration: 3.")
            runs[slug] = run
            continue
        iterations = run.get("iterations", {})
        late = [t for t in iterations if int(t) > run["last_iteration"]]
        if late:
            wrong.append(
                f"{place((*path, 'iterations'))}: {', '.join(late)} is after last_iteration "
                f"{run['last_iteration']}. Remove it or raise last_iteration."
            )
        previous = run["start"]
        names = [f"{slug}.t{t}" for t in range(run["last_iteration"] + 1)]
        for t, name in enumerate(names):
            overrides = iterations.get(str(t), {})
            recipe, mistakes = with_overrides(run["hyperparameters"], overrides, (*path, "iterations", str(t)))
            wrong += mistakes
            sampling = run.get("sampling") or SAMPLING
            study["responses"][name] = {
                **{
                    "dataset": run["data"].get("dataset"),
                    "model": previous,
                    "prompt": sampling["prompt"] or run["prompt"],
                },
                **{key: sampling[key] for key in ("template", "temperature", "top_p", "max_tokens")},
                **{"samples": 1, "seed": run["seed"] + t, "shards": 1, "rows": run["data"]["rows"]},
            }
            kept = {key: run[key] for key in ("method", "recipe", "overrides", "prompt", "template", "seed", "select")}
            opponents = [names[t], *names[max(0, t - 1) : t]]
            data = {"dataset": run["data"].get("dataset"), "self_play": opponents, "rows": None, "keep": "all"}
            runs[name] = {**kept, "start": previous, "hyperparameters": recipe, "data": data}
            previous = name
        families["runs", slug] = names
    study["runs"] = runs
    return wrong
