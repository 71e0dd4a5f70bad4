"""The verdict that a critique states, in the forms in which models write it."""

import pytest

from scripts.lib.grading.verdicts import parse_verdict
from tests import shared_data

STATED = {
    "Step 2 is false. Conclusion: wrong [END]": "wrong",
    "Conclusion: right [END]": "right",
    "Conclusion: Right.": "right",
    "CONCLUSION: WRONG": "wrong",
    "conclusion : right[end]": "right",
    "**Conclusion: wrong [END]**": "wrong",
    "**Conclusion:** right [END]": "right",
    "### Conclusion\n\n**Right** [END]": "right",
    "## Conclusion: *wrong*\n": "wrong",
    "Conclusion - right": "right",
    "Conclusion: \\boxed{wrong} [END]": "wrong",
    "$\\text{Conclusion: right}$": "right",
    "Conclusion: correct [END]": "right",
    "Conclusion: incorrect [END]": "wrong",
    "Conclusion: not wrong [END]": "right",
    "Conclusion: not right [END]": "wrong",
    "Conclusion: isn't correct [END]": "wrong",
    "Conclusion: wrong, the right answer is 5 [END]": "wrong",
    "Conclusion: right. There is nothing wrong here.": "right",
    "Correctness of the final answer: Wrong\nExplanation: correct would be 3": "wrong",
    "Final verdict: right": "right",
    "### Conclusion\nThe student's solution is **wrong** because of step 2. The correct answer is 3. [END]": "wrong",
    "### Conclusion:\n\nThe method is correct but for the root.\n\n**Conclusion: wrong [END]**": "wrong",
    'I close with "Conclusion: right/wrong [END]" as asked. Step 1 fails. Conclusion: wrong [END]': "wrong",
    'The line is "Conclusion: right [END]" or "Conclusion: wrong [END]".\nConclusion: wrong [END]': "wrong",
    '"Conclusion: right [END]"': "right",
    "`Conclusion: wrong [END]`": "wrong",
    "Conclusion: This is correct. [END]": "right",
    "Conclusion: the student's answer is right [END]": "right",
    "Conclusion: The answer 5 is wrong; it should be 7. [END]": "wrong",
    "Conclusion: The final answer is not right. [END]": "wrong",
    "Conclusion: no, wrong [END]": "wrong",
    "Conclusion: yes, right [END]": "right",
    "Conclusion: anything but right": "wrong",
    "Conclusion: inaccurate [END]": "wrong",
    "<think>So far: Conclusion: right</think>Step 3 fails. Conclusion: wrong [END]": "wrong",
    "<think>Conclusion: right</think>": "right",
    # The student's own words below the critique's conclusion do not count: no colon, no line of its own.
    "Conclusion: right [END] In conclusion the wrong way is long.": "right",
}
NOT_STATED = [
    "",
    "The solution is right.",
    "In conclusion, we see that the answer is wrong.",
    "Conclusion: right/wrong [END]",
    "Conclusion: right or wrong [END]",
    "Conclusion: right and wrong [END]",
    "Conclusion: partly right [END]",
    "Conclusion: the answer is 5 [END]",
    "Conclusion: [END]",
    "Conclusion: right [END]\nConclusion: wrong [END]",
    'Close with "Conclusion: right [END]" if you agree.',
    "### Conclusion\nThe solution is correct, and the answer is wrong in one place.",
    "Conclusion: copyright [END]",
    "Conclusion: right wrong [END]",
    "Conclusion: neither right nor wrong [END]",
    "Conclusion: not necessarily wrong [END]",
    "Conclusion: I am not sure whether it is right [END]",
    "Conclusion: right? [END]",
    "Conclusion: the correct answer is 7 [END]",
    "Conclusion: right-hand side is 3 [END]",
    "Conclusion: wrong. Wait, no. Conclusion: right [END]",
]


@pytest.mark.parametrize("text", STATED)
def test_stated_verdict_is_read(text: str) -> None:
    assert parse_verdict(text) == STATED[text]


@pytest.mark.parametrize("text", NOT_STATED)
def test_nothing_is_guessed(text: str) -> None:
    assert parse_verdict(text) is None


def test_long_text_without_end_is_read_in_linear_time() -> None:
    assert parse_verdict("Conclusion " + "* " * 50_000 + "## " * 50_000) is None


@pytest.mark.parametrize("name", ["cft_oneshot/dsr_cft.jsonl.gz", "mathcritique/samples.jsonl"])
def test_real_critiques_have_their_recorded_verdicts(name: str) -> None:
    recorded = [row for row in shared_data.rows(name) if row.get("critique_verdict")]
    named = {"correct": "right"}  # what one set calls it
    differ = [
        row["id"]
        for row in recorded
        if parse_verdict(row["critique"]) != named.get(row["critique_verdict"], row["critique_verdict"])
    ]
    assert recorded and not differ
