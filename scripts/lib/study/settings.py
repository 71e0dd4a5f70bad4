"""The settings of a study: what each job reads, as JSON with sorted keys.

Snakemake tracks these texts: a job reruns if and only if its text changes. A text has the keys that the job reads and
the `VERSION` of its program, but nothing that changes no output (rates, prices, GPUs, memory).
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scripts.lib.study import runs
from scripts.lib.study.cells import specs
from scripts.lib.study.contents import Contents
from scripts.lib.study.files import Files

# Keys of an engine that change no output, so that nothing reruns on another machine.
MACHINE_KEYS = ("memory_share",)
# Kinds of teachers that are a model of the study, run by its engine.
LOCAL_TEACHERS = ("transformers", "vllm")
# The keys that determine a teacher's texts, by its kind. The rest of the entry does not (rates, price, endpoint).
DECIDING = {
    "verifier": ("kind", "style"),
    "openai": (
        *("kind", "model", "temperature", "top_p", "max_tokens", "token_parameter", "extra_body", "with_thoughts"),
    ),
    **dict.fromkeys(
        LOCAL_TEACHERS,
        ("kind", "temperature", "top_p", "max_tokens", "template", "seed", "stop", "with_thoughts"),
    ),
}
PROMPTS = ("critique_prompt", "refine_prompt", "answer_prompt")
ABSENT = ("early_stopping",)  # keys of a recipe that settings omit if they are null
GRADER = "grader"  # the grader's name among the programs' versions


def program_versions(folder: Path) -> dict[str, int]:
    """The `VERSION` of each program in scripts/, by name, and the grader's, read without imports."""
    texts = {file.stem: file.read_text(encoding="utf-8") for file in folder.glob("*.py")}
    texts[GRADER] = (folder / "lib" / "grading" / "items.py").read_text(encoding="utf-8")
    versions = {name: re.search(r"^(?:GRADER_)?VERSION = (\d+)", text, re.MULTILINE) for name, text in texts.items()}
    return {name: int(match[1]) for name, match in versions.items() if match}


def as_json(values: Any) -> str:
    """JSON with sorted keys: equal values give equal text."""
    return json.dumps(values, sort_keys=True)


class Study(Files):
    """A resolved study: the paths of its files, and the settings of its jobs.

    Args:
        resolved: the study as `resolve` returns it.
        versions: the programs' `VERSION`, by name (`program_versions`).
    """

    def __init__(self, resolved: Mapping[str, Any], versions: Mapping[str, int]) -> None:
        super().__init__(resolved)
        self.versions = versions
        self.contents = Contents("state/contents.json")

    def _settings(self, program: str, files: Iterable[str | None] = (), **values: Any) -> str:
        """The values, the program's VERSION, and the digest of each file that the values name."""
        digests = {file: self.contents.digest(file) for file in files if file is not None}
        tracked = {"files": digests} if digests else {}
        return as_json({**values, **tracked, "script_version": self.versions[program]})

    # --- engines ------------------------------------------------------------------------------------------------------

    def engine(self, slug: str | None = None) -> Mapping[str, Any]:
        """An engine that generates text, by default the study's (empty if the study generates nothing)."""
        return self["engines"].get(slug or self.resolved.get("engine"), {})

    def engine_env(self, slug: str | None = None) -> str:
        """The environment under envs/ that the engine runs in."""
        return "vllm-gpu" if self.engine(slug).get("kind") == "vllm" else "laptop"

    def engine_settings(self, slug: str | None = None) -> dict[str, Any]:
        """The settings that determine the engine's texts."""
        return {key: value for key, value in self.engine(slug).items() if key not in MACHINE_KEYS}

    def machine(self, slug: str | None, gpus: int) -> str:
        """The engine's other settings, and the job's GPUs."""
        engine = self.engine(slug)
        values = {key: value for key, value in engine.items() if key in MACHINE_KEYS}
        return json.dumps({**values, "gpus": gpus} if engine.get("kind") == "vllm" else values)

    def critic_engine(self, wildcards) -> str | None:
        """The engine of a local teacher, if it names one."""
        return self.teacher("critiques", wildcards.critiques)["engine"]

    def critic_env(self, wildcards) -> str:
        """The environment under envs/ that a local teacher runs in."""
        return self.engine_env(self.critic_engine(wildcards))

    def grading_env(self, wildcards) -> str:
        """The environment under envs/ that grades a suite."""
        return "harness" if self.has_instructions(wildcards.suite) else "laptop"

    # --- data ---------------------------------------------------------------------------------------------------------

    def model_settings(self, wildcards) -> str:
        """What fetch_model reads."""
        entry = self["models"][wildcards.model]
        files = [entry["path"]] if entry["source"] in ("folder", "adapter") else []
        return self._settings("fetch_model", files, **entry)

    def adapter_base(self, wildcards) -> list[str]:
        """The folder of the model that an adapter is merged into, if the model is an adapter."""
        entry = self["models"][wildcards.model]
        return [self.weights(entry["base"])] if entry["source"] == "adapter" else []

    def dataset_settings(self, wildcards) -> str:
        """What prepare_dataset reads."""
        entry = self["datasets"][wildcards.dataset]
        return self._settings("prepare_dataset", source_files(entry), **entry)

    def benchmark_settings(self, wildcards) -> str:
        """What prepare_benchmark reads."""
        questions = self["benchmarks"][wildcards.benchmark]["questions"]
        return self._settings("prepare_dataset", source_files(questions), **questions)

    def task_settings(self, wildcards) -> str:
        """What prepare_harness reads."""
        entry = self["benchmarks"][wildcards.benchmark]
        values = {key: entry[key] for key in ("task", "task_path", "limit")}
        return self._settings("prepare_harness", [entry["task_path"]], **values)

    # --- responses ----------------------------------------------------------------------------------------------------

    def sampling_settings(self, wildcards) -> str:
        """What sample_responses reads."""
        entry = self["responses"][wildcards.responses]
        keys = ("prompt", "template", "samples", "temperature", "top_p", "max_tokens", "stop", "seed", "rows")
        values = {key: entry[key] for key in keys if key in entry}
        files = [entry["prompt"], entry["template"]]
        return self._settings("sample_responses", files, engine=self.engine_settings(), **values)

    def response_grading(self, wildcards) -> str:
        """What grade_responses reads: the grader's version, and the dataset field that contains the responses."""
        field = self["responses"][wildcards.responses].get("field")
        return self._settings("grade_responses", field=field, grader=self.versions[GRADER])

    def response_field(self, wildcards, output) -> str:
        """The flag for responses that are a field of the dataset (tracked in the version)."""
        entry = self["responses"][wildcards.responses]
        return f"--field {entry['field']}" if "field" in entry else ""

    def response_shard_count(self, wildcards) -> int:
        """The number of shards of an entry of responses."""
        return self["responses"][wildcards.responses]["shards"]

    # --- teachers -----------------------------------------------------------------------------------------------------

    def critique_values(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that determine an entry's critiques."""
        teacher = self["teachers"][entry["teacher"]]
        values = deciding(teacher)
        if teacher["kind"] != "verifier":
            values["critique_prompt"] = teacher["critique_prompt"]
        local = {"engine": self.engine_settings(teacher["engine"])} if teacher["kind"] in LOCAL_TEACHERS else {}
        return {"teacher": values, "rows": entry["rows"], **local}

    def refinement_values(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that determine an entry's refined answers."""
        teacher = self["teachers"][entry["teacher"]]
        values = {**deciding(teacher), "refine_prompt": teacher["refine_prompt"]}
        return {"teacher": values, "rows": entry["rows"]}

    def answer_values(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that determine an entry's answers."""
        teacher = self["teachers"][entry["teacher"]]
        values = {**deciding(teacher), "answer_prompt": teacher["answer_prompt"]}
        return {"teacher": values, "rows": entry["rows"], "samples": entry["samples"]}

    def limit_values(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of an entry's requests that do not affect its texts."""
        rest = limits(self["teachers"][entry["teacher"]])
        return {**rest, "teacher": entry["teacher"], "max_errors": entry["max_errors"]}

    def critique_settings(self, wildcards) -> str:
        """What the critique rules read."""
        teacher = self.teacher("critiques", wildcards.critiques)
        files = [teacher.get("critique_prompt"), teacher.get("template")]
        values = self.critique_values(self["critiques"][wildcards.critiques])
        return self._settings("critique_responses", files, **values)

    def critique_limits(self, wildcards, output) -> str:
        """How critiques are requested. It takes `output`, so that Snakemake does not track it."""
        return as_json(self.limit_values(self["critiques"][wildcards.critiques]))

    def critique_shard_count(self, wildcards) -> int:
        """The number of shards of an entry of critiques."""
        return self["critiques"][wildcards.critiques]["shards"]

    def refinement_settings(self, wildcards) -> str:
        """What refine_responses reads."""
        files = [self.teacher("refinements", wildcards.refinements)["refine_prompt"]]
        values = self.refinement_values(self["refinements"][wildcards.refinements])
        return self._settings("refine_responses", files, **values)

    def refinement_limits(self, wildcards, output) -> str:
        """How refined answers are requested. It takes `output`, so that Snakemake does not track it."""
        return as_json(self.limit_values(self["refinements"][wildcards.refinements]))

    def refinement_shard_count(self, wildcards) -> int:
        """The number of shards of an entry of refinements."""
        return self["refinements"][wildcards.refinements]["shards"]

    def answer_settings(self, wildcards) -> str:
        """What answer_questions reads."""
        files = [self.teacher("answers", wildcards.answers)["answer_prompt"]]
        values = self.answer_values(self["answers"][wildcards.answers])
        return self._settings("answer_questions", files, **values)

    def answer_limits(self, wildcards, output) -> str:
        """How answers are requested. It takes `output`, so that Snakemake does not track it."""
        return as_json(self.limit_values(self["answers"][wildcards.answers]))

    def answer_shard_count(self, wildcards) -> int:
        """The number of shards of an entry of answers."""
        return self["answers"][wildcards.answers]["shards"]

    def priced_entries(self) -> list[dict[str, Any]]:
        """The input of `estimate`: the entries whose teacher is behind an endpoint, by teacher.

        Returns:
            name, file (of the rows that are asked about), settings and limits of each entry; `after` is the entry of
            critiques whose own teacher must be paid before the file exists, else None.
        """
        values = {
            "critiques": self.critique_values,
            "refinements": self.refinement_values,
            "answers": self.answer_values,
        }
        priced = [
            {
                "name": f"{section}.{slug}",
                "file": f"<results>/{runs.ASKED_ABOUT[section].format(**entry)}",
                "settings": values[section](entry),
                "limits": self.limit_values(entry),
                "after": self._paid_before(entry),
            }
            for section in values
            for slug, entry in self[section].items()
            if self["teachers"][entry["teacher"]]["kind"] == "openai"
        ]
        return sorted(priced, key=lambda entry: (entry["limits"]["teacher"], entry["name"]))

    def _paid_before(self, entry: Mapping[str, Any]) -> str | None:
        critiques = entry.get("critiques")
        paid = critiques and self.teacher("critiques", critiques)["kind"] == "openai"
        return f"critiques.{critiques}" if paid else None

    def priced_files(self, wildcards=None) -> list[str]:
        """The input rows of priced entries, except those that cost something themselves."""
        return [entry["file"] for entry in self.priced_entries() if not entry["after"]]

    def priced(self) -> str:
        """What `estimate` reads: the priced entries, with real paths."""
        return json.dumps([{**entry, "file": self.path(entry["file"])} for entry in self.priced_entries()])

    # --- training -----------------------------------------------------------------------------------------------------

    def train_set_settings(self, wildcards) -> str:
        """What build_train_set reads."""
        run = self["runs"][wildcards.run]
        parts = runs.parts(run)
        compared = any(part["keep"] in ("agree", "both-right") for part in parts)
        graded = {"grader": self.versions[GRADER]} if compared else {}
        limit = self._trainer_limit(wildcards.run)
        return self._settings(
            "build_train_set",
            files=[*(part["prompt"] for part in parts), limit and limit["template"]],
            **graded,
            **({"limit": limit} if limit else {}),
            run=wildcards.run,
            parts=[part_settings(part) for part in parts],
            rows=run["data"]["rows"],
            seed=run["seed"],
            when_short=run["data"]["when_short"],
            slack=run["data"]["slack"],
        )

    def _trainer_limit(self, name: str) -> dict[str, Any] | None:
        """The trainer's limit for rows, if it drops any; else a changed limit changes no training set."""
        run = self["runs"][name]
        if not runs.drops_rows(run):
            return None
        recipe = run["hyperparameters"]
        _, template = runs.tokenizer_behind(self.resolved, name)
        longest = recipe["max_tokens"] if runs.drops_long_rows(run) else None
        return {"max_tokens": longest, "template": template, **{key: recipe[key] for key in ("end_inside", "loss_on")}}

    def recipe(self, wildcards) -> str:
        """What train reads."""
        run = self["runs"][wildcards.run]
        values = {key: run[key] for key in ("method", "template", "seed")}
        recipe = {key: value for key, value in run["hyperparameters"].items() if value is not None or key not in ABSENT}
        return self._settings("train", [run["template"]], run=wildcards.run, **values, **recipe)

    def validation_settings(self, wildcards) -> str:
        """What validate reads."""
        name = self["runs"][wildcards.run]["select"]
        of_set = self["benchmarks"][name].get("set")
        return self._settings(
            "validate",
            self.decoding_files([name]),
            kind=self["benchmarks"][name]["kind"],
            engine=self.engine_settings(),
            benchmark=self.decoding(name),
            grader=self.versions[GRADER],
            **({"set": of_set} if of_set else {}),
        )

    # --- evaluation ---------------------------------------------------------------------------------------------------

    def decoding(self, benchmark: str) -> dict[str, Any]:
        """The settings of a benchmark that generation reads."""
        entry = self["benchmarks"][benchmark]
        keys = ("prompt", "template", "temperature", "temperature_by_subject", "top_p", "samples", "max_tokens", "seed")
        return {key: entry[key] for key in (*keys, "stop", "self_critique") if key in entry}

    def decoding_files(self, benchmarks: Iterable[str]) -> list[str | None]:
        """The prompts and templates of benchmarks."""
        entries = [self["benchmarks"][name] for name in benchmarks]
        critiques = [entry["self_critique"]["prompt"] for entry in entries if "self_critique" in entry]
        return [*(entry.get(key) for entry in entries for key in ("prompt", "template")), *critiques]

    def suite_settings(self, wildcards) -> str:
        """What generate reads."""
        names = self.generated_in(wildcards.suite)
        decoding = {name: self.decoding(name) for name in names}
        files = self.decoding_files(names)
        return self._settings("generate", files, engine=self.engine_settings(), benchmarks=decoding)

    def own_critique_settings(self, wildcards) -> str:
        """What critique_answers reads."""
        entries = {name: self["benchmarks"][name] for name in self.choosing_in(wildcards.suite)}
        keys = ("template", "top_p", "seed")
        asked = {name: {**{key: e[key] for key in keys}, **e["best_of_n"]} for name, e in entries.items()}
        files = [entry[key] for entry in asked.values() for key in ("prompt", "template")]
        return self._settings("critique_answers", files, engine=self.engine_settings(), benchmarks=asked)

    def turns_settings(self, wildcards) -> str:
        """What generate_turns reads."""
        name = wildcards.benchmark
        files = self.decoding_files([name])
        return self._settings("generate_turns", files, engine=self.engine_settings(), benchmark=self.decoding(name))

    def judge_settings(self, wildcards) -> str:
        """What judge_turns reads."""
        entry = self["benchmarks"][wildcards.benchmark]
        teacher = {**deciding(self["teachers"][entry["teacher"]]), "judge_prompt": entry["judge_prompt"]}
        shown = {"reference_subjects": entry["reference_subjects"]}
        return self._settings("judge_turns", [entry["judge_prompt"]], teacher=teacher, **shown)

    def judge_limits(self, wildcards, output) -> str:
        """How the judge is called. It takes `output`, so that Snakemake does not track it."""
        return as_json(self.limit_values(self["benchmarks"][wildcards.benchmark]))

    def harness_settings(self, wildcards) -> str:
        """What evaluate_harness reads."""
        entry = self["benchmarks"][wildcards.benchmark]
        values = {key: value for key, value in entry.items() if key not in ("kind", "title")}
        return self._settings("evaluate_harness", [entry["task_path"]], **values)

    def with_limit(self, settings: str, count: str) -> str:
        """What a job of lm-eval reads for a quick look at so many questions of each task."""
        values = json.loads(settings)
        return as_json({**values, "limit": min(int(count), values["limit"] or int(count))})

    def grader_settings(self, wildcards) -> str:
        """What score reads: the kind of each benchmark, its metric, its set for the authors' graders, and
        its metrics over samples.
        """
        entries = {name: self["benchmarks"][name] for name in self.generated_in(wildcards.suite)}
        kinds = {name: entry["kind"] for name, entry in entries.items()}
        metrics = {name: entry["metric"] for name, entry in entries.items() if "metric" in entry}
        sets = {name: entry["set"] for name, entry in entries.items() if "set" in entry}
        samples = {name: over_samples(entry) for name, entry in entries.items() if over_samples(entry)}
        more = {"metrics": metrics, "sets": sets, "samples": samples}
        return as_json({"benchmarks": kinds, **{key: value for key, value in more.items() if value}})

    # --- tables, figures, claims --------------------------------------------------------------------------------------

    def column_titles(self, suites: list[str]) -> dict[str, str]:
        """The headings of the benchmarks of suites, by slug."""
        return {name: self["benchmarks"][name]["title"] or name for name in self.benchmarks_in(suites)}

    def table_settings(self, wildcards) -> str:
        """What make_table reads."""
        table = self["tables"][wildcards.table]
        shown = {cell["benchmark"] for _, _, cell in specs(table) if "setting" in cell}
        settings = {name: self["benchmarks"][name] for name in sorted(shown)}
        more = {"scaled": self.scale, "settings": settings, "unpinned": self.unpinned(wildcards)}
        return json.dumps({**table, **more})

    def unpinned(self, wildcards) -> list[str]:
        """The inputs of a table, as `section.slug`, without a pinned revision of their hub repository."""
        slugs = {
            "models": self.models_behind(self["tables"][wildcards.table]),
            "datasets": [Path(file).stem for file in self.table_datasets(wildcards)],
            "benchmarks": self.benchmarks_in(self["tables"][wildcards.table]["suites"]),
        }
        entries = {f"{section}.{slug}": self[section][slug] for section, names in slugs.items() for slug in names}
        return [name for name, entry in entries.items() if entry.get("questions", entry).get("revision") == "unpinned"]

    @property
    def scale(self) -> str | None:
        """The suffix of the scale that shrinks the study, if any."""
        return self.resolved.get("scale", {}).get("suffix")

    def figure_settings(self, wildcards) -> str:
        """What make_figure reads."""
        figure = self["figures"][wildcards.figure]
        return json.dumps({**figure, "columns": self.column_titles(figure.get("suites", []))})

    def claim_sources(self) -> str:
        """What check_claims reads of each table: its checkpoints, verdict, and treatment of validation questions."""
        tables = {name: self["tables"][name] for name in self.tables_in_claims()}
        return as_json(
            {
                name: {
                    "checkpoints": self.checkpoints_in(table),
                    **{key: table[key] for key in ("verdict", "validation_questions")},
                }
                for name, table in tables.items()
            }
        )


def over_samples(benchmark: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics over a benchmark's samples; the critiques behind the best of n have their own job."""
    told = {key: benchmark[key] for key in ("pass_at", "majority_at") if key in benchmark}
    return told | ({"best_of_n": True} if "best_of_n" in benchmark else {})


def source_files(source: Mapping[str, Any]) -> list[str]:
    """The file that questions are read from, or the folder that replaces a hub repository."""
    if source["source"] == "jsonl":
        return [source["path"]]
    return [source["repo"]] if source["source"] == "hub" and Path(source["repo"]).is_dir() else []


def deciding(teacher: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that determine a teacher's texts, apart from its prompts."""
    return {key: teacher[key] for key in DECIDING[teacher["kind"]] if key in teacher}


def limits(teacher: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a teacher's requests that do not affect its texts: rates, price, endpoint."""
    return {key: value for key, value in teacher.items() if key not in (*DECIDING[teacher["kind"]], *PROMPTS)}


def part_settings(part: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one part of a run's data that build_train_set reads."""
    sources = runs.sources(part)
    values = {"files": len(sources), **{key: part[key] for key in ("method", "prompt", "weight", "keep")}}
    if part["method"] == "thinkpo" and "long" in part:
        fields = [part[side].get("field") if "dataset" in part[side] else "response" for side in ("long", "short")]
        values["sides"] = [{"field": field} for field in fields]
        values["format_only"] = part["format_only"]
    elif part["method"] == "spin":
        values["iterations"] = [
            part["pairs"].index(slug) if "pairs" in part else int(slug.rpartition(".t")[2])
            for slug in part["self_play"]
        ]
    else:
        values["kind"] = {"datasets": "dataset"}.get(sources[0][1], sources[0][1])
        if part["method"] == "dpo":
            values["pairs_per_question"] = part["pairs_per_question"]
    if part["method"] == "cgd":
        values["refined"] = "refined" if values["kind"] == "refinements" else part["refined"]
        values["critique_shown"] = part["critique_shown"]
    if part["method"] == "thinkpo":
        values |= {key: part[key] for key in ("length_gap", "gap_rows")}
    if part.get("like"):
        values |= {key: part[key] for key in ("like", "like_rows")}
    return values
