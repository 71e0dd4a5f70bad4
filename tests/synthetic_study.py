"""A finished study without a model: files of the real layout and form, of any size, for the study page."""

import json
import random
from pathlib import Path
from types import SimpleNamespace

import yaml

from scripts import check_claims, make_table
from scripts.lib.cli import ROOT
from scripts.lib.grading.scoring import summarise
from scripts.lib.jsonl import write_json, write_rows, write_text
from scripts.lib.study.resolve import resolve
from scripts.lib.study.settings import Study, program_versions

WORDS = (
    "the",
    "sum",
    "of",
    "both",
    "numbers",
    "is",
    "then",
    "half",
    "as",
    "large",
    "so",
    "we",
    "add",
    "check",
    "again",
)
MADE_BY = {"script": "train", "device": "x86_64 CPU, 2 cores", "versions": {"python": "3.11"}, "wall_s": 12.5}
CONFIG = """
study: made-up
engine: cpu
engines: {cpu: {kind: transformers}}
models: {base: {source: folder, path: base, family: llama}}
datasets: {sums: {source: reasoning-gym, tasks: {chain_sum: {}}, rows: 40, seed: 1}}
responses: {sums-self: {dataset: sums, model: base, prompt: prompts/answer.j2, samples: 1}}
teachers: {verifier: {kind: verifier}, other: {kind: verifier}}
critiques:
  sums-verifier: {responses: sums-self, teacher: verifier}
  sums-other: {responses: sums-self, teacher: other}
recipes: {short: {learning_rate: 1.0e-3, global_batch: 4, max_tokens: 256}}
suites: {numbers: []}
"""


class Made:
    """A study in the making.

    Args:
        folder: where results/ and timings/ go.
        runs: how many checkpoints beside the base model.
        questions: of each benchmark.
        benchmarks: their names.
        words: how long an answer is.
        extra: a text that is put into a question, a response, a table's title, a row's name and a critique.
    """

    def __init__(
        self,
        folder: Path,
        runs: int = 2,
        questions: int = 40,
        benchmarks: tuple[str, ...] = ("gcd", "lcm"),
        words: int = 30,
        extra: str = "",
    ) -> None:
        self.folder, self.questions, self.benchmarks, self.words, self.extra = (
            folder,
            questions,
            benchmarks,
            words,
            extra,
        )
        self.names = ["sft", "cft", *(f"run-{number:02d}" for number in range(2, runs))][:runs]
        self.study = Study(self._resolved(), program_versions(ROOT / "scripts"))
        self.results = folder / "results" / "made-up"
        self.random = random.Random(7)

    def _resolved(self) -> dict:
        config = yaml.safe_load(CONFIG)
        sft = {"method": "sft", "start": "base", "recipe": "short", "prompt": "prompts/answer.j2"}
        sft["data"] = {"dataset": "sums", "rows": 16}
        cft = {
            **sft,
            "method": "cft",
            "prompt": "prompts/critique.j2",
            "data": {"critiques": "sums-verifier", "rows": 16},
        }
        config["runs"] = {name: cft if name == "cft" else sft for name in self.names}
        questions = {"source": "reasoning-gym", "tasks": {"gcd": {}}, "rows": self.questions, "seed": 2}
        asked = {"kind": "math", "prompt": "prompts/answer.j2", "questions": questions}
        config["benchmarks"] = {name: {**asked, "title": name.upper()} for name in self.benchmarks}
        config["suites"] = {"numbers": list(self.benchmarks)}
        rows = [{"name": f"Base {self.extra}".strip(), "of": "base"}]
        rows += [{"name": name.upper(), "of": name} for name in self.names]
        if {"sft", "cft"} <= set(self.names):
            rows.append({"name": "CFT − SFT", "difference": "cft", "best_of": ["sft"]})
        config["tables"] = {"main": {"title": f"Main {self.extra}".strip(), "suites": ["numbers"], "rows": rows}}
        claim = {"says": "CFT beats SFT.", "table": "main", "column": "Average", "value": "a - b"}
        claim["cells"] = {"a": {"row": "CFT"}, "b": {"row": "SFT"}}
        config["claims"] = {"cft_wins": claim} if "cft" in self.names else {}
        file = self.folder / "config.yaml"
        write_text(file, yaml.safe_dump(config, sort_keys=False))
        return resolve([str(file)])

    def write(self) -> Path:
        """Writes all files; the results' folder."""
        write_text(self.results / "study.yaml", yaml.safe_dump(self.study.resolved, sort_keys=True))
        for benchmark in self.benchmarks:
            write_rows(self.results / "benchmarks" / f"{benchmark}.jsonl", map(self.question, range(self.questions)))
        for checkpoint in ("base", *self.names):
            self._scores(checkpoint)
        self._critiques()
        for run in self.names:
            self._training(run)
        timing = {"s": 12.5, "max_rss": 800.0}
        write_rows(self.folder / "timings" / "made-up" / "train" / "sft.jsonl", [timing])
        self._tables()
        return self.results

    def question(self, number: int) -> dict:
        """A question: its gold is the number and one."""
        text = f"What is {number} + 1? {self.extra if number == 3 else ''}".strip()
        subject = ("even", "odd")[number % 2]
        row = {"id": f"q-{number:06d}", "question": text, "answer": str(number + 1), "subject": subject}
        return row | {"solution": f"{number} + 1 = {number + 1}"}

    def _scores(self, checkpoint: str) -> None:
        rows = [self._answer(checkpoint, name, number) for name in self.benchmarks for number in range(self.questions)]
        file = self.results / "scores" / checkpoint / "numbers.jsonl"
        write_rows(file, rows)
        scores = {name: summarise([row for row in rows if row["benchmark"] == name]) for name in self.benchmarks}
        write_json(file.with_suffix(".json"), {"benchmarks": scores, "made_by": MADE_BY})
        asked = ("id", "benchmark", "question_id", "sample", "response", "tokens", "finished")
        generations = self.results / "generations" / checkpoint / "numbers.jsonl"
        write_rows(generations, ({key: row[key] for key in asked} for row in rows))

    def _answer(self, checkpoint: str, benchmark: str, number: int) -> dict:
        draw = self.random
        share = 0.4 + 0.2 * (checkpoint != "base") - 0.1 * (benchmark == "lcm")
        right, finished = draw.random() < share, draw.random() < 0.9
        said = number + 1 if right else number + draw.randint(2, 5)
        text = " ".join(draw.choices(WORDS, k=self.words)) + f"\n{number} + 1 = {said}"
        text += f" {self.extra}" if number == 5 else ""
        id = f"{benchmark}/q-{number:06d}#0"
        row = {"benchmark": benchmark, "id": id, "question_id": f"q-{number:06d}", "sample": 0, "grader_version": 1}
        row |= {"response": text + (f"\nThe answer is {said}." if finished else ""), "tokens": 2 * self.words}
        row |= {"finished": finished, "correct": right, "math_verify": right and finished}
        row |= {"authors_cft": right and finished, "authors_thinkpo": right}
        return row | {"extracted": str(said) if finished or right else None}

    def _critiques(self) -> None:
        for slug, trust in (("sums-verifier", 1.0), ("sums-other", 0.7)):
            rows = []
            for number in range(24):
                right = number % 3 == 0
                verdict = right if self.random.random() < trust else not right
                said = number + 1 if right else number + 3
                response = f"First we look at it.\n{number} + 1 = {said}\nThe answer is {said}."
                row = {**self.question(number), "id": f"q-{number:06d}#0", "question_id": f"q-{number:06d}"}
                row |= {"response": f"{response} {self.extra}".strip(), "extracted": str(said), "correct": right}
                row |= {"verdict": "right" if verdict else "wrong", "tokens": 20, "finished": True}
                row["critique"] = f"Step 2 is {row['verdict']}. {self.extra} Conclusion: {row['verdict']} [END]"
                row["first_wrong_step"] = None if right else 2
                rows.append(row)
            write_rows(self.results / "critiques" / f"{slug}.jsonl", rows)
            agreeing = sum((row["verdict"] == "right") == row["correct"] for row in rows)
            summary = {"rows": 24, "with_gold": 24, "agreeing": agreeing, "right": 8, "wrong": 16, "made_by": MADE_BY}
            write_json(self.results / "critiques" / f"{slug}.json", summary)

    def _training(self, run: str) -> None:
        rows = [
            {
                "id": f"q-{number:06d}#0",
                "messages": [{"role": "user", "content": f"What is {number} + 1?"}],
                "completion": f"{number} + 1 = {number + 1}",
            }
            for number in range(16)
        ]
        write_rows(self.results / "train_sets" / f"{run}.jsonl", rows)
        write_json(self.results / "train_sets" / f"{run}.json", {"rows": 16, "parts": [], "made_by": MADE_BY})
        counts = {"rows_in": 16, "rows_trained": 16, "rows_dropped_too_long": 0, "rows_truncated": 0}
        counts |= {"prompt_tokens": 300, "completion_tokens": 150}
        losses = [{"step": step, "loss": 3 / step + 0.1 * self.random.random()} for step in range(1, 9)]
        recipe = {**self.study["runs"][run]["hyperparameters"], "run": run}
        facts = {"steps": 8, "processes": 1, "train_seconds": 12.5, "losses": losses, "made_by": MADE_BY}
        write_json(
            self.results / "checkpoints" / run / "train.json", {"rows": 16, "counts": counts, "recipe": recipe, **facts}
        )

    def _tables(self) -> None:
        main = SimpleNamespace(table="main")
        scores = [str(self.folder / self.study.path(file)) for file in self.study.table_scores(main)]
        facts = [str(self.folder / self.study.path(file)) for file in self.study.table_facts(main)]
        table = self.results / "tables" / "main"
        sets = [str(self.folder / self.study.path(file)) for file in self.study.table_train_sets(main)]
        given = ["--table", "main", "--settings", self.study.table_settings(main), "--out", str(table)]
        given += ["--train-sets", *sets]
        make_table.main(make_table.parse_args([*given, "--scores", *scores, "--summaries", *facts]))
        if self.study["claims"]:
            given = ["--claims", json.dumps(self.study["claims"]), "--tables", f"{table}.json"]
            given += [
                "--made-of",
                self.study.claim_sources(),
                "--scores",
                *scores,
                "--out",
                str(self.results / "claims"),
            ]
            check_claims.main(check_claims.parse_args(given))
