"""What jobs would cost: GPU hours, money and disk, estimated from a study's settings before anything is run.

Tokens are counted from rows, samples and token limits, with the assumptions under `plan` in the config; a machine's
speeds are under `machines`. Existing files (prepared questions, graded responses, teachers' journals) replace
assumptions.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

from scripts.lib.jobs.dag import Job
from scripts.lib.jsonl import read_json
from scripts.lib.study import runs
from scripts.lib.study.cells import ALONE
from scripts.lib.teachers.ledger import Ledger, estimate
from scripts.lib.teachers.requests import requests_of
from scripts.lib.teachers.teaching import journals

PREFERENCE = ("dpo", "spin", "thinkpo")
TRAINING_PASSES = 3  # cost of a training step, in forward passes
# A preference step reads two answers, and the frozen reference adds one pass to the policy's three.
REFERENCE_PASSES = (TRAINING_PASSES + 1) / TRAINING_PASSES
PREFERENCE_FACTOR = 2 * REFERENCE_PASSES
# The rules that call an endpoint, and the section of their entries.
WRITTEN_BY_API = {"critique_by_api": "critiques", "refine_responses": "refinements", "answer_questions": "answers"}
CHOICES = 4  # answers that lm-eval compares per question, roughly
WEIGHT_BYTES = 2  # bfloat16
STATE_BYTES = 16  # per weight, to resume full fine-tuning: float32 weights, gradients and two moments


@dataclass
class Cost:
    """The cost of jobs.

    Attributes:
        gpu_hours: hours of one GPU (of the whole machine, if it has none).
        dollars: cost of teachers behind endpoints.
    """

    gpu_hours: float = 0.0
    dollars: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.gpu_hours + other.gpu_hours, self.dollars + other.dollars)


@dataclass
class Estimator:
    """Estimates the jobs of one study.

    Args:
        study: the resolved study.
        state: folder of the teachers' journals.

    Attributes:
        unknown: what could not be estimated, each once.
    """

    study: dict
    state: Path = Path("state/teachers")
    unknown: dict[str, None] = field(default_factory=dict)
    _dollars: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def results(self) -> Path:
        """The study's results folder."""
        return Path("results") / self.study["study"]

    @property
    def machine(self) -> dict | None:
        """The machine that the plan is for."""
        return self.study["machines"].get(self.study["plan"]["machine"])

    # --- jobs -------------------------------------------------------------------------------------------------------

    def cost(self, job: Job) -> Cost:
        """The cost of one job; zero for rules that take minutes on a CPU."""
        slug = next(iter(job.wildcards.values()), "")
        if job.rule == "train":
            return self._hours("training", slug, self.training_tokens(slug))
        if job.rule == "sample_responses":
            entry = self.study["responses"][slug]
            tokens = self.rows_of("responses", slug) * self._length(entry) / entry["shards"]
            return self._hours("generation", entry["model"], tokens)
        if job.rule == "generate":
            return self._hours("generation", slug, self.suite_tokens(job.wildcards["suite"]))
        if job.rule == "critique_answers":
            return self._hours("generation", slug, self.own_critique_tokens(job.wildcards["suite"]))
        if job.rule == "validate":
            run = self.study["runs"][slug]
            candidates = 1 + len(run["hyperparameters"]["candidate_steps"])
            return self._hours("generation", slug, candidates * self.benchmark_tokens(run["select"]))
        if job.rule == "critique_by_model":
            entry = self.study["critiques"][slug]
            teacher = self.study["teachers"][entry["teacher"]]
            tokens = self.rows_of("critiques", slug) * self._length(teacher) / entry["shards"]
            return self._hours("generation", teacher["model"], tokens)
        if job.rule == "generate_turns":
            entry = self.study["benchmarks"][job.wildcards["benchmark"]]
            tokens = 2 * self.rows_of("benchmarks", job.wildcards["benchmark"]) * self._length(entry)
            return self._hours("generation", slug, tokens)
        if job.rule == "judge_turns":
            return Cost(dollars=self.judging(job.wildcards["benchmark"]))
        if job.rule == "evaluate_harness":
            found = self._hours("training", slug, self.harness_tokens(job.wildcards["benchmark"]))
            return Cost(gpu_hours=found.gpu_hours / TRAINING_PASSES)
        if job.rule in WRITTEN_BY_API:
            section = WRITTEN_BY_API[job.rule]
            return Cost(dollars=self.dollars(section, slug) / self.study[section][slug]["shards"])
        if job.gpu:
            self.unknown[f"jobs of rule {job.rule} are not estimated"] = None
        return Cost()

    def training_tokens(self, slug: str) -> float:
        """Tokens that a run processes; those of a preference pair count once per pass."""
        run = self.study["runs"][slug]
        recipe = run["hyperparameters"]
        rows = self.rows_of("runs", slug) * recipe["epochs"]
        if recipe["max_steps"] is not None:
            rows = recipe["max_steps"] * recipe["global_batch"]
        factor = PREFERENCE_FACTOR if run["method"] in PREFERENCE else 1
        return factor * rows * self.study["plan"]["row_share"] * recipe["max_tokens"]

    def suite_tokens(self, suite: str) -> float:
        """New tokens of all answers to a suite."""
        names = self.study["suites"][suite]
        return sum(map(self.benchmark_tokens, (n for n in names if self.study["benchmarks"][n]["kind"] not in ALONE)))

    def own_critique_tokens(self, suite: str) -> float:
        """New tokens of the critiques of a checkpoint's own answers to a suite."""
        entries = {name: self.study["benchmarks"][name] for name in self.study["suites"][suite]}
        asked = {name: entry for name, entry in entries.items() if "best_of_n" in entry}
        return sum(
            self.rows_of("benchmarks", name) * entry["samples"] * self._length(entry["best_of_n"])
            for name, entry in asked.items()
        )

    def harness_tokens(self, benchmark: str) -> float:
        """Tokens that lm-eval reads for a benchmark: each question with its examples, once per answer."""
        shots = self.study["benchmarks"][benchmark]["shots"] or 0
        read = CHOICES * (shots + 1) * self.study["plan"]["shot_tokens"]
        return self.rows_of("benchmarks", benchmark) * read

    def judging(self, benchmark: str) -> float:
        """The cost of judging one checkpoint's conversations: one judgement for each of two turns."""
        entry = self.study["benchmarks"][benchmark]
        teacher = self.study["teachers"][entry["teacher"]]
        if teacher["kind"] != "openai":
            return 0.0
        self._check_price(entry["teacher"], teacher)
        rows = 2 * self.rows_of("benchmarks", benchmark)
        read = self.study["plan"]["question_tokens"] + 1.5 * self._length(entry)  # turn 2 has both answers
        ledger = Ledger(teacher["price"], teacher["budget"])
        return ledger.cost(rows * read, rows * teacher["expected_tokens"], teacher["mode"] == "batch")

    def benchmark_tokens(self, benchmark: str) -> float:
        """New tokens of all answers to a benchmark."""
        entry = self.study["benchmarks"][benchmark]
        return self.rows_of("benchmarks", benchmark) * entry["samples"] * self._length(entry)

    def _length(self, entry: dict) -> float:
        """Mean length of an answer in tokens."""
        return self.study["plan"]["answer_share"] * entry["max_tokens"]

    def _hours(self, what: str, checkpoint: str, tokens: float) -> Cost:
        size = self.billions(checkpoint)
        if self.machine is None or size is None:
            return Cost()
        return Cost(gpu_hours=tokens * size / self.machine[what] / 3600)

    # --- sizes ------------------------------------------------------------------------------------------------------

    def billions(self, checkpoint: str) -> float | None:
        """Parameters of a model, or of the model that a run starts from, in billions; None if it is unknown."""
        while checkpoint in self.study["runs"]:
            checkpoint = self.study["runs"][checkpoint]["start"]
        model = self.study["models"][checkpoint]
        if model["source"] == "random":
            return 0.0
        if "billions" in model:
            return model["billions"]
        for name in (model.get("repo", ""), checkpoint, model.get("file", "")):
            found = re.findall(r"(?<![0-9a-z.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", name.lower())
            if found:
                return float(found[0][0]) * {"b": 1.0, "m": 1e-3}[found[0][1]]
        self.unknown[f"models.{checkpoint}: its size is not in its name: add billions"] = None
        return None

    def rows_of(self, section: str, slug: str) -> float:
        """Number of rows of an entry: questions, answers, critiques, or training rows of a run."""
        entry = self.study[section][slug]
        if section in ("datasets", "benchmarks"):
            source = entry.get("questions", {}) if section == "benchmarks" else entry  # lm-eval's tasks have none
            wanted = source.get("rows") or source.get("expect_rows") or self.study["plan"]["rows"].get(slug)
            file = self.results / section / f"{slug}.json"
            if file.is_file():
                return read_json(file)["rows"]
            if wanted is None and "responses" in source:
                return self.rows_of("responses", source["responses"])
            if wanted is None:
                self.unknown[f"{section}.{slug}: its rows are not known, counted as 1,000: add it to plan.rows"] = None
            return wanted or 1000
        if section in ("responses", "answers"):
            rows = self.rows_of("datasets", entry["dataset"])
            return min(rows, entry["rows"] or rows) * entry["samples"]
        if section == "critiques":
            rows = self.rows_of("responses", entry["responses"])
            return min(rows, entry["rows"] or rows)
        if section == "refinements":
            rows = self.rows_of("critiques", entry["critiques"])
            return min(rows, entry["rows"] or rows)
        if entry["data"]["rows"] is not None:
            return entry["data"]["rows"]
        return sum(map(self._part_rows, runs.parts(entry)))

    def _part_rows(self, part: dict) -> float:
        """Number of rows of one part of a run's data."""
        sources = [(section, slug) for _, section, slug in runs.sources(part) if section != "runs"]
        rows = [self.rows_of(section, slug) for section, slug in sources]
        if "self_play" in part:  # the iterations of SPIN add up; for other pairs one source decides
            return sum(rows)
        return min([*rows, *([part["like_rows"]] if "like" in part else [])])

    # --- teachers ---------------------------------------------------------------------------------------------------

    def dollars(self, section: str, slug: str) -> float:
        """The cost of an entry of critiques, refinements or answers, beyond what the journals already have."""
        if (section, slug) not in self._dollars:
            self._dollars[section, slug] = self._priced(section, slug)
        return self._dollars[section, slug]

    def _check_price(self, slug: str, teacher: dict) -> None:
        """Records why a teacher's cost is unknown, or why it cannot be called."""
        if teacher["price"] is None:
            self.unknown[f"teachers.{slug}: no price, counted as free"] = None
        elif teacher["budget"] is None:
            self.unknown[f"teachers.{slug}: it has a price but no budget: no request is made until you add one"] = None

    def _priced(self, section: str, slug: str) -> float:
        entry = self.study[section][slug]
        teacher = self.study["teachers"][entry["teacher"]]
        ledger = Ledger(teacher["price"], teacher["budget"])
        self._check_price(entry["teacher"], teacher)
        file = self.results / runs.ASKED_ABOUT[section].format(**entry)
        settings = {"teacher": teacher, "rows": entry["rows"], "samples": entry.get("samples", 1)}
        with journals(self.state / entry["teacher"], ledger, teacher.get("model"), writes=False) as journal:
            if file.is_file():
                return estimate(teacher, teacher, requests_of(section, file, settings), journal, ledger).cost
        rows = self.rows_of(section, slug)
        read = self.study["plan"]["question_tokens"]
        if section == "critiques":
            read += self._length(self.study["responses"][entry["responses"]])
        if section == "refinements":
            read += self._judged_length(self.study["critiques"][entry["critiques"]])
        written = ledger.completion_tokens(min(teacher["expected_tokens"], teacher["max_tokens"]))
        return ledger.cost(rows * read, rows * written, teacher["mode"] == "batch")

    def _judged_length(self, critiques: dict) -> float:
        """Mean length in tokens of a response with its critique."""
        critic = self.study["teachers"][critiques["teacher"]]
        critique = critic["expected_tokens"] if critic["kind"] == "openai" else self._length({"max_tokens": 0} | critic)
        return self._length(self.study["responses"][critiques["responses"]]) + critique

    # --- disk -------------------------------------------------------------------------------------------------------

    def disk(self, jobs: Iterable[Job]) -> dict[str, float]:
        """Gigabytes of disk for the weights of the jobs.

        Returns:
            models and checkpoints: permanent; candidates: permanent if the study keeps them, else those of the run with
            the most; training: temporary, to resume the largest run that trains all weights.
        """
        found = {"models": 0.0, "checkpoints": 0.0, "candidates": 0.0, "training": 0.0}
        for job in jobs:
            slug = next(iter(job.wildcards.values()), "")
            if job.rule not in ("fetch_model", "train", "select_checkpoint"):
                continue
            size = self.billions(slug) or 0.0  # a billion parameters of one byte each are one gigabyte
            if job.rule == "fetch_model":
                found["models"] += WEIGHT_BYTES * size
            elif job.rule == "select_checkpoint":
                found["checkpoints"] += WEIGHT_BYTES * size
            else:
                recipe = self.study["runs"][slug]["hyperparameters"]
                candidates = WEIGHT_BYTES * size * (1 + len(recipe["candidate_steps"]))
                kept = self.study["keep_candidates"]
                found["candidates"] = found["candidates"] + candidates if kept else max(found["candidates"], candidates)
                if recipe["lora"] is None:
                    found["training"] = max(found["training"], STATE_BYTES * size)
        return found


def longest_chain(jobs: Iterable[Job], hours) -> list[Job]:
    """The longest chain of jobs that must run one after the other, first to last.

    Args:
        jobs: those that would run.
        hours: (job) → its hours.
    """
    jobs = set(jobs)
    needs = {job: [other for other in job.needs if other in jobs] for job in jobs}
    best: dict[Job, tuple[float, int, Job | None]] = {}
    for job in TopologicalSorter(needs).static_order():
        before = [(*best[other][:2], other) for other in needs[job]]
        longest = max(before, key=lambda item: item[:2], default=(0.0, 0, None))
        best[job] = (longest[0] + hours(job), longest[1] + 1, longest[2])
    last = max(best, key=lambda job: best[job][:2], default=None)
    chain: list[Job] = []
    while last is not None:
        chain.insert(0, last)
        last = best[last][2]
    return chain
