"""The paths of a study: what each rule reads and writes.

Paths hold Snakemake's path variables (`<results>`, `<logs>`, `<benchmarks>`); `Files.path` fills them in.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from scripts.lib.study import papers, runs
from scripts.lib.study.cells import ALONE, facts_needed, scores_needed
from scripts.lib.study.contents import of_project

# The kinds of benchmarks that `generate` answers suite by suite; those in ALONE have their own jobs.
GENERATED = ("math", "choice", "critique", "ifeval")


def one_of(slugs: Iterable[str]) -> str:
    """A wildcard pattern that matches one of these slugs."""
    return "|".join(map(re.escape, slugs)) or "(?!)"


class Files:
    """The files of one resolved study. Methods take a rule's wildcards, or slugs.

    Args:
        resolved: the study as `resolve` returns it.
    """

    def __init__(self, resolved: Mapping[str, Any]) -> None:
        self.resolved = resolved

    def __getitem__(self, key: str) -> Any:
        return self.resolved[key]

    @property
    def name(self) -> str:
        """The study's name, its folder under results/."""
        return self["study"]

    def path(self, pattern: str) -> str:
        """A path pattern with its variables filled in."""
        folders = {"results": "results", "logs": "logs", "benchmarks": "timings"}
        return re.sub(r"<(\w+)>", lambda match: f"{folders[match[1]]}/{self.name}", pattern)

    # --- models, responses, critiques, answers ------------------------------------------------------------------------

    def weights(self, checkpoint: str) -> str:
        """The folder of a model, or of a run's checkpoint."""
        if checkpoint in self["models"]:
            return f"<results>/models/{checkpoint}"
        return f"<results>/checkpoints/{checkpoint}/model"

    def checkpoint_weights(self, wildcards) -> str:
        """The folder of the checkpoint that a job evaluates."""
        return self.weights(wildcards.checkpoint)

    def excluded_questions(self, wildcards) -> list[str]:
        """The benchmarks whose questions a dataset must not contain."""
        return self.questions(self["datasets"][wildcards.dataset]["exclude"])

    def benchmark_excludes(self, wildcards) -> list[str]:
        """The benchmarks whose questions a benchmark must not contain."""
        return self.questions(self["benchmarks"][wildcards.benchmark]["questions"]["exclude"])

    def sampled_dataset(self, wildcards) -> str:
        """The dataset behind an entry of responses."""
        return f"<results>/datasets/{self['responses'][wildcards.responses]['dataset']}.jsonl"

    def sampled_weights(self, wildcards) -> str:
        """The model that an entry of responses is sampled from."""
        return self.weights(self["responses"][wildcards.responses]["model"])

    def response_shards(self, wildcards) -> list[str]:
        """All shards of one entry of responses, or the dataset that contains them in a field."""
        if "field" in self["responses"][wildcards.responses]:
            return [self.sampled_dataset(wildcards)]
        return self.shards("responses", wildcards.responses)

    def shards(self, section: str, slug: str) -> list[str]:
        """All shards of one entry of responses or of a teacher's texts."""
        return [f"<results>/{section}/{slug}/shard-{shard}.jsonl" for shard in range(self[section][slug]["shards"])]

    def critique_shards(self, wildcards) -> list[str]:
        """All shards of one entry of critiques."""
        return self.shards("critiques", wildcards.critiques)

    def refinement_shards(self, wildcards) -> list[str]:
        """All shards of one entry of refinements."""
        return self.shards("refinements", wildcards.refinements)

    def answer_shards(self, wildcards) -> list[str]:
        """All shards of one entry of answers."""
        return self.shards("answers", wildcards.answers)

    def graded_responses(self, wildcards) -> str:
        """The graded responses that an entry of critiques judges."""
        return f"<results>/responses/{self['critiques'][wildcards.critiques]['responses']}/graded.jsonl"

    def refined_critiques(self, wildcards) -> str:
        """The critiques that an entry of refinements is based on."""
        return f"<results>/critiques/{self['refinements'][wildcards.refinements]['critiques']}.jsonl"

    def critic_weights(self, wildcards) -> str:
        """The model that writes an entry's critiques."""
        return self.weights(self.teacher("critiques", wildcards.critiques)["model"])

    def answered_dataset(self, wildcards) -> str:
        """The dataset that a teacher answers."""
        return f"<results>/datasets/{self['answers'][wildcards.answers]['dataset']}.jsonl"

    def teacher(self, section: str, slug: str) -> Mapping[str, Any]:
        """The teacher of an entry of critiques, refinements, answers or benchmarks."""
        return self["teachers"][self[section][slug]["teacher"]]

    # --- training -----------------------------------------------------------------------------------------------------

    def train_sources(self, wildcards) -> list[str]:
        """The inputs of a run's training set, part by part: datasets, graded responses, teachers' texts."""
        folders = {
            "datasets": "<results>/datasets/{}.jsonl",
            "responses": "<results>/responses/{}/graded.jsonl",
            "critiques": "<results>/critiques/{}.jsonl",
            "refinements": "<results>/refinements/{}.jsonl",
            "answers": "<results>/answers/{}.jsonl",
            "runs": "<results>/train_sets/{}.jsonl",
        }
        parts = runs.parts(self["runs"][wildcards.run])
        return [folders[section].format(slug) for part in parts for _, section, slug in runs.sources(part)]

    def length_tokenizer(self, wildcards) -> list[str]:
        """The model whose tokenizer counts a run's tokens, if rows are dropped or chosen by length.

        It is the root of the run's chain of starts, so that no training set waits for a training.
        """
        run = self["runs"][wildcards.run]
        by_length = any(part.get("length_gap") or part.get("like") for part in runs.parts(run))
        if not (by_length or runs.drops_rows(run)):
            return []
        model, _ = runs.tokenizer_behind(self.resolved, wildcards.run)
        return [self.weights(model)]

    def train_datasets(self, wildcards) -> list[str]:
        """The summaries of the datasets behind a run's training set."""
        parts = runs.parts(self["runs"][wildcards.run])
        sources = [source for part in parts for source in runs.sources(part) if source[1] != "runs"]
        names = dict.fromkeys(runs.dataset_behind(self.resolved, section, slug) for _, section, slug in sources)
        return [f"<results>/datasets/{name}.json" for name in names]

    def start_weights(self, wildcards) -> str:
        """The weights that a run starts from."""
        return self.weights(self["runs"][wildcards.run]["start"])

    def validation_questions(self, wildcards) -> list[str]:
        """The questions that a run's candidates are scored on."""
        return self.questions([self["runs"][wildcards.run]["select"]])

    def curve(self, wildcards) -> list[str]:
        """The validation curve of a run whose checkpoint is selected by it."""
        selected = self["runs"][wildcards.run]["select"] != "last"
        return [f"<results>/checkpoints/{wildcards.run}/validation.json"] if selected else []

    def selected_by(self, checkpoint: str) -> list[str]:
        """The benchmarks that a checkpoint, or one of its ancestors, was selected by."""
        benchmarks: dict[str, None] = {}
        while checkpoint in self["runs"]:
            run = self["runs"][checkpoint]
            if run["select"] != "last":
                benchmarks[run["select"]] = None
            checkpoint = run["start"]
        return list(benchmarks)

    def loaded_by(self, wildcards: Mapping[str, str]) -> str:
        """The model or run whose weights a GPU job loads, from the names of its wildcards."""
        if "responses" in wildcards:
            return self["responses"][wildcards["responses"]]["model"]
        if "critiques" in wildcards:
            return self.teacher("critiques", wildcards["critiques"])["model"]
        return wildcards["run"] if "run" in wildcards else wildcards["checkpoint"]

    # --- evaluation ---------------------------------------------------------------------------------------------------

    def benchmarks_in(self, suites: Iterable[str], kinds: Iterable[str] | None = None) -> list[str]:
        """The benchmarks of suites (of these kinds, or all), each once, in the suites' order."""
        names = dict.fromkeys(name for suite in suites for name in self["suites"][suite])
        return [name for name in names if kinds is None or self["benchmarks"][name]["kind"] in kinds]

    def generated_in(self, suite: str) -> list[str]:
        """The benchmarks of a suite that `generate` answers and `score` grades."""
        return self.benchmarks_in([suite], GENERATED)

    def of_kind(self, *kinds: str) -> str:
        """A wildcard pattern that matches the benchmarks of these kinds."""
        return one_of(name for name, entry in self["benchmarks"].items() if entry["kind"] in kinds)

    def critiqued_by(self, *kinds: str) -> str:
        """A wildcard pattern that matches the critique entries whose teacher is of one of these kinds."""
        return one_of(slug for slug in self["critiques"] if self.teacher("critiques", slug)["kind"] in kinds)

    def questions(self, benchmarks: Iterable[str]) -> list[str]:
        """The prepared questions of benchmarks."""
        return [f"<results>/benchmarks/{name}.jsonl" for name in benchmarks]

    def judged_responses(self, wildcards) -> list[str]:
        """The graded responses that a benchmark gives to judge, if they are the study's own."""
        responses = self["benchmarks"][wildcards.benchmark]["questions"].get("responses")
        return [f"<results>/responses/{responses}/graded.jsonl"] if responses else []

    def suite_questions(self, wildcards) -> list[str]:
        """The questions of a suite, which are answered in one model load."""
        return self.questions(self.generated_in(wildcards.suite))

    def choosing_in(self, suite: str) -> list[str]:
        """The benchmarks of a suite in which the checkpoint picks among its answers by its own critiques."""
        return [name for name in self.generated_in(suite) if "best_of_n" in self["benchmarks"][name]]

    def choosing_questions(self, wildcards) -> list[str]:
        """Their questions."""
        return self.questions(self.choosing_in(wildcards.suite))

    def own_critiques(self, wildcards) -> list[str]:
        """A checkpoint's critiques of its own answers to a suite, if a benchmark of the suite needs them."""
        chosen = self.choosing_in(wildcards.suite)
        return [f"<results>/own_critiques/{wildcards.checkpoint}/{wildcards.suite}.jsonl"] if chosen else []

    def selecting_questions(self, wildcards) -> list[str]:
        """The questions that the checkpoint was selected by."""
        return self.questions(self.selected_by(wildcards.checkpoint))

    def sentence_splitter(self, wildcards) -> list[str]:
        """The sentence splitter that checks a suite's instructions, if it has any."""
        return ["<results>/nltk_data"] if self.has_instructions(wildcards.suite) else []

    def has_instructions(self, suite: str) -> bool:
        """Whether a suite has instructions that lm-eval's programs check."""
        return bool(self.benchmarks_in([suite], ["ifeval"]))

    def seed_scores(self, wildcards) -> list[str]:
        """The score summaries of the runs that a name under seeds averages."""
        return [f"<results>/scores/{run}/{wildcards.suite}.json" for run in self["seeds"][wildcards.checkpoint]]

    def seed_answers(self, wildcards) -> list[str]:
        """The graded answers beside them."""
        return beside(self.seed_scores(wildcards))

    # --- tables, figures, claims --------------------------------------------------------------------------------------

    @property
    def targets(self) -> dict[str, list[str]]:
        """The files of each target: of every table and figure, by its id, and of every name under `targets`."""
        made = {
            **{table: [f"<results>/tables/{table}.md"] for table in self["tables"]},
            **{figure: [f"<results>/figures/{figure}.svg"] for figure in self["figures"]},
        }
        return made | {name: [file for id in ids for file in made[id]] for name, ids in self["targets"].items()}

    def asked_for(self, targets: Collection[str]) -> list[str]:
        """The tables, figures and claims that a call of Snakemake requests, by id or by file."""
        known = {**self.targets, "claims": ["<results>/claims.md"]}
        every = [*self.targets] if "all_tables" in targets else []
        by_id = [file for name, files in known.items() if name in {*targets, *every} for file in files]
        by_file = [file for files in known.values() for file in files if self.path(file) in targets]
        return list(dict.fromkeys([*by_id, *by_file]))

    def checkpoints_in(self, table: Mapping[str, Any]) -> list[str]:
        """The models and runs that a table or figure shows, each once."""
        if "columns" not in table:  # a figure
            return list(dict.fromkeys(row["of"] for row in table["rows"]))
        scored = [checkpoint for checkpoint, _ in scores_needed(table, self.resolved)]
        return list(dict.fromkeys([*scored, *(run for _, run in facts_needed(table))]))

    def models_behind(self, table: Mapping[str, Any]) -> list[str]:
        """The models that a table shows or that its runs start from, each once."""
        pending = self.checkpoints_in(table)
        pending += [run for name in pending for run in self["seeds"].get(name, ())]
        models: dict[str, None] = {}
        for name in pending:
            while name in self["runs"]:
                name = self["runs"][name]["start"]
            models |= {name: None} if name in self["models"] else {}
        return list(models)

    def summaries(self, checkpoints: Iterable[str], suites: Iterable[str]) -> list[str]:
        """The score summaries of checkpoints: one for each suite and each benchmark with its own job."""
        suites = list(suites)
        names = [suite for suite in suites if self.generated_in(suite)] + self.benchmarks_in(suites, ALONE)
        return [f"<results>/scores/{checkpoint}/{name}.json" for checkpoint in checkpoints for name in names]

    def scores_in(self, table: Mapping[str, Any]) -> list[str]:
        """The score summaries that a table is made from."""
        needed = scores_needed(table, self.resolved)
        return [f"<results>/scores/{checkpoint}/{name}.json" for checkpoint, name in needed]

    def table_scores(self, wildcards) -> list[str]:
        """The score summaries that a table is made from."""
        return self.scores_in(self["tables"][wildcards.table])

    def table_answers(self, wildcards) -> list[str]:
        """The graded answers beside them."""
        return beside(self.table_scores(wildcards))

    def fact_files(self, kind: str, slug: str) -> list[str]:
        """The files with the facts of one kind (a value of cells.FACTS) about a run."""
        if kind == "sampling":
            shards = range(self["responses"][slug]["shards"])
            return [f"<benchmarks>/sample_responses/{slug}/{shard}.jsonl" for shard in shards]
        files = {
            "train": "<results>/checkpoints/{}/train.json",
            "validation": "<results>/checkpoints/{}/selection.json",
            "train_set": "<results>/train_sets/{}.json",
        }
        return [files[kind].format(slug)]

    def table_facts(self, wildcards) -> list[str]:
        """The summaries with the facts of a table: training, selection, training sets, time of sampling."""
        table = self["tables"][wildcards.table]
        return [file for kind, slug in facts_needed(table) for file in self.fact_files(kind, slug)]

    def runs_in(self, table: Mapping[str, Any]) -> list[str]:
        """The runs that a table shows, with seeds expanded, each once."""
        names = [run for name in self.checkpoints_in(table) for run in self["seeds"].get(name, [name])]
        return [name for name in dict.fromkeys(names) if name in self["runs"]]

    def runs_shown(self) -> list[str]:
        """The runs that any table or figure shows, each once: their training curves are drawn."""
        shown = [*self["tables"].values(), *self["figures"].values()]
        return list(dict.fromkeys(run for entry in shown for run in self.runs_in(entry)))

    def table_trainings(self, wildcards) -> list[str]:
        """The training summaries of all runs of a table."""
        return [f"<results>/checkpoints/{run}/train.json" for run in self.runs_in(self["tables"][wildcards.table])]

    def table_train_sets(self, wildcards) -> list[str]:
        """The summaries of their training sets."""
        return [f"<results>/train_sets/{run}.json" for run in self.runs_in(self["tables"][wildcards.table])]

    def table_questions(self, wildcards) -> list[str]:
        """The questions of all benchmarks of a table."""
        return self.questions(self.benchmarks_in(self["tables"][wildcards.table]["suites"]))

    def table_datasets(self, wildcards) -> list[str]:
        """The datasets whose questions the runs of a table and their ancestors were trained on."""
        datasets: set[str] = set()
        pending = self.checkpoints_in(self["tables"][wildcards.table])
        pending += [run for name in pending for run in self["seeds"].get(name, ())]
        while pending:
            run = self["runs"].get(pending.pop())
            if run is None:
                continue
            pending.append(run["start"])
            for part in runs.parts(run):
                for _, section, slug in runs.sources(part):
                    if section == "runs":
                        continue  # only the length of its rows matters
                    datasets.add(f"<results>/datasets/{runs.dataset_behind(self.resolved, section, slug)}.jsonl")
        return sorted(datasets)

    def paper(self, wildcards) -> list[str]:
        """The file with the paper's values for a table, if the table is from a paper."""
        paper = self["tables"][wildcards.table].get("paper")
        return [of_project(f"papers/{papers.paper_of(paper)}.yaml")] if paper else []

    def figure_files(self, wildcards) -> list[str]:
        """What a figure is drawn from: training summaries, validation curves, or score summaries."""
        figure = self["figures"][wildcards.figure]
        names = self.checkpoints_in(figure)
        if figure["kind"] == "training":
            return [f"<results>/checkpoints/{name}/train.json" for name in names]
        if figure["kind"] == "validation":
            return [f"<results>/checkpoints/{name}/validation.json" for name in names]
        return self.summaries(names, figure["suites"])

    def tables_in_claims(self) -> list[str]:
        """The tables whose cells the study's claims name, each once."""
        claims = self["claims"].values()
        named = (cell.get("table", claim.get("table")) for claim in claims for cell in claim["cells"].values())
        return list(dict.fromkeys(named))

    def claim_tables(self, wildcards=None) -> list[str]:
        """The cells of those tables."""
        return [f"<results>/tables/{table}.json" for table in self.tables_in_claims()]

    def claim_scores(self, wildcards=None) -> list[str]:
        """The score summaries that those tables are made from, each once."""
        scores = (score for table in self.tables_in_claims() for score in self.scores_in(self["tables"][table]))
        return list(dict.fromkeys(scores))

    def claim_answers(self, wildcards=None) -> list[str]:
        """The graded answers beside them."""
        return beside(self.claim_scores())


def beside(summaries: Iterable[str]) -> list[str]:
    """The graded answers beside score summaries."""
    return [path.removesuffix(".json") + ".jsonl" for path in summaries]
