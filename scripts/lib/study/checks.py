"""Checks that a schema cannot express: every name that an entry uses exists, starts lead to a model, filters make
sense."""

import math
import os
from collections.abc import Callable

from scripts.lib.study import runs
from scripts.lib.study.cells import ALONE
from scripts.lib.study.expand import AVERAGE, TRAINED, as_cells
from scripts.lib.study.expressions import names_in
from scripts.lib.study.mistakes import Mistakes
from scripts.lib.study.table_checks import check_cells
from scripts.lib.study.urls import secret_in

PREFERENCE = {"dpo", "spin", "thinkpo"}
LOSSES = {True: ("logistic", "hinge", "ipo", "simpo", "orpo"), False: ("logistic", "dft")}  # of PREFERENCE, of others
# The fields that a benchmark's questions must have, by kind.
FIELDS = {"judge": ("turns",), "ifeval": ("instruction_id_list", "kwargs"), "critique": ("response",)}
# The sources that a part may have, by method.
ALLOWED = {
    "sft": [{"dataset"}, {"responses"}, {"critiques"}, {"answers"}],
    "cft": [{"critiques"}, {"dataset"}],
    "cgd": [{"critiques"}, {"dataset"}, {"refinements"}],
    "dpo": [{"dataset"}, {"responses"}],
    "spin": [{"dataset"}, {"dataset", "responses"}, {"pairs"}],
    "thinkpo": [{"long", "short"}, {"dataset"}],
}
KEEPS = {
    "sft": {"all", "correct", "judged-right", "agreeing"},
    "cft": {"all", "correct", "judged-right", "judged-wrong", "agreeing"},
    "cgd": {"all", "correct", "judged-right", "judged-wrong", "agreeing"},
    "dpo": {"all"},
    "spin": {"all"},
    "thinkpo": {"all", "agree", "both-right"},
}
# Keys of `data` that are allowed beside a mix.
BESIDE_MIX = {"mix", "rows", "keep", "format_only", "length_gap", "gap_rows", "like_rows", "pairs_per_question"}
BESIDE_MIX |= {"refined", "critique_shown"}
BESIDE_MIX |= {"slack", "when_short"}
# The columns that a method needs in a dataset.
NEEDED = {
    "dpo": {"chosen", "rejected"},
    "thinkpo": {"chosen", "rejected"},
    "cft": {"response", "critique"},
    "cgd": {"response", "critique"},
    "spin": {"solution"},
}


class Checks(Mistakes):
    """Finds every unknown name and contradiction in a study, without changing it."""

    def all(self) -> None:
        """Checks every section."""
        for section in (
            *("engine", "models", "datasets", "benchmarks", "responses", "teachers", "critiques", "refinements"),
            *("answers", "runs", "suites", "tables", "figures", "targets", "claims"),
        ):
            getattr(self, section)()
        self._values(self.study, ())

    def _values(self, value: object, path: tuple) -> None:
        """Rejects NaN, infinity, characters that cannot be written to a file, and secrets in URLs, at any depth."""
        if isinstance(value, dict | list):
            for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
                self._values(inner, (*path, key))
        elif isinstance(value, float) and not math.isfinite(value):
            self.wrong(path, "not a finite number. Write one.", value)
        elif isinstance(value, str) and "\0" in value:
            self.wrong(path, "it contains a NUL, which a command line cannot carry. Remove it.", value)
        elif isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            text = "it contains half a surrogate pair, which UTF-8 cannot encode. Write the character itself."
            self.wrong(path, text, value)
        elif isinstance(value, str) and "://" in value and (secret := secret_in(value)):
            self.wrong(
                path,
                f"the URL holds {secret}, and a config is copied into results, logs and command lines. Take it out; "
                "teachers.<name>.api_key_env names the environment variable of a key, base_url_env that of a URL.",
            )

    def engine(self) -> None:
        if self.study["plan"]["machine"] is not None:
            self.known(("plan", "machine"), self.study["plan"]["machine"], "machines")
        if self.study["responses"] or self.study["suites"]:
            self.known(("engine",), self.study.get("engine"), "engines")

    # --- data ---------------------------------------------------------------------------------------------------------

    def models(self) -> None:
        for slug, entry in self.sound("models").items():
            path = ("models", slug)
            if entry["source"] != "adapter" or not self.known((*path, "base"), entry["base"], "models"):
                continue
            if self.study["models"][entry["base"]].get("source") == "adapter":
                self.wrong((*path, "base"), "an adapter too. Merge that one outside the study.", entry["base"])

    def datasets(self) -> None:
        for slug, entry in self.sound("datasets").items():
            if entry["source"] == "responses":
                text = "graded responses are judged by a benchmark of kind critique. Train on them by a run's data."
                self.wrong(("datasets", slug, "source"), text, entry["source"])
                continue
            for index, benchmark in enumerate(entry["exclude"]):
                path = ("datasets", slug, "exclude", index)
                if self.known(path, benchmark, "benchmarks") and self._is_made_from(benchmark, slug):
                    text = "its responses answer this dataset, so it would depend on itself. Sample them from another."
                    self.wrong(path, text, benchmark)
            self._source(entry, ("datasets", slug))

    def _is_made_from(self, benchmark: str, dataset: str) -> bool:
        """Whether a benchmark judges responses to the dataset's questions."""
        questions = self.study["benchmarks"][benchmark].get("questions")
        responses = questions.get("responses") if isinstance(questions, dict) else None
        return self.sound("responses").get(responses, {}).get("dataset") == dataset

    def _source(self, source: dict, path: tuple) -> None:
        """Checks that the file of a source exists and that a hub repository is pinned."""
        if source["source"] == "jsonl" and not os.path.isfile(source["path"]):
            self.wrong((*path, "path"), "there is no such file. Correct the path.", source["path"])
        if source["source"] == "hub" and source["revision"] is None and not os.path.isdir(source["repo"]):
            text = f"null, but {source['repo']!r} is not a local folder. Name the commit to pin."
            self.wrong((*path, "revision"), text)

    def benchmarks(self) -> None:
        for slug, entry in self.sound("benchmarks").items():
            path = ("benchmarks", slug)
            for key in ("prompt", "judge_prompt", "template"):
                self.file_there((*path, key), entry.get(key))
            if entry["kind"] not in ALONE:
                self._generated(path, entry)
            if "questions" in entry:
                self._questions(path, entry)
            if entry["kind"] == "judge":
                self._judge(path, entry)
            folder = entry.get("task_path")
            if folder is not None and not os.path.isdir(folder):
                self.wrong((*path, "task_path"), "there is no such folder. Correct the path.", folder)

    def _questions(self, path: tuple, entry: dict) -> None:
        source = entry["questions"]
        self._source(source, (*path, "questions"))
        for index, name in enumerate(source["exclude"]):
            where = (*path, "questions", "exclude", index)
            if not self.known(where, name, "benchmarks"):
                continue
            if self.sound("benchmarks").get(name, {}).get("questions", {}).get("exclude"):
                self.wrong(where, "it excludes questions itself. Name a benchmark that uses its whole set.", name)
        if entry["kind"] == "critique" or source["source"] == "responses":
            self._judged(path, entry)
        if source["source"] == "responses":
            return
        lacking = [field for field in FIELDS.get(entry["kind"], ()) if field not in source.get("fields", {})]
        if lacking:
            text = f"{', '.join(lacking)} is missing, which kind {entry['kind']} needs. Name the column."
            self.wrong((*path, "questions", "fields"), text)

    def _judged(self, path: tuple, entry: dict) -> None:
        """Checks that benchmarks of kind critique, and no others, have responses with labels."""
        source, at = entry["questions"], (*path, "questions")
        if entry["kind"] != "critique":
            text = "graded responses are only judged. Make it a benchmark of kind critique."
            self.wrong((*at, "source"), text, source["source"])
        elif source["source"] == "responses":
            self.known((*at, "responses"), source["responses"], "responses")
        elif not {"label", "first_wrong_step"} & set(source.get("fields", {})):
            text = "nothing says which responses are right. Name the column of label or of first_wrong_step."
            self.wrong((*at, "fields"), text)

    def _over_samples(self, path: tuple, entry: dict) -> None:
        """Checks that there are enough different samples for pass@k, maj@k and the best of n."""
        for key in ("pass_at", "majority_at"):
            most = max(entry.get(key, (0,)))
            if most > entry["samples"]:
                text = f"{most} of {entry['samples']} samples. Raise samples to {most}, or take a smaller k."
                self.wrong((*path, key), text, entry[key])
        wanted = max(*entry.get("pass_at", (0,)), *entry.get("majority_at", (0,)), 2 if "best_of_n" in entry else 0)
        if wanted > 1 and entry["temperature"] == 0:
            told = ", ".join(key for key in ("pass_at", "majority_at", "best_of_n") if key in entry)
            text = f"greedy answers are the same each time, so {told} would be meaningless. Raise it."
            self.wrong((*path, "temperature"), text, 0)
        if "best_of_n" in entry:
            self.file_there((*path, "best_of_n", "prompt"), entry["best_of_n"]["prompt"])
            if entry["samples"] == 1:
                self.wrong((*path, "samples"), "best_of_n has nothing to choose from. Raise it.", 1)

    def _judge(self, path: tuple, entry: dict) -> None:
        if not self.known((*path, "teacher"), entry["teacher"], "teachers"):
            return
        if self.sound("teachers").get(entry["teacher"], {"kind": "openai"})["kind"] != "openai":
            text = "it gives no ratings. Name a teacher of kind openai."
            self.wrong((*path, "teacher"), text, entry["teacher"])

    def _generated(self, path: tuple, entry: dict) -> None:
        source = entry["questions"]
        has_choices = "choices" in source.get("fields", {}) or "choices_from" in source
        if entry["kind"] == "choice" and not has_choices:
            self.wrong(
                (*path, "kind"),
                "choice, but the questions have no options. Name their column in fields (choices) or their columns in "
                "choices_from.",
            )
        self._over_samples(path, entry)
        critique = entry.get("self_critique")
        if not critique:
            return
        self.file_there((*path, "self_critique", "prompt"), critique["prompt"])
        if entry["temperature"] == 0:
            self.wrong(
                (*path, "temperature"),
                "greedy answers are the same each time, so self_critique would never change one. Raise it.",
                0,
            )

    # --- responses and teachers ---------------------------------------------------------------------------------------

    def responses(self) -> None:
        for slug, entry in self.sound("responses").items():
            path = ("responses", slug)
            self.known((*path, "dataset"), entry["dataset"], "datasets")
            if "field" in entry:
                self._response_field(path, entry)
                continue
            missing = [key for key in ("model", "prompt") if key not in entry]
            if missing:
                text = "Add it, or name the dataset's own field that holds the responses."
                self.wrong(path, f"{', '.join(missing)} is missing. {text}")
                continue
            self.known((*path, "model"), entry["model"], "models", "runs")
            self.file_there((*path, "prompt"), entry["prompt"])
            self.file_there((*path, "template"), entry["template"])

    def _response_field(self, path: tuple, entry: dict) -> None:
        fields = self.study["datasets"].get(entry["dataset"], {}).get("fields", {entry["field"]: ""})
        if entry["field"] not in fields:
            listed = ", ".join(fields)
            text = f"the dataset has no such field (it has: {listed}). Name it in its fields."
            self.wrong((*path, "field"), text, entry["field"])

    def teachers(self) -> None:
        for slug, entry in self.sound("teachers").items():
            path = ("teachers", slug)
            self._extra_body(path, entry)
            for key in ("critique_prompt", "refine_prompt", "answer_prompt", "template"):
                self.file_there((*path, key), entry.get(key))
            if entry["kind"] in ("transformers", "vllm"):
                self._local_teacher(path, entry)
            if entry.get("budget") is not None and entry["price"] is None:
                self.wrong((*path, "budget"), "it needs a price. Add price.")

    def _extra_body(self, path: tuple, entry: dict) -> None:
        """Rejects extra parameters that the entry has keys for, or that would change the form of the reply."""
        taken = ("model", "messages", "temperature", "top_p", "max_tokens", "max_completion_tokens")
        for name in entry.get("extra_body", {}):
            if name in taken:
                self.wrong((*path, "extra_body", name), "the teacher has a key for it. Use that one.")
            elif name in ("n", "stream", "stream_options"):
                self.wrong((*path, "extra_body", name), "only one whole answer is read. Remove it.")

    def _local_teacher(self, path: tuple, entry: dict) -> None:
        self.known((*path, "model"), entry["model"], "models", "runs")
        if entry["engine"] is not None:
            self.known((*path, "engine"), entry["engine"], "engines")
        engine = self.sound("engines").get(entry["engine"] or self.study.get("engine"), entry)
        if engine["kind"] != entry["kind"]:
            self.wrong(
                (*path, "kind"),
                f"its engine is of kind {engine['kind']}. Name an engine of its kind (engine: …), or write the "
                "engine's kind.",
                entry["kind"],
            )

    def critiques(self) -> None:
        for slug, entry in self.sound("critiques").items():
            self.known(("critiques", slug, "responses"), entry["responses"], "responses")
            self.known(("critiques", slug, "teacher"), entry["teacher"], "teachers")

    def refinements(self) -> None:
        for slug, entry in self.sound("refinements").items():
            self.known(("refinements", slug, "critiques"), entry["critiques"], "critiques")
            self._writer(("refinements", slug, "teacher"), entry, "Name a teacher of kind openai.")

    def answers(self) -> None:
        for slug, entry in self.sound("answers").items():
            self.known(("answers", slug, "dataset"), entry["dataset"], "datasets")
            advice = "Name a teacher of kind openai, or sample responses from a model."
            self._writer(("answers", slug, "teacher"), entry, advice)

    def _writer(self, path: tuple, entry: dict, advice: str) -> None:
        """Checks that the teacher of an entry is of a kind that writes answers."""
        if not self.known(path, entry["teacher"], "teachers"):
            return
        if self.sound("teachers").get(entry["teacher"], {"kind": "openai"})["kind"] != "openai":
            self.wrong(path, f"it writes critiques only. {advice}", entry["teacher"])

    # --- runs ---------------------------------------------------------------------------------------------------------

    def runs(self) -> None:
        for slug in sorted(self.study["models"].keys() & self.study["runs"].keys()):
            self.wrong(("runs", slug), "a model has this name too. Rename one of them.")
        for slug, run in self.sound("runs").items():
            self._run(("runs", slug), run)
        self._start_cycles(self.sound("runs"))

    def _run(self, path: tuple, run: dict) -> None:
        self.known((*path, "start"), run["start"], "models", "runs")
        self.known((*path, "recipe"), run["recipe"], "recipes")
        self.file_there((*path, "prompt"), run["prompt"])
        self.file_there((*path, "template"), run["template"])
        self._selection(path, run)
        self._recipe(path, run)
        data = run["data"]
        if "mix" in data and set(data) - BESIDE_MIX:
            self.wrong((*path, "data"), "it has mix and other sources. Move them into the mix.")
        preferences = {part["method"] in PREFERENCE for part in runs.parts(run)}
        if len(preferences) > 1 or preferences != {run["method"] in PREFERENCE}:
            text = "answers and preference pairs cannot be mixed. Split the run."
            self.wrong((*path, "data", "mix"), text)
        for index, part in enumerate(runs.parts(run)):
            at = (*path, "data", "mix", index) if "mix" in data else (*path, "data")
            if part["prompt"] != run["prompt"]:
                self.file_there((*at, "prompt"), part["prompt"])
            self._part(part, at)

    def _selection(self, path: tuple, run: dict) -> None:
        if run["select"] == "last" or not self.known((*path, "select"), run["select"], "benchmarks"):
            return
        if self.sound("benchmarks").get(run["select"], {"kind": "math"})["kind"] not in ("math", "choice"):
            text = "candidates are scored on questions with an answer. Name a benchmark of kind math or choice."
            self.wrong((*path, "select"), text, run["select"])

    def _recipe(self, path: tuple, run: dict) -> None:
        """Checks that the run's method uses all settings of its recipe, and that these do not contradict each other."""
        recipe = run.get("hyperparameters")
        if recipe is None:
            return  # unknown name

        def at(key: str) -> tuple:
            return (*path, "overrides", key) if key in run["overrides"] else ("recipes", run["recipe"], key)

        if run["method"] in PREFERENCE:
            for key, neutral in (("packing", False), ("loss_on", "answer")):
                if recipe[key] != neutral:
                    text = f"a {run['method']} run trains on pairs: only sft, cft and cgd read it. Remove it."
                    self.wrong(at(key), text, recipe[key])
        if recipe.get("early_stopping"):
            self._early_stopping(at, path[1], run, recipe)
        if recipe["loss"] not in LOSSES[run["method"] in PREFERENCE]:
            allowed = ", ".join(LOSSES[run["method"] in PREFERENCE])
            self.wrong(at("loss"), f"a {run['method']} run has the losses {allowed}. Name one of them.", recipe["loss"])
        if recipe["loss"] in ("simpo", "orpo") and recipe["precompute_reference"]:
            self.wrong(at("precompute_reference"), f"{recipe['loss']} has no reference. Remove it.", True)
        course = recipe["schedule_epochs"]
        if course is not None and course < recipe["epochs"]:
            text = f"the training runs for {recipe['epochs']:g} epochs, past the course's end. Raise it."
            self.wrong(at("schedule_epochs"), text, course)

    def _early_stopping(self, at: Callable[[str], tuple], slug: str, run: dict, recipe: dict) -> None:
        """Whether a run can stop early: held-out rows choose its checkpoint, and rows to train on are left."""
        rows, wanted = recipe["early_stopping"]["rows"], run["data"]["rows"]
        if run["method"] in PREFERENCE:
            text = f"a {run['method']} run trains on pairs: only sft, cft and cgd read it. Remove it."
            self.wrong(at("early_stopping"), text)
        if recipe["candidate_steps"]:
            text = "early_stopping keeps the best evaluated step as the only candidate. Remove one of them."
            self.wrong(at("candidate_steps"), text, recipe["candidate_steps"])
        if run["select"] != "last":
            text = f"the checkpoint of run {slug} is selected on {run['select']} already. Remove one of them."
            self.wrong(at("early_stopping"), text)
        if wanted is not None and rows >= wanted:
            text = f"run {slug} has {wanted} rows, so none is left to train on. Lower it."
            self.wrong((*at("early_stopping"), "rows"), text, rows)

    def _part(self, part: dict, path: tuple) -> None:
        method = part["method"]
        keys = ("dataset", "responses", "critiques", "refinements", "answers", "long", "short", "pairs")
        named = {key for key in keys if key in part}
        if named not in ALLOWED[method]:
            allowed = " or ".join(" and ".join(sorted(keys)) for keys in ALLOWED[method])
            names = ", ".join(sorted(named)) or "nothing"
            self.wrong(path, f"a {method} run trains on {allowed}, this names {names}. Name {allowed}.")
            return
        for side in ("long", "short"):
            if side in part and len({"dataset", "responses"} & set(part[side])) != 1:
                self.wrong((*path, side), "it must name one of dataset and responses. Correct it.")
                return
        if all([self.known((*path, *keys), slug, section) for keys, section, slug in runs.sources(part)]):
            self._filter(part, path)
            self._fields(part, path)

    def _filter(self, part: dict, path: tuple) -> None:
        """Checks that a part's `keep` exists for its method and source."""
        method, keep = part["method"], part["keep"]
        fields = self.study["datasets"].get(part.get("dataset"), {}).get("fields", {})
        judged = bool({"critiques", "refinements"} & set(part)) or "critique" in fields
        where = (*path, "keep")
        if keep not in KEEPS[method]:
            text = f"a {method} run has {', '.join(sorted(KEEPS[method]))}. Choose one of them."
            self.wrong(where, text, keep)
        elif keep in ("judged-right", "judged-wrong", "agreeing") and not judged:
            text = "a teacher's verdict. Name critiques as the data, or a dataset with a critique."
            self.wrong(where, text, keep)
        elif method == "sft" and "dataset" in part and keep not in ("all", "judged-right"):
            self.wrong(where, "a dataset's own solutions are not graded. Remove it.", keep)
        elif "answers" in part and keep != "all":
            self.wrong(where, "a teacher's answers are not graded. Remove it.", keep)

    def _fields(self, part: dict, path: tuple) -> None:
        """Checks that the datasets behind a part have the columns that its method and filter need."""
        method, keep = part["method"], part["keep"]
        graded = keep in ("correct", "agreeing", "both-right") or (method == "dpo" and "responses" in part)
        sources = [source for source in runs.sources(part) if source[1] != "runs"]
        for name in {runs.dataset_behind(self.study, section, slug) for _, section, slug in sources}:
            dataset = self.sound("datasets").get(name)
            if dataset is None:
                continue
            generated = dataset["source"] == "reasoning-gym"
            fields = {"question", "answer", "solution", "terse"} if generated else set(dataset["fields"])
            if graded and "answer" not in fields:
                text = f"dataset {name!r} has no reference answers, so nothing is graded. "
                text += "Use judged-right or agree, or name its answer field."
                self.wrong((*path, "keep"), text, keep)
            lacking = (NEEDED.get(method, set()) | ({"response"} if "pairs" in part else set())) - fields
            if lacking and ("dataset" in part or "pairs" in part):
                text = f"it has no {' and '.join(sorted(lacking))}, which a {method} run needs. "
                text += "Name the column in its fields."
                self.wrong((*path, "pairs" if "pairs" in part else "dataset"), text, name)
            if method == "cgd":
                self._refined(part, path, name, fields)

    def _refined(self, part: dict, path: tuple, dataset: str, fields: set[str]) -> None:
        """Checks that a part of CGD has its refined answers, and what its control removes from critiques."""
        if part["critique_shown"] == "without-answer" and "answer" not in fields:
            text = f"dataset {dataset!r} has no reference answers, so none can be taken out. Name its answer field."
            self.wrong((*path, "critique_shown"), text, part["critique_shown"])
        if "refinements" in part:
            return  # they have their own
        responses = self.study["critiques"].get(part.get("critiques"), {}).get("responses")
        sampled = "critiques" in part and "field" not in self.study["responses"].get(responses, {})
        held = sorted(fields & {"solution"} if sampled else fields)
        if part["refined"] not in held:
            text = f"the rows hold no such text (they have: {', '.join(held) or 'none'}). Name a column of dataset "
            text += f"{dataset!r} in its fields, or take refinements of a teacher."
            self.wrong((*path, "refined"), text, part["refined"])

    def _start_cycles(self, entries: dict) -> None:
        """Reports each run whose chain of starts leads back to itself."""
        for slug in entries:
            trail = [slug]
            while trail[-1] in entries:
                trail.append(entries[trail[-1]]["start"])
                if trail[-1] == slug:
                    cycle = " → ".join(trail)
                    self.wrong(("runs", slug, "start"), f"a cycle ({cycle}). Start one from a model.")
                if trail[-1] in trail[:-1]:
                    break

    # --- suites, tables, figures --------------------------------------------------------------------------------------

    def suites(self) -> None:
        for slug, names in self.sound("suites").items():
            for index, name in enumerate(names):
                self.known(("suites", slug, index), name, "benchmarks")
            if self.sound("benchmarks").get(slug, {}).get("kind") in ALONE:
                text = "the benchmark of this name has scores of its own in the same place. Rename one of them."
                self.wrong(("suites", slug), text)

    def tables(self) -> None:
        for slug, table in self.sound("tables").items():
            path = ("tables", slug)
            for index, suite in enumerate(table["suites"]):
                self.known((*path, "suites", index), suite, "suites")
            self._verdict(path, table)
            if "columns" in table:
                check_cells(path, table, self)
            else:
                self._suite_table(path, table)

    def _verdict(self, path: tuple, table: dict) -> None:
        if table["verdict"] != "math-verify":
            return
        for name in self._benchmarks_in(table["suites"]):
            if self.study["benchmarks"].get(name, {}).get("kind", "math") != "math":
                text = f"it reads formulas only, and {name} is not mathematics. Name another verdict or suite."
                self.wrong((*path, "verdict"), text, "math-verify")

    def _suite_table(self, path: tuple, table: dict) -> None:
        if table["layout"] == "benchmarks-as-rows":
            if len(table["rows"]) < 2 or any("of" not in row for row in table["rows"]):
                self.wrong((*path, "rows"), "this layout compares two or more checkpoints. Name them.")
            if table["mark_best"]:
                self.wrong((*path, "mark_best"), "not in this layout, where rows are benchmarks. Remove it.")
            self._lengths((*path, "layout"), table["suites"])
        titles: dict[str, str] = dict.fromkeys((AVERAGE, *TRAINED), "a column of every table")
        for name in self._benchmarks_in(table["suites"]):
            title = self.sound("benchmarks").get(name, {}).get("title") or name
            if titles.setdefault(title, name) != name:
                text = f"table {path[1]} has this heading already ({titles[title]}). Give it another title."
                self.wrong(("benchmarks", name, "title"), text, title)

    def _benchmarks_in(self, suites: list[str]) -> list[str]:
        return list(dict.fromkeys(name for suite in suites for name in self.sound("suites").get(suite, ())))

    def _lengths(self, path: tuple, suites: list[str]) -> None:
        """Reports benchmarks whose answers have no length in tables that show lengths."""
        kinds = {name: self.sound("benchmarks").get(name, {}).get("kind") for name in self._benchmarks_in(suites)}
        without = [name for name, kind in kinds.items() if kind == "harness"]
        if without:
            listed = ", ".join(without)
            text = f"it shows the lengths of answers, which lm-eval does not report ({listed}). "
            self.wrong(path, text + "Name suites without them.")

    def figures(self) -> None:
        for slug, figure in self.sound("figures").items():
            path = ("figures", slug)
            for index, suite in enumerate(figure.get("suites", ())):
                self.known((*path, "suites", index), suite, "suites")
            if figure["kind"] == "lengths":
                self._lengths((*path, "kind"), figure["suites"])
            for row in figure["rows"]:
                self._line(path, figure["kind"], row["of"])
            if slug in self.study["tables"]:
                self.wrong(path, "a table has this name too. Rename one of them.")

    def _line(self, path: tuple, kind: str, checkpoint: str) -> None:
        """Checks that the run of a figure's line has the quantity that the figure shows."""
        run = self.study["runs"].get(checkpoint)
        if kind == "validation" and (run or {}).get("select", "last") == "last":
            text = f"{checkpoint} has no validation curve. Name runs whose checkpoint is selected by a benchmark."
            self.wrong((*path, "rows"), text)
        if kind == "training" and run is None:
            self.wrong((*path, "rows"), f"{checkpoint} is not a run, and only runs have a training log. Name runs.")

    def targets(self) -> None:
        for name, ids in self.sound("targets").items():
            for index, made in enumerate(ids):
                self.known(("targets", name, index), made, "tables", "figures")
            if name in self.study["tables"] or name in self.study["figures"]:
                self.wrong(("targets", name), "a table or figure has this name too. Rename one of them.")

    # --- claims -------------------------------------------------------------------------------------------------------

    def claims(self) -> None:
        for slug, claim in self.sound("claims").items():
            path = ("claims", slug)
            for name in claim["cells"]:
                self._claimed_cell(path, claim, name)
            self._expression(path, claim)

    def _claimed_cell(self, path: tuple, claim: dict, name: str) -> None:
        """Checks that the cell behind a name in a claim exists, if its table fits the schema."""
        cell = claim["cells"][name]

        def at(key: str) -> tuple:
            return (*path, "cells", name, key) if key in cell else (*path, key)

        wanted = {key: cell.get(key, claim.get(key)) for key in ("table", "row", "column")}
        lacking = [key for key in wanted if key not in cell and key not in claim]
        for key in lacking:
            self.wrong((*path, "cells", name), f"neither it nor the claim has a {key}. Add one.")
        if lacking or not self.known(at("table"), wanted["table"], "tables"):
            return
        table = self.sound("tables").get(wanted["table"])
        if table is None:  # it does not fit the schema, which is reported elsewhere
            return
        for key, headings in headings_of(table, self.study).items():
            for heading in wanted[key] if isinstance(wanted[key], list) else [wanted[key]]:
                if heading not in headings:
                    text = f"no {key} of {wanted['table']} (it has: {', '.join(headings)}). Correct it."
                    self.wrong(at(key), text, heading)

    def _expression(self, path: tuple, claim: dict) -> None:
        where = (*path, "value")
        try:
            used = names_in(claim["value"])
        except ValueError as error:
            self.wrong(where, f"{error}. Correct it (docs/claims.md).", claim["value"])
            return
        for name in sorted(used ^ set(claim["cells"])):
            what = "is not under cells" if name in used else "is under cells but not in it"
            self.wrong(where, f"{name} {what}. Correct one of them.", claim["value"])


def headings_of(table: dict, study: dict) -> dict[str, list[str]]:
    """The names of a table's rows and columns, under `row` and `column`."""
    table = as_cells(table, study)
    return {"row": [row["name"] for row in table["rows"]], "column": [column["name"] for column in table["columns"]]}
