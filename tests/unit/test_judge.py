"""Conversations of two turns, and a judge that rates them: the loopback server."""

import json
from pathlib import Path

import pytest

from scripts import generate_turns, judge_turns
from scripts.lib.cli import ROOT
from scripts.lib.jsonl import BadInput, read_json, read_rows, write_rows
from scripts.lib.questions.sources import prepare
from scripts.lib.teachers.ratings import judge_request, parse_rating
from tests import shared_data
from tests.fault_server import FaultServer
from tests.teacher_desk import KEY, LIMITS, TEACHER

JUDGE = {**TEACHER, "judge_prompt": str(ROOT / "prompts" / "judge.j2")}
QUESTIONS = [
    {"id": "q1", "question": "Hi?", "subject": "writing", "turns": ["Hi?", "Shorter."]},
    {"id": "q2", "question": "1+1?", "subject": "math", "turns": ["1+1?", "And 2+2?"], "reference": ["two", "four"]},
]


@pytest.mark.parametrize(
    ("text", "rating"),
    [
        ("Good. Rating: [[7]]", 7.0),
        ("Rating: [[7.5]], as said: [[7.5]]", 7.5),
        ("[[ 9 ]]", 9.0),
        ("Rating: [[8/10]]", 8.0),
        ("Rating: 7", None),
        ("Rating: [7]", None),
        ("first [[3]], then [[8]]", None),
        ("[[0]]", None),
        ("[[11]]", None),
        ("[[rating]]", None),
        ("", None),
    ],
)
def test_rating_is_read_from_double_brackets(text: str, rating: float | None) -> None:
    assert parse_rating(text) == rating


def test_judge_sees_the_turns_so_far_with_their_references() -> None:
    first = judge_request(JUDGE, QUESTIONS[1], ["It is 2."]).messages[-1]["content"]
    assert "It is 2." in first and "two" in first and "four" not in first and "And 2+2?" not in first
    second = judge_request(JUDGE, QUESTIONS[1], ["It is 2.", "It is 5."]).messages[-1]["content"]
    places = [second.index(text) for text in ("1+1?", "two", "It is 2.", "And 2+2?", "four", "It is 5.")]
    assert places == sorted(places) and "last question" in second and "last question" not in first
    assert "reference" not in judge_request(JUDGE, QUESTIONS[0], ["Hello."]).messages[-1]["content"]


def test_all_real_questions_are_prepared_and_asked() -> None:
    path = str(shared_data.path("mt_bench/questions.jsonl"))
    fields = {name: name for name in ("id", "question", "subject", "turns", "reference")}
    questions, _ = prepare({"source": "jsonl", "path": path, "fields": fields, "rows": None})
    assert len(questions) == 80 and {len(question["turns"]) for question in questions} == {2}
    keys = {judge_request(JUDGE, question, ["A.", "B."][:turn]).key for question in questions for turn in (1, 2)}
    assert len(keys) == 160


class Talks:
    """Conversations of a tiny model about two questions, in a folder of their own."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.model = folder, model
        write_rows(folder / "mt.jsonl", QUESTIONS)

    def hold(self) -> list[dict]:
        """The turns' rows."""
        benchmark = {
            **{"prompt": str(ROOT / "prompts" / "answer.j2"), "template": None, "temperature": 0.0, "top_p": 1.0},
            **{"temperature_by_subject": {"writing": 0.7}, "max_tokens": 8, "seed": 0},
        }
        engine = {"kind": "transformers", "dtype": "float32", "chunk_rows": 1}
        named = {
            "--settings": json.dumps({"engine": engine, "benchmark": benchmark}),
            "--benchmark": self.folder / "mt.jsonl",
            "--model": self.model,
            "--state": self.folder / "state",
            "--turns": self.folder / "turns.jsonl",
        }
        arguments = [str(word) for pair in named.items() for word in pair]
        assert generate_turns.main(generate_turns.parse_args(arguments)) == 0
        return read_rows(self.folder / "turns.jsonl")

    def judge(self, server: FaultServer, reference_subjects=None, **limits) -> tuple[dict, list[dict]]:
        """(summary, rows) of the judge."""
        named = {
            "--settings": json.dumps({"teacher": JUDGE, "reference_subjects": reference_subjects}),
            "--limits": json.dumps({**LIMITS, "base_url": server.url, "max_errors": 0.5, **limits}),
            "--turns": self.folder / "turns.jsonl",
            "--benchmark": self.folder / "mt.jsonl",
            "--state": self.folder / "teachers",
            "--graded": self.folder / "scores.jsonl",
            "--summary": self.folder / "scores.json",
        }
        arguments = [str(word) for pair in named.items() for word in pair]
        assert judge_turns.main(judge_turns.parse_args(arguments)) == 0
        return read_json(self.folder / "scores.json"), read_rows(self.folder / "scores.jsonl")


@pytest.fixture
def talks(tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Talks:
    monkeypatch.setenv("REDPEN_TEST_KEY", KEY)
    return Talks(tmp_path, model_folder)


def test_second_turn_is_asked_with_the_first_answer_in_the_conversation(talks: Talks, monkeypatch) -> None:
    from scripts.lib.generation.generator import Generator

    seen = []

    def replies(self, conversations, entry):
        seen.extend((entry["temperature"], [dict(message) for message in talk]) for talk in conversations)
        return original(self, conversations, entry)

    original = Generator.replies
    monkeypatch.setattr(Generator, "replies", replies)
    rows = talks.hold()
    assert [row["id"] for row in rows] == ["q1#turn1", "q1#turn2", "q2#turn1", "q2#turn2"]
    said = {row["id"]: row["response"] for row in rows}
    assert (0.7, [
        {"role": "user", "content": "Hi?"},
        {"role": "assistant", "content": said["q1#turn1"]},
        {"role": "user", "content": "Shorter."},
    ]) in seen  # fmt: skip
    assert {temperature for temperature, talk in seen if talk[0]["content"] == "1+1?"} == {0.0}


def test_killed_conversations_go_on_with_the_same_bytes(talks: Talks, monkeypatch) -> None:
    from scripts.lib.generation.engines.transformers_engine import TransformersEngine

    whole = talks.hold()
    journal = talks.folder / "state" / "chunks.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    journal.write_bytes(b"".join(lines[:3]) + lines[3][:20])  # killed while it wrote the last chunk
    made = []
    original = TransformersEngine.generate
    monkeypatch.setattr(
        TransformersEngine,
        "generate",
        lambda self, prompts, *rest: made.extend(prompts) or original(self, prompts, *rest),
    )
    assert talks.hold() == whole and len(made) == 1


def test_score_is_the_mean_rating_and_a_judgement_without_one_keeps_its_place(talks: Talks) -> None:
    def answer(text: str) -> tuple[str, str]:
        if "And 2+2?" in text:
            return "I cannot say.", "stop"
        return ("Rating: [[9]]" if "Shorter." in text else "Rating: [[4]]"), "stop"

    talks.hold()
    with FaultServer(answer=answer, share=0.3) as server:
        summary, rows = talks.judge(server)
        score = summary["benchmarks"]["mt"]
        assert score["out_of"] == 10 and score["questions"] == 2 and score["responses"] == 4
        assert score["accuracy"] == pytest.approx(((4 + 9) / 2 + 4) / 2 / 10)
        assert [row["rating"] for row in rows] == [4, 9, 4, None]
        assert rows[3]["error"] == "the judgement states no rating that can be read" and rows[3]["judgement"]
        assert (score["turn_1"], score["turn_2"], score["turn_1_standard_error"]) == (4.0, 9.0, 0.0)
        assert summary["by_subject"] == {"math": 4.0, "writing": 6.5}
        assert summary["answers_used"] == 4 and summary["cost_usd"] > 0
        asked = sum(server.seen.values())
        assert talks.judge(server)[1] == rows and sum(server.seen.values()) == asked, "asked again what was paid for"
        with pytest.raises(BadInput, match="1 of 4 rows have no usable answer, more than max_errors = 0.1"):
            talks.judge(server, max_errors=0.1)


def test_references_are_shown_for_the_subjects_named(talks: Talks) -> None:
    talks.hold()
    with FaultServer(answer=lambda text: ("[[5]]", "stop"), keep_bodies=True) as server:
        talks.judge(server, reference_subjects=["coding"])
        assert len(server.bodies) == 4 and "four" not in json.dumps(server.bodies)


def test_budget_stops_the_judge_before_its_first_request(talks: Talks) -> None:
    talks.hold()
    with FaultServer(answer=lambda text: ("[[5]]", "stop")) as server:
        with pytest.raises(BadInput, match="No request was made"):
            talks.judge(server, budget=1e-6)
        assert not server.seen
