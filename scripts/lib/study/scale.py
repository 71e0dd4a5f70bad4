"""A study scaled down by its `scale`, to try the whole workflow in minutes."""


def scaled(study: dict) -> dict:
    """The study, shrunk by `scale`: fewer rows, steps and tokens, and a random tiny model for each model."""
    scale = study["scale"]
    study["study"] = f"{study['study']}-{scale['suffix']}"
    study["threads"] = 1  # jobs this small gain nothing from more

    def less(entry: dict, key: str, most: int) -> None:
        entry[key] = most if entry.get(key) is None else min(entry[key], most)

    for slug, model in study["models"].items():
        study["models"][slug] = {"source": "random", "family": model["family"], "shape": scale["model"]}
    benchmarks = study["benchmarks"].values()
    for source in (*study["datasets"].values(), *(b["questions"] for b in benchmarks if "questions" in b)):
        less(source, "rows", scale["rows"])
        if source["source"] == "responses":
            source["when_short"] = "take-all"  # a random model's answers may be empty
        if source["source"] == "hub" and scale["hub"] is not None:
            source |= {"repo": f"{scale['hub']}/{source['repo'].replace('/', '--')}", "revision": None}
            source.pop("expect_rows", None)
    for entry in (*study["responses"].values(), *benchmarks):
        for key, most in (("samples", "samples"), ("max_tokens", "max_tokens"), ("limit", "rows")):
            if key in entry:
                less(entry, key, scale[most])
        if "samples" in entry:  # the metrics keep their names, which tables use
            entry["samples"] = max(entry["samples"], *entry.get("pass_at", (1,)), *entry.get("majority_at", (1,)))
        if "best_of_n" in entry:
            less(entry["best_of_n"], "max_tokens", scale["max_tokens"])
            entry["samples"] = max(entry["samples"], 2)
        if "self_critique" in entry:
            less(entry["self_critique"], "max_tokens", scale["max_tokens"])
            less(entry["self_critique"], "regenerations", scale["samples"])
    for entry in study["responses"].values():
        if entry.get("temperature") == 0:
            entry["temperature"] = 1.0  # a random model's greedy answers are all blank and useless for training
    written = [entry for section in ("critiques", "refinements", "answers") for entry in study[section].values()]
    for entry in (*written, *benchmarks):
        if "max_errors" in entry:
            entry["max_errors"] = 1.0  # a random model states no verdict
        if entry.get("kind") == "harness" and scale["hub"] is not None:
            entry["task_path"] = f"{scale['hub']}/lm-eval"
            entry["shots"] = entry["shots"] and 1  # null and 0 are kept
    for entry in (*study["responses"].values(), *written):
        entry["shards"] = 1
    for teacher in study["teachers"].values():
        if "max_tokens" in teacher:
            less(teacher, "max_tokens", scale["max_tokens"])
    for run in study["runs"].values():
        mixed = len(run["data"].get("self_play", [run]))  # SPIN trains on the pairs of up to two iterations
        less(run["data"], "rows", scale["rows"] * mixed)
        for part in (run["data"], *run["data"].get("mix", ())):
            for key in ("gap_rows", "like_rows"):
                less(part, key, scale["rows"])
        less(run["hyperparameters"], "global_batch", scale["rows"])
        # A random model gets nothing right, so no row would pass a filter: it is loosened, and the summary says so.
        run["data"]["when_short"] = "take-unfiltered"
        steps = [step for step in run["hyperparameters"]["candidate_steps"] if step < scale["max_steps"]]
        run["hyperparameters"] |= {"max_steps": scale["max_steps"], "save_steps": 1, "candidate_steps": steps}
        if early := run["hyperparameters"].get("early_stopping"):
            few = {"rows": min(early["rows"], max(scale["rows"] // 4, 1)), "every": 1}
            run["hyperparameters"]["early_stopping"] = early | few
    return study
