"""The mean of several seeds of one run, as the scores of one checkpoint."""

from pathlib import Path

import pytest

from scripts import average_seeds
from scripts.lib.grading.scoring import read_scores, summarise
from scripts.lib.jsonl import BadInput, read_json, read_rows, write_json


@pytest.fixture
def average(tmp_path: Path, write_lines):
    """A function that averages seeds (question to right or wrong, each) and returns the summary's path."""

    def run(*seeds: dict[str, bool], validation: tuple = ()) -> Path:
        files = []
        for number, verdicts in enumerate(seeds, 1):
            rows = [
                {"id": f"gcd/{question}#0", "benchmark": "gcd", "question_id": question, "correct": right, "tokens": 4}
                | {
                    "authors_cft": right,
                    "authors_thinkpo": right,
                    "math_verify": True,
                    "finished": number == 1,
                    "extracted": "1",
                }
                | ({"validation": True} if question in validation else {})
                for question, right in verdicts.items()
            ]
            files.append(tmp_path / f"scores/cft-s{number}/all.json")
            write_json(files[-1], {"benchmarks": {"gcd": summarise(rows)}})
            write_lines(f"scores/cft-s{number}/all.jsonl", rows)
        out = tmp_path / "scores/cft/all.json"
        flags = ["--graded", str(out.with_suffix(".jsonl")), "--summary", str(out)]
        assert average_seeds.main(average_seeds.parse_args(["--scores", *map(str, files), *flags])) == 0
        return out

    return run


def test_accuracy_is_the_mean_of_the_seeds_and_its_error_is_clustered_by_question(average) -> None:
    out = average({"a": True, "b": False, "c": True}, {"a": True, "b": True, "c": False})
    found = read_json(out)["benchmarks"]["gcd"]
    # Shares 1, 1/2 and 1/2: mean 2/3, variance 1/18, error sqrt(1 / 18 / 3).
    assert found["accuracy"] == pytest.approx(2 / 3) and found["standard_error"] == pytest.approx((1 / 54) ** 0.5)
    assert found["seeds"] == {"cft-s1": pytest.approx(2 / 3), "cft-s2": pytest.approx(2 / 3)}
    assert found["seed_deviation"] == pytest.approx(0)
    assert (found["questions"], found["responses"], found["cut_off"], found["cut_off_share"]) == (3, 6, 3, 0.5)
    assert found["verdicts"]["math-verify"]["accuracy"] == 1


def test_figure_that_a_seed_has_not_stays_in_the_summary() -> None:
    judged = {"accuracy": 0.5, "responses": 2, "mean_tokens_finished": 4.0, "balanced_accuracy": 0.5}
    none = judged | {"mean_tokens_finished": None, "balanced_accuracy": None}
    for seeds in ([judged, none], [none, judged]):
        found = average_seeds.average(seeds, [])
        # The length is that of answers that ended: those of the other seed.
        assert found["mean_tokens_finished"] == 4 and found["responses"] == 4
        assert found["balanced_accuracy"] is None and found["seed_deviation"] == 0
    assert average_seeds.average([none, none], [])["mean_tokens_finished"] is None


def test_spread_of_the_seeds_is_told(average) -> None:
    found = read_json(average({"a": True, "b": True}, {"a": False, "b": False}))["benchmarks"]["gcd"]
    assert found["accuracy"] == 0.5 and found["standard_error"] == 0
    assert found["seed_deviation"] == pytest.approx(0.5**0.5)


def test_answers_keep_their_seed_and_are_read_like_any_checkpoints(average) -> None:
    out = average({"a": True, "b": False}, {"a": True, "b": True}, validation=("a",))
    rows = read_rows(out.with_suffix(".jsonl"))
    assert [row["id"] for row in rows] == ["cft-s1/gcd/a#0", "cft-s1/gcd/b#0", "cft-s2/gcd/a#0", "cft-s2/gcd/b#0"]
    assert read_scores([out])["cft"]["gcd"]["shares"].tolist() == [0.5]
    assert read_json(out)["benchmarks"]["gcd"]["with_validation"]["accuracy"] == 0.75


def test_seeds_that_were_asked_other_questions_are_refused(average) -> None:
    with pytest.raises(BadInput, match="gcd: cft-s1, cft-s2 were not asked the same questions"):
        average({"a": True}, {"b": True})
