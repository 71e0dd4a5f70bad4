"""Prompt files: blocks become messages, and mistakes in a file are told with its name."""

from pathlib import Path

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.generation.prompts import hashes, render
from scripts.lib.jsonl import BadInput, file_hash


@pytest.fixture
def prompt(tmp_path: Path):
    def write(text: str) -> Path:
        (tmp_path / "p.j2").write_text(text, encoding="utf-8")
        return tmp_path / "p.j2"

    return write


def refusal(path: Path, **values) -> str:
    with pytest.raises(BadInput) as caught:
        render(path, **values)
    return str(caught.value)


def test_blocks_become_messages_in_order(prompt) -> None:
    file = prompt("{% block user %}Q: {{ question }}\n{% endblock %}{% block system %}Be brief.{% endblock %}")
    assert render(file, question="2 + 2?") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Q: 2 + 2?"},
    ]


def test_system_block_may_be_missing(prompt) -> None:
    assert [message["role"] for message in render(prompt("{% block user %}x{% endblock %}"))] == ["user"]


def test_values_are_data_and_never_markup(prompt) -> None:
    file = prompt("{% block user %}{{ question }}{% endblock %}")
    for text in ("{{ 7 * 7 }}", "a < b & c", "{% block user %}", "\\frac{1}{2}"):
        assert render(file, question=text)[0]["content"] == text


def test_name_without_a_value_is_told_with_the_names_that_have_one(prompt) -> None:
    found = refusal(prompt("{% block user %}{{ qestion }}{% endblock %}"), question="x", response="y")
    assert "p.j2: 'qestion' is undefined" in found and "may use: question, response" in found


def test_syntax_error_is_told_with_its_line(prompt) -> None:
    assert "p.j2, line 2: " in refusal(prompt("{% block user %}\n{{ question }{% endblock %}"), question="x")


def test_missing_user_block_is_told(prompt) -> None:
    assert "no block named user" in refusal(prompt("{{ question }}"), question="x")


def test_missing_file_is_told(tmp_path: Path) -> None:
    assert "none.j2: there is no such prompt file" in refusal(tmp_path / "none.j2")


def test_hashes_are_by_path_without_the_missing_ones(prompt) -> None:
    file = str(prompt("{% block user %}x{% endblock %}"))
    assert hashes([file, None, file]) == {file: file_hash(file)}


@pytest.mark.parametrize("file", sorted((ROOT / "prompts").glob("*.j2")), ids=lambda file: file.name)
def test_prompts_of_the_project_render(file: Path) -> None:
    row = {"question": "What is 2 + 2?", "response": "It is 5.", "critique": "2 + 2 = 4."}
    messages = render(file, **row, system="Think.", choices=["4", "5"], turns=[row])
    assert "What is 2 + 2?" in messages[-1]["content"]


def test_half_of_a_surrogate_pair_is_told_with_the_file(prompt) -> None:
    said = refusal(prompt('{% block user %}{{ "\\ud800" }}{% endblock %}'))
    assert "p.j2: it writes half of a surrogate pair. Write the character itself." in said


def test_file_that_is_not_utf8_is_told(prompt) -> None:
    file = prompt("")
    file.write_bytes("{% block user %}größe{% endblock %}".encode("latin-1"))
    assert "p.j2: not UTF-8 text" in refusal(file) and "Convert the file to UTF-8" in refusal(file)
    assert set(hashes([str(file)])) == {str(file)}
