"""What a run trains on, and how a spin run becomes ordinary entries, one responses and one run for each iteration."""

from collections.abc import Callable

Place = Callable[[tuple], str]
SOURCES = {key: key for key in ("responses", "critiques", "refinements", "answers")} | {"dataset": "datasets"}
# For each section, the file under results/<study>/ whose rows a teacher is asked about.
ASKED_ABOUT = {
    "critiques": "responses/{responses}/graded.jsonl",
    "refinements": "critiques/{critiques}.jsonl",
    "answers": "datasets/{dataset}.jsonl",
}


def parts(run: dict) -> list[dict]:
    """The parts of a run's data, each with its effective method, prompt and weight."""
    common = {"method": run["method"], "prompt": run["prompt"], "weight": 1.0}
    data = run["data"]
    return [{**common, **part} for part in data["mix"]] if "mix" in data else [{**common, **data}]


def sources(part: dict) -> list[tuple[tuple, str, str]]:
    """(key path in the part, section, slug) of each entry that the part reads, in the order of its files."""
    if "long" in part or "short" in part:
        sides = [((side, key), key, part[side][key]) for side in ("long", "short") for key in part.get(side, {})]
        return [(path, SOURCES[key], slug) for path, key, slug in sides if key in SOURCES]
    if "self_play" in part:
        section = "datasets" if "pairs" in part else "responses"
        return [(("self_play", index), section, slug) for index, slug in enumerate(part["self_play"])]
    named = [((key,), section, part[key]) for key, section in SOURCES.items() if key in part]
    return [*named, (("like",), "runs", part["like"])] if "like" in part else named


def drops_long_rows(run: dict) -> bool:
    """Whether a run's trainer would drop rows that are too long; with packing they are cut instead."""
    recipe = run["hyperparameters"]
    return recipe.get("too_long") == "drop" and not recipe.get("packing")


def drops_rows(run: dict) -> bool:
    """Whether a run's trainer would drop rows that are too long or contain the end token."""
    return drops_long_rows(run) or run["hyperparameters"].get("end_inside") == "drop"


def tokenizer_behind(study: dict, run: str) -> tuple[str, str | None]:
    """The model whose tokenizer counts a run's rows, and the chat template (None: the model's own).

    A run saves its start's tokenizer, with its own template if it names one.
    """
    template, slug = None, run
    while slug in study["runs"]:
        template = template or study["runs"][slug]["template"]
        slug = study["runs"][slug]["start"]
    return slug, template


def dataset_behind(study: dict, section: str, slug: str) -> str | None:
    """The dataset behind an entry of datasets, responses, critiques, refinements or answers."""
    if section == "refinements":
        section, slug = "critiques", study["refinements"].get(slug, {}).get("critiques")
    if section == "critiques":
        section, slug = "responses", study["critiques"].get(slug, {}).get("responses")
    if section in ("responses", "answers"):
        slug = study[section].get(slug, {}).get("dataset")
    return slug


def sampled_answers(run: dict, sampling: dict, model: str, t: int) -> dict:
    """The entry of the answers that iteration t of a SPIN run plays against, those of its starting checkpoint."""
    return {
        "dataset": run["data"].get("dataset"),
        "model": model,
        "prompt": sampling["prompt"] or run["prompt"],
        **{key: sampling[key] for key in ("template", "temperature", "top_p", "max_tokens", "stop") if key in sampling},
        **{"samples": 1, "seed": run["seed"] + t, "shards": 1, "rows": run["data"]["rows"]},
    }


def expand_spin(
    study: dict, broken: set[tuple], families: dict, default_sampling: dict, with_overrides, place: Place
) -> list[str]:
    """Replaces each SPIN run by the entries `<name>.t0 … <name>.tN`; returns its mistakes.

    Iteration t starts from iteration t − 1 (t0 from the run's `start`), which is also its opponent and reference. From
    t1 on the pairs of the iteration before are mixed in (SPIN, appendix B.1).

    Args:
        study: the conformed study; its runs and responses change.
        broken: (section, slug) of entries that do not fit the schema, which are skipped.
        families: collects the names made from each SPIN run.
        default_sampling: how a run without `sampling` answers the questions.
        with_overrides: (recipe, overrides, path) → the full recipe and its mistakes.
        place: describes the location of a key.
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
        previous, given = run["start"], run["data"]
        if "pairs" in given and len(given["pairs"]) <= run["last_iteration"]:
            wrong.append(
                f"{place((*path, 'data', 'pairs'))}: {len(given['pairs'])} datasets for {run['last_iteration'] + 1} "
                "iterations. Name one for each, or lower last_iteration."
            )
            runs[slug] = run
            continue
        if "responses" in given and run["last_iteration"] > 0:
            wrong.append(
                f"{place((*path, 'data', 'responses'))}: given responses are those of iteration 0 only. Remove it, or "
                "set last_iteration: 0."
            )
        names = [f"{slug}.t{t}" for t in range(run["last_iteration"] + 1)]
        for t, name in enumerate(names):
            overrides = iterations.get(str(t), {})
            recipe, mistakes = with_overrides(run["hyperparameters"], overrides, (*path, "iterations", str(t)))
            wrong += mistakes
            if "pairs" not in given and "responses" not in given:
                sampling = run.get("sampling") or default_sampling
                study["responses"][name] = sampled_answers(run, sampling, previous, t)
            kept = {key: run[key] for key in ("method", "recipe", "overrides", "prompt", "template", "seed", "select")}
            rounds = given.get("pairs", names)
            data = {"self_play": [rounds[t], *rounds[max(0, t - 1) : t]], "rows": None, "keep": "all"}
            data |= {key: given[key] for key in ("dataset", "pairs", "slack", "when_short") if key in given}
            if "responses" in given:
                data["self_play"] = [given["responses"]]
            if ("responses" in given or "pairs" in given) and given["rows"] is not None:
                data["rows"] = given["rows"] * len(data["self_play"])  # sampling is limited by its own rows
            runs[name] = {**kept, "start": previous, "hyperparameters": recipe, "data": data}
            previous = name
        families["runs", slug] = names
    study["runs"] = runs
    return wrong
