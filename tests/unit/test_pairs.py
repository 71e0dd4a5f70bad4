"""Pairs: what is chosen, what is rejected, and what is left out and counted."""

from scripts.lib.training import pairs
from scripts.lib.training.stored import Row


def response(question: str, sample: int, text: str, correct: bool | None, **more) -> Row:
    name = {"id": f"{question}#{sample}", "question_id": question, "question": f"{question}?"}
    return Row({**name, "response": text, "correct": correct, **more})


def in_order(row: Row) -> float:
    return int(row["id"].rpartition("#")[2]) if "#" in row["id"] else 0


def test_graded_pairs_contrast_right_and_wrong_answers_of_one_question():
    rows = [
        response("a", 0, "wrong 1", False),
        response("a", 1, "right 1", True),
        response("a", 2, "right 2", True),
        response("b", 0, "only right", True),
        response("c", 0, "ungraded", None),
        response("d", 0, "right", True),
        response("d", 1, "failed", False, error="empty response"),
    ]
    made, counts = pairs.graded_pairs(rows, in_order, per_question=2)
    assert [(pair["chosen"], pair["rejected"]) for pair in made] == [("right 1", "wrong 1")]
    assert counts == {"equal_texts": 0, "questions_without_contrast": 2}


def test_graded_pairs_use_no_response_twice():
    rows = [response("a", n, f"text {n}", n % 2 == 0) for n in range(6)]
    made, _ = pairs.graded_pairs(rows, in_order, per_question=2)
    assert len(made) == 2 and len({pair["chosen"] for pair in made} | {pair["rejected"] for pair in made}) == 4


def test_self_play_prefers_the_dataset_and_drops_equal_texts():
    rows = [
        response("a", 0, "mine", False, solution="theirs"),
        response("b", 0, "same ", True, solution=" same"),
        response("c", 0, " ", False, solution="theirs"),
        response("d", 0, "no solution", False),
    ]
    made, counts = pairs.self_play_pairs(rows, iteration=1)
    assert [(pair["id"], pair["chosen"], pair["rejected"]) for pair in made] == [("t1:a#0", "theirs", "mine")]
    assert counts == {"equal_texts": 1, "empty_or_without_solution": 2}


def side(question: str, text: str, answer: str | None = None, sample: int = 0) -> Row:
    name = {"id": f"{question}#{sample}", "question_id": question, "question": f"{question}?"}
    return Row({**name, "answer": answer, "text": text})


LONG = [
    side("a", "First 1 + 1 = 2, then 2 + 2 = 4. The answer is 4.", "4"),
    side("b", "At length: the answer is 5.", "6"),
    side("c", "At length: the answer is 7.", "7"),
]
SHORT = [side("a", "The answer is 4."), side("b", "The answer is 5."), side("c", "The answer is 8.")]


def test_agreeing_pairs_compare_the_two_answers():
    made, counts = pairs.length_pairs(LONG, SHORT, "agree", 0, in_order)
    assert [pair["id"] for pair in made] == ["a", "b"] and counts["filtered_out"] == 1


def test_both_right_pairs_compare_with_the_reference():
    made, _ = pairs.length_pairs(LONG, SHORT, "both-right", 0, in_order)
    assert [pair["id"] for pair in made] == ["a"]
    assert made[0]["chosen"].startswith("First") and made[0]["rejected"] == "The answer is 4."


def test_format_only_adds_pairs_that_differ_but_have_a_result():
    short = [*SHORT[:2], side("c", "I cannot say.")]
    assert len(pairs.length_pairs(LONG, SHORT, "agree", 1, in_order)[0]) == 3
    made, counts = pairs.length_pairs(LONG, short, "agree", 1, in_order)
    assert len(made) == 2 and counts["format_only"] == 0


def test_format_only_pairs_are_drawn_not_the_first_of_the_file():
    last_first = lambda pair: -ord(pair.get("id", pair["question_id"])[0])  # noqa: E731
    wrong = [side(name, "The answer is 9.") for name in "abc"]
    made, counts = pairs.length_pairs(LONG, wrong, "agree", 1, last_first)
    assert [pair["id"] for pair in made] == ["c"] and counts["format_only"] == 1


def test_a_row_s_system_message_stays_with_its_pair():
    long = [LONG[0] | {"system": "Think at length."}]
    assert pairs.length_pairs(long, SHORT, "agree", 0, in_order)[0][0]["system"] == "Think at length."


def test_second_short_answer_is_taken_where_the_first_does_not_fit():
    short = [side("a", "The answer is 9.", sample=0), side("a", "The answer is 4.", sample=1)]
    made, _ = pairs.length_pairs(LONG[:1], short, "both-right", 0, in_order)
    assert made[0]["rejected"] == "The answer is 4."


def test_length_gap_takes_the_bottom_the_middle_or_the_top():
    made = [{"id": str(n)} for n in range(9)]
    lengths = [10, 30, 20, 50, 40, 60, 90, 80, 70]
    chosen = {
        where: [p["id"] for p in pairs.length_gap(made, lengths, where, 3)] for where in ("short", "middle", "long")
    }
    assert chosen == {"short": ["0", "2", "1"], "middle": ["4", "3", "5"], "long": ["8", "7", "6"]}
