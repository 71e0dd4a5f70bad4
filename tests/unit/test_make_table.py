"""A table in four files, and its cells as JSON."""

import csv
from pathlib import Path

import pytest

from scripts import make_table
from scripts.lib.grading import scoring
from scripts.lib.jsonl import BadInput, read_json, write_json
from scripts.lib.study.expand import as_cells
from scripts.lib.tables.facts import epochs_of
from scripts.lib.tables.figures import best_in_columns

# Right answers of 4 questions by checkpoint and benchmark.
RIGHT = {
    "base": {"gcd": 1, "lcm": 0},
    "sft": {"gcd": 3, "lcm": 0},
    "sft-verified": {"gcd": 1, "lcm": 2},
    "cft": {"gcd": 3, "lcm": 3},
    "cft-mean": {"gcd": 3, "lcm": 2},
}
SETTINGS = {
    "title": "A table",
    "note": "A note.",
    "layout": "checkpoints-as-rows",
    "mark_best": False,
    "verdict": "ours",
    "validation_questions": "exclude",
    "suites": ["numbers"],
    "rows": [
        {"name": "Base", "of": "base"},
        {"name": "SFT", "of": "sft"},
        {"name": "SFT-verified", "of": "sft-verified"},
        {"name": "CFT", "of": "cft"},
        {"name": "CFT − best SFT", "difference": "cft", "best_of": ["sft", "sft-verified"]},
    ],
}


@pytest.fixture
def make(tmp_path: Path, write_lines):
    """A function that makes a table from RIGHT and returns the path of its files without an ending."""

    def run(benchmarks: tuple[str, ...] = ("gcd", "lcm"), **changes) -> Path:
        study = {"suites": {"numbers": benchmarks}, "benchmarks": {"gcd": {"title": "GCD"}, "lcm": {"title": None}}}
        study |= {"runs": RIGHT.keys() - {"base", "cft-mean"}, "seeds": {"cft-mean": ["cft", "sft"]}}
        scores, summaries = [], []
        for checkpoint, right in RIGHT.items():
            items, figures = [], {}
            for benchmark, count in right.items():
                for number in range(4):
                    row = {"id": f"{benchmark}/q{number}#0", "benchmark": benchmark, "question_id": f"q{number}"}
                    items.append({**row, "correct": number < count})
                share = count / 4
                error = (share * (1 - share) / 4) ** 0.5
                # Answers get longer with every question that is right, and one of four is cut off.
                lengths = {"mean_tokens_finished": 10.0 + count, "responses": 4, "cut_off": 1, "cut_off_share": 0.25}
                figures[benchmark] = {"accuracy": share, "standard_error": error, "questions": 4, **lengths}
                if checkpoint == "cft-mean":
                    figures[benchmark]["seeds"] = {run: RIGHT[run][benchmark] / 4 for run in ("cft", "sft")}
            scores.append(f"{tmp_path}/scores/{checkpoint}/numbers.json")
            write_json(scores[-1], {"benchmarks": figures})
            write_lines(f"scores/{checkpoint}/numbers.jsonl", items)
            if checkpoint in study["runs"]:
                counts = {"rows_trained": 1200, "prompt_tokens": 30_000, "completion_tokens": 12_345}
                summaries.append(f"{tmp_path}/checkpoints/{checkpoint}/train.json")
                recipe = dict.fromkeys(("learning_rate", "global_batch", "beta", "epochs"), 1)
                more = {"recipe": recipe, "train_seconds": 36, "processes": 1, "steps": 4}
                write_json(summaries[-1], {"counts": counts, **more})
        args = make_table.parse_args(
            [
                "--table",
                "main",
                "--settings",
                "{}",
                "--out",
                f"{tmp_path}/main",
                "--scores",
                *scores,
                "--summaries",
                *summaries,
            ]
        )
        args.settings = {**as_cells({**SETTINGS, **changes}, study), "scaled": None, "settings": {}, "unpinned": []}
        assert make_table.main(args) == 0
        return tmp_path / "main"

    return run


def cells(path: Path) -> dict[tuple[str, str], dict]:
    return {(cell["row"], cell["column"]): cell for cell in read_json(path.with_suffix(".json"))}


def test_five_files_are_written(make) -> None:
    out = make()
    assert {file.suffix for file in out.parent.glob("main.*")} == {".md", ".tex", ".csv", ".json", ".html"}


def test_json_is_a_list_of_cells(make) -> None:
    found = read_json(make().with_suffix(".json"))
    assert isinstance(found, list)
    assert all(set(cell) >= {"row", "column", "value", "se", "n", "paper"} for cell in found)
    assert len({(cell["row"], cell["column"]) for cell in found}) == len(found) == 30


def test_accuracy_is_in_percent_with_its_error(make) -> None:
    cell = cells(make())["SFT", "GCD"]
    assert cell == {
        "row": "SFT",
        "column": "GCD",
        "value": 75.0,
        "se": pytest.approx(21.65, abs=0.01),
        "n": 4,
        "unit": "percent",
        "paper": None,
        "checkpoint": "sft",
        "benchmark": "gcd",
        "metric": "accuracy",
        "flags": {"cut_off": 0.25},
    }


def test_average_is_the_plain_mean_with_the_error_of_a_mean(make) -> None:
    found = cells(make())
    assert found["SFT", "Average"]["value"] == 37.5 and found["SFT", "Average"]["n"] == 8
    assert found["SFT", "Average"]["se"] == pytest.approx(21.65 / 2, abs=0.01)


def test_rows_and_tokens_are_of_the_training_and_empty_for_a_model(make) -> None:
    found = cells(make())
    assert (found["CFT", "Rows"]["value"], found["CFT", "Tokens"]["value"]) == (1200, 42_345)
    assert found["Base", "Rows"]["value"] is None and found["CFT − best SFT", "Rows"]["value"] is None


def test_max_steps_say_how_often_a_run_went_over_its_rows() -> None:
    training = {"recipe": {"epochs": 1, "max_steps": 64, "global_batch": 4}, "steps": 64}
    assert epochs_of({**training, "counts": {"rows_trained": 64}}) == 4
    assert epochs_of({**training, "counts": {"rows_trained": 96}}) == 2.67
    training["recipe"]["max_steps"] = None
    assert epochs_of({**training, "counts": {"rows_trained": 64}}) == 1


def test_mean_of_seeds_shows_the_spread_beside_the_error(make) -> None:
    rows = [{"name": "SFT", "of": "sft"}, {"name": "CFT", "of": "cft-mean"}]
    out = make(rows=[*rows, {"name": "Δ", "difference": "cft-mean", "best_of": ["sft"]}])
    found = cells(out)
    # gcd: 0.75 and 0.75; lcm: 0.75 and 0.0
    assert found["CFT", "GCD"]["by_seed"] == {"cft": 75, "sft": 75} and found["CFT", "GCD"]["seed_deviation"] == 0
    assert found["CFT", "Average"]["by_seed"] == {"cft": 75, "sft": 37.5}
    assert found["CFT", "Average"]["seed_deviation"] == pytest.approx(26.52, abs=0.01)
    assert found["CFT", "Rows"]["value"] == 1200 and "seed_deviation" not in found["SFT", "GCD"]
    text = out.with_suffix(".md").read_text()
    assert "(26.5)" in text and "the standard deviation over 2 training seeds" in text
    assert "The mean of 2 training seeds: both" in text and "One training seed" not in text


def test_difference_is_to_the_best_of_each_column(make) -> None:
    found = cells(make())
    row = "CFT − best SFT"
    assert found[row, "GCD"]["value"] == 0 and found[row, "lcm"]["value"] == 25
    # sft averages 37.5, sft-verified too: the best average is taken, not the average of the bests.
    assert found[row, "Average"]["value"] == 37.5
    assert found[row, "Average"]["low"] <= 37.5 <= found[row, "Average"]["high"]
    assert found[row, "GCD"]["n"] == 4 and found[row, "Average"]["n"] == 8


def test_difference_has_mcnemars_test_beside_its_interval(make) -> None:
    out = make()
    found, row = cells(out), "CFT − best SFT"
    # lcm: CFT is right on three questions, the best SFT on two of them. All: 2 more than sft-verified on gcd, 1 on lcm;
    # sft and sft-verified average the same, and the first named counts: 0 on gcd and 3 on lcm.
    assert [found[row, "lcm"][key] for key in ("better", "worse", "p")] == [1, 0, 1.0]
    assert [found[row, "Average"][key] for key in ("better", "worse", "p")] == [3, 0, 0.25]
    assert "3 better, 0 worse, p = 0.25" in out.with_suffix(".md").read_text()


def test_markdown_reads_as_a_table_with_title_and_notes(make) -> None:
    text = make().with_suffix(".md").read_text()
    assert text.startswith("**A table**\n\n| Model")
    assert "75.0 ± 21.7" in text and "1,200" in text and "–" in text
    assert "A note." in text and "One training seed" in text
    assert [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")][2:] == [
        row["name"] for row in SETTINGS["rows"]
    ]


def test_csv_holds_values_errors_and_counts(make) -> None:
    with make().with_suffix(".csv").open(encoding="utf-8") as file:
        rows = {(row["row"], row["column"]): row for row in csv.DictReader(file)}
    assert float(rows["SFT", "GCD"]["value"]) == 75 and float(rows["SFT", "GCD"]["se"]) == pytest.approx(
        21.65, abs=0.01
    )
    assert rows["Base", "Rows"]["value"] == "" and rows["SFT", "Average"]["n"] == "8"


def test_latex_has_a_label_and_no_bare_special_characters(make) -> None:
    rows = [{"name": "SFT_verified & 50 %", "of": "sft"}]
    text = make(rows=rows, title="100 % of a_b").with_suffix(".tex").read_text()
    assert r"\label{tab:main}" in text and r"$\pm$" in text
    assert r"SFT\_verified \& 50 \%" in text and r"100 \% of a\_b" in text


def test_columns_follow_the_order_of_the_suite(make) -> None:
    header = make(benchmarks=("lcm", "gcd")).with_suffix(".md").read_text().splitlines()[2]
    assert [heading.strip() for heading in header.split("|")[1:-1]] == [
        "Model",
        "Rows",
        "Epochs",
        "Tokens",
        "lcm",
        "GCD",
        "Average",
    ]


def test_benchmarks_as_rows_show_accuracy_length_and_the_change_of_the_last_step(make) -> None:
    found = cells(make(layout="benchmarks-as-rows", rows=SETTINGS["rows"][:2]))
    assert found["GCD", "Accuracy Base"]["value"] == 25 and found["GCD", "Accuracy SFT"]["value"] == 75
    assert found["GCD", "Accuracy change %"]["value"] == 200
    assert (found["GCD", "Length Base"]["value"], found["GCD", "Length SFT"]["value"]) == (11, 13)
    assert found["GCD", "Length change %"]["value"] == pytest.approx(100 * 2 / 11)
    assert found["GCD", "Length SFT"]["n"] == 3 and found["GCD", "Cut off SFT %"]["value"] == 25
    assert found["lcm", "Accuracy change %"]["value"] is None  # from nothing right
    assert found["lcm", "Accuracy change %"]["gap"] == "a change from 0 has no size"


def test_same_bytes_on_a_second_run(make) -> None:
    first = {file.suffix: file.read_bytes() for file in make().parent.glob("main.*")}
    assert {file.suffix: file.read_bytes() for file in make().parent.glob("main.*")} == first


def test_benchmark_without_a_graded_answer_is_told(make, tmp_path: Path, write_lines) -> None:
    make()
    write_lines("scores/cft/numbers.jsonl", [])
    with pytest.raises(BadInput, match="numbers.json: no graded answer for gcd. Make the file again."):
        scoring.read_scores([f"{tmp_path}/scores/cft/numbers.json"])


def test_best_of_each_column_has_a_star(make) -> None:
    out = make(mark_best=True)
    best = {place for place, cell in cells(out).items() if cell.get("best")}
    assert best == {
        ("SFT", "GCD"),
        ("CFT", "GCD"),
        ("CFT", "lcm"),
        ("CFT", "Average"),
    }  # two with 3 of 4, no difference
    page = out.with_suffix(".md").read_text()
    assert page.count("★") == 5 and "★ marks the best of a column" in page
    assert r"$\star$" in out.with_suffix(".tex").read_text() and "★" in out.with_suffix(".html").read_text()
    assert "★" not in make().with_suffix(".md").read_text()
    level = [{"row": row, "column": "GCD", "value": 3.0, "se": 1.0} for row in ("a", "b")]
    assert best_in_columns(level) == level
