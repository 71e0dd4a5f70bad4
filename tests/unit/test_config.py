"""Resolution of a config: types, defaults, names, scale; and what is said about each kind of mistake."""

import copy
import time
from pathlib import Path

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.study import papers, schema
from scripts.lib.study.resolve import ConfigError, resolve

RUN = "method: sft, start: base, recipe: short, prompt: ask.j2"


def test_small_study_resolves_with_defaults(small) -> None:
    study = small.resolve()
    assert study["responses"]["sums-self"]["temperature"] == 0.7
    data = study["runs"]["cft"]["data"]
    assert (data["critiques"], data["keep"], data["rows"]) == ("sums-verifier", "all", None)
    assert study["runs"]["cft"]["hyperparameters"]["scheduler"] == "cosine"
    assert study["datasets"]["sums"]["exclude"] == []


# --- every kind of mistake ----------------------------------------------------------------------------------------

MISTAKES = {
    "unknown key of an entry": (
        f"runs: {{new: {{{RUN}, data: {{responses: sums-self}}, sed: 3}}}}",
        ["config.yaml: runs.new.sed", "no such key", "Did you mean seed?"],
    ),
    "unknown section": ("datasts: {}", ["config.yaml: datasts", "no such key", "Did you mean datasets?"]),
    "wrong type": (
        "responses: {sums-self: {samples: many}}",
        ["config.yaml: responses.sums-self.samples = 'many'", "text", "a whole number"],
    ),
    "a section that is a list": ("suites: [gcd]", ["config.yaml: suites", "a list", "a mapping"]),
    "text in the place of a number": (
        "recipes: {short: {learning_rate: 5e-6x}}",
        ["config.yaml: recipes.short.learning_rate = '5e-6x'", "text", "a number"],
    ),
    "missing keys of an entry": (
        "responses: {new: {dataset: sums}}",
        ["config.yaml: responses.new", "model, prompt is missing", "Add it"],
    ),
    "value below its range": (
        "responses: {sums-self: {samples: 0}}",
        ["config.yaml: responses.sums-self.samples = 0", "at least 1"],
    ),
    "value that is no choice": (
        "recipes: {short: {scheduler: cosin}}",
        ["config.yaml: recipes.short.scheduler = 'cosin'", "one of linear, cosine", "Did you mean cosine?"],
    ),
    "entry of an unknown kind": (
        "models: {other: {source: disk}}",
        ["config.yaml: models.other.source = 'disk'", "one of packaged, hub, folder"],
    ),
    "entry that is empty": ("teachers: {nobody: null}", ["config.yaml: teachers.nobody.kind", "one of", "verifier"]),
    "bad slug": (
        "models: {Big_Model: {source: folder, path: x, family: llama}}",
        ["config.yaml: models.Big_Model", "'Big_Model'", "only those, dots and hyphens"],
    ),
    "slug that ends in a line break": (
        'models: {"a\\n": {source: folder, path: x, family: llama}}',
        ["config.yaml: models.a\n = 'a\\n'", "only those, dots and hyphens"],
    ),
    "number that is none": (
        "recipes: {nan: {extends: short, learning_rate: .nan}}",
        ["config.yaml: recipes.nan.learning_rate = nan", "not a finite number"],
    ),
    "number without end": (
        "recipes: {inf: {extends: short, weight_decay: .inf}}",
        ["config.yaml: recipes.inf.weight_decay = inf", "not a finite number"],
    ),
    "NUL in a text": (
        'teachers: {api: {kind: openai, model: "a\\0b", price: null}}',
        ["config.yaml: teachers.api.model", "it contains a NUL", "Remove it"],
    ),
    "path that is too long for any": (
        f"datasets: {{x: {{source: jsonl, path: {'a' * 5000}, fields: {{question: q}}}}}}",
        ["config.yaml: datasets.x.path", "there is no such file"],
    ),
    "prompt whose name is too long for any": (
        f"runs: {{sft: {{prompt: {'a' * 5000}.j2}}}}",
        ["config.yaml: runs.sft.prompt", "there is no such file"],
    ),
    "include that is too long for any": (
        f"include: [{'a' * 5000}]",
        [f"config.yaml: include = '{'a' * 5000}'", "it cannot be read (File name too long)"],
    ),
    "include with a NUL": (
        'include: ["a\\0b"]',
        ["config.yaml: include = ['a\\x00b']", "it must be a list of config files"],
    ),
    "family of too many": (
        f"models: {{m-$a-$b-$c: {{for_each: {{a: {list(range(99))}, b: {list(range(99))}, c: {list(range(99))}}}, "
        "source: folder, path: x, family: llama}}",
        ["config.yaml: models.m-$a-$b-$c.for_each", "it makes 970,299 entries, more than 10,000"],
    ),
    "slug that is too long for a file's name": (
        f"models: {{{'m' * 121}: {{source: folder, path: x, family: llama}}}}",
        [f"config.yaml: models.{'m' * 40}…: a name of 121 characters", "at most 120. Shorten it"],
    ),
    "table id that is too long for a file's name": (
        f"tables: {{{'t' * 121}: {{title: x, suites: [numbers], rows: [{{name: Base, of: base}}]}}}}",
        [f"config.yaml: tables.{'t' * 40}…: a name of 121 characters"],
    ),
    "study whose name is too long for a folder's": (
        f"study: {'s' * 121}",
        ["config.yaml: study: a name of 121 characters"],
    ),
    "bad table id": (
        "tables: {cft-table: {title: x, suites: [numbers], rows: [{name: Base, of: base}]}}",
        ["config.yaml: tables.cft-table", "digits and underscores. Rename it"],
    ),
    "table row of neither form": (
        "tables: {main: {rows: [{name: Base}]}}",
        ["config.yaml: tables.main.rows[0]", "a checkpoint or a difference row"],
    ),
    "best of benchmarks": (
        "tables: {main: {layout: benchmarks-as-rows, mark_best: true, "
        "rows: [{name: a, of: base}, {name: b, of: sft}]}}",
        ["config.yaml: tables.main.mark_best", "not in this layout", "Remove it"],
    ),
    "claim about an unknown table": (
        "claims: {wins: {says: x, table: nope, row: Base, column: gcd, cells: {a: {}}, value: a}}",
        ["config.yaml: claims.wins.table = 'nope'", "not under tables", "known: main"],
    ),
    "claim with an incomplete cell": (
        "claims: {wins: {says: x, table: main, column: gcd, cells: {a: {}}, value: a}}",
        ["config.yaml: claims.wins.cells.a", "neither it nor the claim has a row", "Add one"],
    ),
    "claim about an unknown column": (
        "claims: {wins: {says: x, table: main, row: Base, column: nope, cells: {a: {}}, value: a}}",
        ["config.yaml: claims.wins.column = 'nope'", "no column of main", "it has: Rows, Epochs, Tokens, gcd"],
    ),
    "claim about an unknown row": (
        "claims: {wins: {says: x, table: main, row: Base, column: Rows, cells: {a: {row: [nope]}}, value: a}}",
        ["config.yaml: claims.wins.cells.a.row = 'nope'", "no row of main", "Base"],
    ),
    "claim that is no expression": (
        "claims: {wins: {says: x, table: main, row: Base, column: gcd, cells: {a: {}}, value: a > 3}}",
        ["config.yaml: claims.wins.value = 'a > 3'", "'a > 3' has no meaning here", "docs/claims.md"],
    ),
    "claim over a cell that it does not name": (
        "claims: {wins: {says: x, table: main, row: Base, column: gcd, cells: {a: {}}, value: a - b}}",
        ["config.yaml: claims.wins.value = 'a - b'", "b is not under cells", "Correct one"],
    ),
    "unknown engine": ("engine: gpu", ["config.yaml: engine = 'gpu'", "not under engines", "known: cpu"]),
    "rows of no table": (
        "tables: {part: {rows_of: nope}}",
        ["config.yaml: tables.part.rows_of = 'nope'", "no table with rows of its own", "main"],
    ),
    "rows that a table has not": (
        "tables: {part: {rows_of: main, only: [Bass]}}",
        ["config.yaml: tables.part.only", "'Bass' is no row of main", "Base"],
    ),
    "rows of a table beside rows of its own": (
        "tables: {part: {rows_of: main, rows: [{name: Base, of: base}]}}",
        ["config.yaml: tables.part.rows: it has the rows of main (rows_of)", "Remove one of the two"],
    ),
    "unknown table of a target": (
        "targets: {both: [main, second]}",
        ["config.yaml: targets.both[1] = 'second'", "not under tables or figures", "main"],
    ),
    "target with a table's name": (
        "targets: {main: [main]}",
        ["config.yaml: targets.main", "a table or figure has this name too"],
    ),
    "benchmark without the questions of one that leaves out some": (
        "benchmarks: {a: {extends: gcd, questions: {exclude: [b]}}, b: {extends: gcd, questions: {exclude: [gcd]}}}",
        ["config.yaml: benchmarks.a.questions.exclude[0] = 'b'", "it excludes questions itself"],
    ),
    "unknown benchmark to exclude": (
        "datasets: {sums: {exclude: [lcm]}}",
        ["config.yaml: datasets.sums.exclude[0] = 'lcm'", "not under benchmarks", "known: gcd"],
    ),
    "unknown dataset of responses": (
        "responses: {sums-self: {dataset: sum}}",
        ["config.yaml: responses.sums-self.dataset = 'sum'", "not under datasets", "known: sums"],
    ),
    "unknown model of responses": (
        "responses: {sums-self: {model: bas}}",
        ["config.yaml: responses.sums-self.model = 'bas'", "not under models or runs", "known: base, cft, sft"],
    ),
    "unknown responses of critiques": (
        "critiques: {sums-verifier: {responses: sums}}",
        ["config.yaml: critiques.sums-verifier.responses = 'sums'", "not under responses", "known: sums-self"],
    ),
    "unknown teacher": (
        "critiques: {sums-verifier: {teacher: gpt}}",
        ["config.yaml: critiques.sums-verifier.teacher = 'gpt'", "not under teachers", "known: verifier"],
    ),
    "budget without a price": (
        "teachers: {api: {kind: openai, model: m, budget: 5.0}}",
        ["config.yaml: teachers.api.budget", "it needs a price", "Add price"],
    ),
    "unknown engine of a teacher": (
        "teachers: {self: {kind: transformers, model: base, engine: gpu}}",
        ["config.yaml: teachers.self.engine = 'gpu'", "not under engines", "known: cpu"],
    ),
    "local teacher of another kind than the engine": (
        "teachers: {self: {kind: vllm, model: base}}",
        [
            "config.yaml: teachers.self.kind = 'vllm'",
            "its engine is of kind transformers",
            "Name an engine",
        ],
    ),
    "key in place of its variable's name": (
        "teachers: {api: {kind: openai, model: m, api_key_env: sk-1}}",
        ["config.yaml: teachers.api.api_key_env = 'sk-1'", "must match"],
    ),
    "answers of a teacher that writes none": (
        "answers: {sums-verifier: {dataset: sums, teacher: verifier}}",
        ["config.yaml: answers.sums-verifier.teacher = 'verifier'", "critiques only", "kind openai"],
    ),
    "unknown answers of a run": (
        f"runs: {{new: {{{RUN}, data: {{answers: sums-api}}}}}}",
        ["config.yaml: runs.new.data.answers = 'sums-api'", "not under answers", "known: none"],
    ),
    "unknown start": (
        "runs: {cft: {start: bass}}",
        ["config.yaml: runs.cft.start = 'bass'", "not under models or runs"],
    ),
    "unknown recipe": ("runs: {cft: {recipe: long}}", ["config.yaml: runs.cft.recipe = 'long'", "not under recipes"]),
    "unknown prompt file": (
        "runs: {cft: {prompt: asks.j2}}",
        ["config.yaml: runs.cft.prompt = 'asks.j2'", "no such file", "Correct the path"],
    ),
    "unknown template file": (
        "benchmarks: {gcd: {template: none.j2}}",
        ["config.yaml: benchmarks.gcd.template = 'none.j2'", "no such file"],
    ),
    "unknown benchmark to select by": (
        "runs: {cft: {select: lcm}}",
        ["config.yaml: runs.cft.select = 'lcm'", "not under benchmarks", "known: gcd"],
    ),
    "unknown data of a run": (
        "runs: {cft: {data: {critiques: sums}}}",
        ["config.yaml: runs.cft.data.critiques = 'sums'", "not under critiques", "known: sums-verifier"],
    ),
    "two kinds of data": (
        "runs: {cft: {data: {responses: sums-self}}}",
        ["config.yaml: runs.cft.data", "names", "responses", "critiques"],
    ),
    "no data": (
        f"runs: {{new: {{{RUN}, data: {{keep: all}}}}}}",
        ["config.yaml: runs.new.data", "names nothing", "Name"],
    ),
    "cft without critiques": (
        "runs: {new: {method: cft, start: base, recipe: short, prompt: ask.j2, data: {responses: sums-self}}}",
        ["config.yaml: runs.new.data", "cft run trains on critiques", "Name"],
    ),
    "verdicts without a teacher": (
        "runs: {sft: {data: {keep: agreeing}}}",
        ["config.yaml: runs.sft.data.keep = 'agreeing'", "teacher's verdict", "Name critiques"],
    ),
    "filter on a dataset's own solutions": (
        f"runs: {{new: {{{RUN}, data: {{dataset: sums, keep: correct}}}}}}",
        ["config.yaml: runs.new.data.keep = 'correct'", "not graded", "Remove it"],
    ),
    "unknown benchmark of a suite": (
        "suites: {numbers: [gcd, lcm]}",
        ["config.yaml: suites.numbers[1] = 'lcm'", "not under benchmarks"],
    ),
    "unknown suite of a table": (
        "tables: {main: {suites: [words]}}",
        ["config.yaml: tables.main.suites[0] = 'words'", "not under suites", "known: numbers"],
    ),
    "unknown row of a table": (
        "tables: {main: {rows: [{name: X, of: cft7}]}}",
        ["config.yaml: tables.main.rows[0].of = 'cft7'", "not under models or runs", "known: base, cft, sft"],
    ),
    "unknown names in a difference": (
        "tables: {main: {rows: [{name: X, difference: cft, best_of: [sft, sft2]}]}}",
        ["config.yaml: tables.main.rows[0].best_of[1] = 'sft2'", "not under models or runs"],
    ),
    "two rows of one name": (
        "tables: {main: {rows: [{name: X, of: cft}, {name: X, of: sft}]}}",
        ["config.yaml: tables.main.rows", "two rows are called 'X'", "$of"],
    ),
    "model and run of one name": (
        "models: {cft: {source: folder, path: x, family: llama}}",
        ["config.yaml: runs.cft", "a model has this name too", "Rename"],
    ),
    "missing data file": (
        "datasets: {more: {source: jsonl, path: more.jsonl}}",
        ["config.yaml: datasets.more.path = 'more.jsonl'", "no such file", "Correct the path"],
    ),
    "dataset on the hub without a commit": (
        "datasets: {more: {source: hub, repo: a/b, revision: null, split: train}}",
        ["config.yaml: datasets.more.revision", "not a local folder", "commit"],
    ),
    "model on the hub at a branch": (
        "models: {more: {source: hub, repo: a/b, revision: main, family: llama}}",
        ["config.yaml: models.more.revision = 'main'", "must match ^([0-9a-f]{40}|unpinned)$"],
    ),
}


@pytest.mark.parametrize(("changes", "parts"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_told_with_place_and_problem(small, changes: str, parts: list[str]) -> None:
    found = small.mistake(changes)
    assert found.startswith(parts[0])
    assert all(part in found for part in parts), found


def test_all_mistakes_are_told_at_once(small) -> None:
    changes = (
        "{engine: gpu, recipes: {short: {learning_rate: high}}, runs: {cft: {start: x, sed: 1}}, suites: {s: [lcm]}}"
    )
    found = small.mistakes(changes)
    places = ["engine", "recipes.short.learning_rate", "runs.cft.sed", "suites.s[0]"]
    assert sorted(line.split(" ")[1].rstrip(":") for line in found) == places
    with pytest.raises(ConfigError) as caught:
        small.resolve(changes)
    assert str(caught.value).startswith("4 mistakes in the config:\n  - ")


def test_starts_that_lead_in_a_circle_are_told(small) -> None:
    found = small.mistakes("runs: {sft: {start: cft}, cft: {start: sft}}")
    assert "config.yaml: runs.sft.start: a cycle (sft → cft → sft). Start one from a model." in found
    assert len(found) == 2


def test_run_that_starts_from_itself_is_told(small) -> None:
    assert "a cycle (cft → cft)" in small.mistake("runs: {cft: {start: cft}}")


def test_run_may_start_from_a_run(small) -> None:
    assert small.resolve("runs: {cft: {start: sft}}")["runs"]["cft"]["start"] == "sft"


def test_correct_rows_of_a_dataset_without_answers_are_refused(small) -> None:
    Path("open.jsonl").write_text('{"text": "Why?"}\n')
    changes = """
    datasets: {open: {source: jsonl, path: open.jsonl, fields: {question: text}}}
    responses: {open-self: {dataset: open, model: base, prompt: ask.j2}}
    critiques: {open-verifier: {responses: open-self, teacher: verifier}}
    """
    run = "runs: {new: {method: sft, start: base, recipe: short, prompt: ask.j2, data: {%s}}}"
    wrong = changes + run % "responses: open-self, keep: correct"
    assert "runs.new.data.keep = 'correct': dataset 'open' has no reference answers" in small.mistake(wrong)
    wrong = changes + run % "critiques: open-verifier, keep: agreeing"
    assert "Use judged-right" in small.mistake(wrong)
    small.resolve(changes + run % "critiques: open-verifier, keep: judged-right")


@pytest.mark.parametrize("value", ["[short]", "{a: 1}", "null", "3"])
@pytest.mark.parametrize("key", ["recipe", "start", "data", "method", "overrides", "select"])
def test_value_of_any_type_is_a_mistake_and_no_crash(small, key: str, value: str) -> None:
    found = small.mistakes(f"runs: {{cft: {{{key}: {value}}}}}")
    assert any(f"runs.cft.{key}" in line for line in found), found


# --- files --------------------------------------------------------------------------------------------------------


def test_entry_that_two_files_define_differently_names_both(small) -> None:
    found = small.mistake("", "runs: {cft: {method: cft}}")
    assert found.startswith("more1.yaml: runs.cft differs from the entry in config.yaml.")
    assert "another name" in found


def test_text_that_no_file_can_hold_is_told(small) -> None:
    teacher = {"kind": "openai", "model": "m", "price": None, "extra_body": {"user": ["a", "b\ud800"]}}
    said = small.mistake(overrides={"teachers": {"api": teacher}})  # YAML refuses it; Python's command line takes it
    assert "command line: teachers.api.extra_body.user[1]" in said and "half a surrogate pair" in said


def test_entry_that_two_files_define_alike_is_fine(small) -> None:
    assert small.resolve("", "models: {base: {source: folder, path: base, family: llama}}") == small.resolve()


def test_plain_value_that_two_files_set_differently_names_both(small) -> None:
    assert small.mistake("", "engine: gpu").startswith("more1.yaml: engine = 'gpu' differs from 'cpu' in config.yaml.")


def test_entries_of_a_second_file_join_the_study(small) -> None:
    study = small.resolve("", "base: config.yaml\nmodels: {more: {source: folder, path: more, family: llama}}")
    assert list(study["models"]) == ["base", "more"] and "base" not in study


def test_sweep_reads_its_base_and_a_study_its_includes(small) -> None:
    whole = small.resolve(
        "", "runs: {sft-2: {extends: sft, seed: 2}}\nmodels: {more: {source: folder, path: m, family: llama}}"
    )
    Path("parts").mkdir()
    more = "models: {more: {source: folder, path: ../m, family: llama}}"
    Path("parts/models.yaml").write_text(more, encoding="utf-8")
    Path("parts/sweep.yaml").write_text("base: ../study.yaml\nruns: {sft-2: {extends: sft, seed: 2}}", encoding="utf-8")
    study = Path("config.yaml").read_text(encoding="utf-8")
    Path("study.yaml").write_text(f"include: [parts/models.yaml, parts/models.yaml]\n{study}", encoding="utf-8")
    for files in (["parts/sweep.yaml"], ["study.yaml", "parts/sweep.yaml"], [Path("parts/sweep.yaml").resolve()]):
        assert resolve(files) == whole, files
    assert resolve([], {"base": "parts/sweep.yaml"}) == whole


def test_studies_that_include_the_same_file_go_together(small) -> None:
    whole = small.resolve()
    Path("config.yaml").rename("common.yaml")
    for name in ("one", "two"):
        Path(f"{name}.yaml").write_text("study: small\ninclude: [common.yaml]", encoding="utf-8")
    assert resolve(["one.yaml", "two.yaml"]) == whole


def test_entry_that_differs_from_an_included_one_names_both_files(small) -> None:
    small.resolve()
    Path("parts").mkdir()
    Path("parts/one.yaml").write_text("include: [../config.yaml]\nengine: gpu", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        resolve(["parts/one.yaml"])
    assert caught.value.mistakes[0].startswith("parts/one.yaml: engine = 'gpu' differs from 'cpu' in config.yaml.")


def test_file_that_is_named_but_not_there_is_told_with_who_names_it(small) -> None:
    small.resolve()
    study = Path("config.yaml").read_text(encoding="utf-8")
    Path("one.yaml").write_text(f"include: [none.yaml]\nbase: 3\n{study}", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        resolve(["one.yaml"])
    assert caught.value.mistakes == [
        "one.yaml: base = 3: it must be one config file. Write it so.",
        "one.yaml: include = 'none.yaml': there is no such config file. Check the path.",
    ]


def test_mistake_names_the_file_of_its_entry(small) -> None:
    found = small.mistake("", "models: {more: {source: folder, path: more}}")
    assert found.startswith("more1.yaml: models.more: family is missing.")


def test_mistake_in_a_family_names_its_file(small) -> None:
    found = small.mistake("", "runs: {'sft-$n': {for_each: {n: [1]}, extends: sft, seed: x}}")
    assert found.startswith("more1.yaml: runs.sft-1.seed = 'x'")


def test_section_that_is_empty_in_one_file_is_told(small) -> None:
    # `models:` with every entry commented out
    assert "models" in small.mistake("", "models:\n")
    assert "models" in "\n".join(
        small.mistakes("models: null", "models: {m: {source: folder, path: x, family: llama}}")
    )


def test_missing_broken_and_wrong_files_are_told_together(small) -> None:
    Path("torn.yaml").write_text("runs: {a: [", encoding="utf-8")
    Path("list.yaml").write_text("- a", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        resolve(["none.yaml", "torn.yaml", "list.yaml"])
    found = caught.value.mistakes
    assert found[0] == "none.yaml: there is no such config file. Check the path."
    assert found[1].startswith("torn.yaml: not YAML, line 1, column 12: ")
    assert found[2].startswith("list.yaml: a list, not a mapping.")


def test_merge_key_and_key_that_stands_twice_are_told_with_the_other_mistakes(small) -> None:
    more = "runs:\n  one: &one {extends: sft}\n  two: {<<: *one, seed: 2, sed: 3}\n  one: {extends: sft}\n"
    assert small.mistakes("", more) == [
        "more1.yaml: line 3: a merge key (<<). Name the entries under extends (docs/config.md), or write the keys out.",
        "more1.yaml: line 4: one occurs twice in one mapping (first on line 2). Remove one.",
        small.mistake("", "runs: {two: {extends: sft, sed: 3}}"),
    ]


def test_template_of_one_file_is_extended_in_another_and_is_not_in_the_study(small) -> None:
    study = small.resolve("runs: {_long: {overrides: {epochs: 2}}}", "runs: {long: {extends: [_long, sft]}}")
    assert study["runs"]["long"]["hyperparameters"]["epochs"] == 2
    assert list(study["runs"]) == ["sft", "cft", "long"]


def test_number_that_yaml_reads_as_text_is_a_number(small) -> None:
    study = small.resolve("{recipes: {short: {learning_rate: 5e-4}}, runs: {cft: {overrides: {weight_decay: 1e-1}}}}")
    assert study["recipes"]["short"]["learning_rate"] == 0.0005
    assert study["runs"]["cft"]["hyperparameters"]["weight_decay"] == 0.1


def test_runs_of_one_recipe_are_checked_once_and_have_settings_of_their_own(small, monkeypatch) -> None:
    checked = []
    whole = schema.with_overrides
    monkeypatch.setattr(schema, "with_overrides", lambda *given: checked.append(given) or whole(*given))
    runs = small.resolve("runs: {seed-$n: {extends: sft, seed: $n, for_each: {n: [1, 2, 3]}}}")["runs"]
    of_seeds = [runs[f"seed-{number}"]["hyperparameters"] for number in (1, 2, 3)]
    assert of_seeds[0] == of_seeds[1] == of_seeds[2] and of_seeds[0] is not of_seeds[1]
    assert len(checked) < len(runs)


def test_mistake_of_an_entry_is_told_at_that_entry_and_not_at_those_that_extend_it(small) -> None:
    found = small.mistake(
        "runs: {sft: {sed: 3}, a: {extends: sft}, b-$s: {extends: a, for_each: {s: [1, 2]}, seed: $s}}"
    )
    assert found.startswith("config.yaml: runs.sft.sed: ")
    template = "runs: {_t: {prompt: none.j2}, a: {extends: [_t, sft]}, b: {extends: a}}"
    assert small.mistake("", template).startswith("more1.yaml: runs._t.prompt = 'none.j2'")


def test_entry_that_extends_a_misspelt_one_is_told_once(small) -> None:
    found = small.mistake("runs: {a: {extends: cff}, b: {extends: a}}")
    assert found.startswith("config.yaml: runs.a.extends = 'cff': not under runs") and found.endswith(
        "Did you mean cft?"
    )


def test_misspelt_key_is_not_told_as_missing_too(small) -> None:
    assert small.mistake("responses: {new: {dataset: sums, modle: base, prompt: ask.j2}}").endswith("mean model?")


def test_two_misspelt_keys_are_two_mistakes(small) -> None:
    found = small.mistakes("runs: {cft: {sed: 1, strt: base}}")
    assert [line.split(": ")[1] for line in found] == ["runs.cft.sed", "runs.cft.strt"]


def test_misspelt_names_have_a_suggestion(small) -> None:
    assert small.mistake("runs: {cft: {start: bse}}").endswith("Did you mean base?")
    assert small.mistake("tables: {main: {rows: [{name: A, of: cff}]}}").endswith("Did you mean cft?")
    assert small.mistake("models: {base: {source: foldr}}").endswith("Did you mean folder?")


# --- the command line ---------------------------------------------------------------------------------------------


def test_numbers_of_the_command_line_are_numbers_where_the_schema_has_no_type(small) -> None:
    settings = {"min_terms": "3", "rate": "5e-4", "even": "true", "word": "three"}
    study = small.resolve(overrides={"datasets": {"sums": {"tasks": {"chain_sum": settings}}}})
    expected = {"min_terms": 3, "rate": 0.0005, "even": True, "word": "three"}
    assert study["datasets"]["sums"]["tasks"]["chain_sum"] == expected


def test_strings_of_the_command_line_become_the_schemas_types(small) -> None:
    given = {
        "keep_candidates": "false",
        "recipes": {"short": {"epochs": "2", "max_steps": "null", "learning_rate": "0.5e-3"}},
        "responses": {"sums-self": {"samples": "9"}},
    }
    study = small.resolve(overrides=given)
    assert study["keep_candidates"] is False
    assert study["responses"]["sums-self"]["samples"] == 9
    hyperparameters = study["runs"]["cft"]["hyperparameters"]
    assert [hyperparameters[key] for key in ("epochs", "max_steps", "learning_rate")] == [2.0, None, 0.0005]


def test_text_is_never_made_a_number(small) -> None:
    study = small.resolve("tables: {main: {title: '9', rows: [{name: 'true', of: base}]}}")
    assert study["tables"]["main"]["title"] == "9" and study["tables"]["main"]["rows"][0]["name"] == "true"


def test_command_line_merges_mappings_and_replaces_lists(small) -> None:
    study = small.resolve(overrides={"runs": {"cft": {"seed": 7}}, "recipes": {"short": {"candidate_steps": [3]}}})
    assert study["runs"]["cft"]["seed"] == 7 and study["runs"]["cft"]["method"] == "cft"
    assert study["recipes"]["short"]["candidate_steps"] == [3]


def test_mistake_on_the_command_line_names_the_command_line(small) -> None:
    found = small.mistakes(overrides={"runs": {"new": {"method": "sft"}, "cft": {"seed": "x"}}})
    assert sorted(line.split(":")[0] for line in found) == ["command line", "command line"], found


# --- overrides of recipes -----------------------------------------------------------------------------------------


def test_overrides_of_a_recipe_are_merged(small) -> None:
    study = small.resolve("runs: {cft: {overrides: {learning_rate: 2, lora: {rank: 4}, candidate_steps: [2]}}}")
    hyperparameters = study["runs"]["cft"]["hyperparameters"]
    assert hyperparameters["learning_rate"] == 2.0 and hyperparameters["global_batch"] == 8
    assert hyperparameters["lora"] == {"rank": 4, "alpha": 32.0, "dropout": 0.0, "targets": "all-linear"}
    assert hyperparameters["candidate_steps"] == [2]
    assert study["runs"]["sft"]["hyperparameters"]["learning_rate"] == 0.001


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        ("{lerning_rate: 1.0}", ["runs.cft.overrides.lerning_rate", "no such key", "Did you mean learning_rate?"]),
        ("{learning_rate: high}", ["runs.cft.overrides.learning_rate = 'high'", "it must be a number"]),
        ("{lora: {alpha: 8}}", ["runs.cft.overrides.lora", "rank is missing"]),
        ("{epochs: 0}", ["runs.cft.overrides.epochs = 0", "above 0"]),
    ],
)
def test_wrong_override_is_told_at_the_run(small, overrides: str, parts: list[str]) -> None:
    found = small.mistake(f"runs: {{cft: {{overrides: {overrides}}}}}")
    assert found.startswith("config.yaml: ") and all(part in found for part in parts), found


# --- rows of tables -----------------------------------------------------------------------------------------------

FAMILY = """
runs:
  cft-$seed:
    for_each: {seed: [1, 2]}
    extends: cft
    seed: $seed
"""


def test_family_row_becomes_one_row_for_each_checkpoint(small) -> None:
    study = small.resolve(FAMILY + "tables: {main: {rows: [{name: CFT $of, of: cft-$seed}, {name: Base, of: base}]}}")
    rows = study["tables"]["main"]["rows"]
    assert [row["of"] for row in rows] == ["cft-1", "cft-2", "base"]
    assert [row["name"] for row in rows] == ["CFT cft-1", "CFT cft-2", "Base"]


def test_glob_row_becomes_one_row_for_each_match(small) -> None:
    study = small.resolve(FAMILY + "tables: {main: {rows: [{name: $of, of: 'cft*'}]}}")
    assert [row["name"] for row in study["tables"]["main"]["rows"]] == ["cft", "cft-1", "cft-2"]


def test_glob_without_a_match_is_told(small) -> None:
    assert "rows[0].of = 'dpo*': not under" in small.mistake("tables: {main: {rows: [{name: $of, of: 'dpo*'}]}}")


def test_family_row_needs_names_that_differ(small) -> None:
    found = small.mistake(FAMILY + "tables: {main: {rows: [{name: CFT, of: cft-$seed}]}}")
    assert "two rows are called 'CFT'" in found and "$of" in found


# --- scale --------------------------------------------------------------------------------------------------------


def test_tiny_scale_shrinks_everything(small) -> None:
    tiny = (ROOT / "config" / "scale" / "tiny.yaml").read_text(encoding="utf-8")
    study = small.resolve("benchmarks: {gcd: {samples: 5}}\nkeep_candidates: true", tiny)
    scale = study["scale"]
    assert study["study"] == "small-tiny"
    assert study["models"]["base"] == {"source": "random", "family": "llama", "shape": scale["model"]}
    assert study["datasets"]["sums"]["rows"] == scale["rows"] < 20
    assert study["benchmarks"]["gcd"]["questions"]["rows"] == scale["rows"]
    for entry in (study["responses"]["sums-self"], study["benchmarks"]["gcd"]):
        assert entry["samples"] == scale["samples"] and entry["max_tokens"] == scale["max_tokens"]
    for run in study["runs"].values():
        assert run["data"]["rows"] == scale["rows"] and run["data"]["when_short"] == "take-unfiltered"
        assert run["hyperparameters"]["max_steps"] == scale["max_steps"]
        assert run["hyperparameters"]["save_steps"] == 1  # or no checkpoint would be written in so few steps
        assert run["hyperparameters"]["candidate_steps"] == [1]


def test_scale_makes_nothing_larger(small) -> None:
    scale = "scale: {suffix: big, rows: 1000, samples: 99, max_steps: 3, max_tokens: 9999, model: {}}"
    study = small.resolve("", scale)
    assert study["datasets"]["sums"]["rows"] == 40 and study["runs"]["sft"]["data"]["rows"] == 20
    assert study["responses"]["sums-self"]["samples"] == 4 and study["benchmarks"]["gcd"]["max_tokens"] == 2048


# --- purity -------------------------------------------------------------------------------------------------------


def test_resolving_twice_gives_the_same_and_changes_no_input(small) -> None:
    overrides = {"runs": {"cft": {"overrides": {"lora": {"rank": 4}}}}}
    before = copy.deepcopy(overrides)
    first = small.resolve(FAMILY, overrides=overrides)
    text = Path("config.yaml").read_text()
    first_again = copy.deepcopy(first)
    first["runs"]["cft"]["data"]["rows"] = 99  # a caller's change must not reach the next result
    assert small.resolve(FAMILY, overrides=overrides) == first_again
    assert overrides == before and Path("config.yaml").read_text() == text


def test_thousand_runs_resolve_in_seconds(small) -> None:
    axes = f"{{a: {list(range(25))}, b: {list(range(40))}}}"
    start = time.monotonic()
    study = small.resolve(f"runs: {{'cft-$a-$b': {{for_each: {axes}, extends: cft, overrides: {{epochs: 2}}}}}}")
    assert len(study["runs"]) == 1002
    assert time.monotonic() - start < 60  # a generous bound for a loaded machine


def test_two_columns_of_a_table_with_one_heading_are_refused(small) -> None:
    message = small.mistake("benchmarks: {gcd: {title: Average}}")
    assert "benchmarks.gcd.title = 'Average'" in message and "Give it another title" in message


def test_base_of_an_adapter_must_be_a_model_that_is_none_itself(small) -> None:
    entry = "{source: adapter, path: a, base: %s, family: llama}"
    assert small.resolve(f"models: {{tuned: {entry % 'base'}}}")["models"]["tuned"]["base"] == "base"
    assert "models.tuned.base = 'bse': not under models" in small.mistake(f"models: {{tuned: {entry % 'bse'}}}")
    both = f"models: {{tuned: {entry % 'base'}, again: {entry % 'tuned'}}}"
    assert "models.again.base = 'tuned': an adapter too" in small.mistake(both)


# --- rows of another table, and what a sweep says anew ---------------------------------------------------------------


def test_table_takes_rows_of_another_with_all_its_keys(small) -> None:
    more = "tables: {main: {note: N, rows: [{name: Base, of: base}, {name: CFT, of: cft}]}, part: {%s}}"
    table = small.resolve(more % "rows_of: main, only: [CF*], title: Part")["tables"]["part"]
    assert [row["name"] for row in table["rows"]] == ["CFT"] and (table["title"], table["note"]) == ("Part", "N")
    table = small.resolve(more % "rows_of: main")["tables"]["part"]
    assert [row["name"] for row in table["rows"]] == ["Base", "CFT"] and table["suites"] == ["numbers"]


def test_rows_that_a_table_has_not_are_told_once_and_nothing_of_what_follows(small) -> None:
    found = small.mistakes("tables: {part: {rows_of: main, only: [Bass], suites: [nope]}}")
    assert [line for line in found if "part" in line] == found and len(found) == 1


PAPER = """
tables:
  t:
    title: T
    paper: cft_table6_response_source
    only: [%s]
    suites: [numbers]
    columns: [{name: MATH, benchmark: gcd}]
    rows: [{name: %s, of: base}]
"""


def test_table_has_some_rows_and_columns_of_a_papers(small) -> None:
    name = next(iter(papers.printed("cft_table6_response_source")))
    table = small.resolve(PAPER % (name, name))["tables"]["t"]
    assert [row["name"] for row in table["rows"]] == [name]
    found = small.mistake(PAPER % ("nope", name))
    assert "tables.t.only" in found and "'nope' is not a row of cft_table6_response_source" in found
    found = small.mistakes(PAPER % ('"*"', name))
    assert any("lacks. Add it, with a gap" in line for line in found)


def test_sweep_says_anew_where_data_come_from_and_what_is_planned(small) -> None:
    base = "inputs: {pairs: scratch, other: a}\nplan: {kept_share: 0.4}"
    sweep = "base: config.yaml\ninputs: {pairs: released}\nplan: {targets: [main]}"
    study = small.resolve(base, sweep)
    assert study["inputs"] == {"pairs": "released", "other": "a"}
    assert study["plan"]["targets"] == ["main"] and study["plan"]["kept_share"] == 0.4 and "base" not in study


def test_two_sweeps_or_two_studies_that_differ_are_told(small) -> None:
    base = "inputs: {pairs: scratch}"
    sweeps = ["base: config.yaml\ninputs: {pairs: released}", "base: config.yaml\ninputs: {pairs: mixed}"]
    found = small.mistake(base, *sweeps)
    assert found == "more2.yaml: inputs.pairs differs from more1.yaml. Remove one of them."
    assert "inputs.pairs differs from the entry in config.yaml" in small.mistake(base, "inputs: {pairs: released}")


def test_wrong_key_of_a_sweeps_plan_is_found_in_the_sweep(small) -> None:
    found = small.mistake("plan: {kept_share: 0.4}", "base: config.yaml\nplan: {row_share: 7}")
    assert found.startswith("more1.yaml: plan.row_share = 7")
