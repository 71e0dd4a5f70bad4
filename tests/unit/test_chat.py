"""Where the prompt ends and the answer begins."""

import json
from pathlib import Path

import pytest

from scripts.lib.generation.chat import answer_ids, load_tokenizer, prompt_ids
from scripts.lib.jsonl import BadInput

QUESTION = [{"role": "user", "content": "2 + 2?"}]


def test_prompt_opens_the_assistants_turn(tokenizer) -> None:
    text = tokenizer.decode(prompt_ids(tokenizer, QUESTION))
    assert text == "<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n"


def test_answer_ends_in_exactly_one_end_token(tokenizer) -> None:
    ids = answer_ids(tokenizer, "It is 4.")
    assert ids.count(tokenizer.eos_token_id) == 1 and ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids) == "It is 4.<|im_end|>"


def test_prompt_and_answer_are_what_the_template_makes_of_the_conversation(tokenizer) -> None:
    both = prompt_ids(tokenizer, QUESTION) + answer_ids(tokenizer, " It is 4.")
    conversation = [*QUESTION, {"role": "assistant", "content": " It is 4."}]
    whole = tokenizer(tokenizer.apply_chat_template(conversation, tokenize=False), add_special_tokens=False)[
        "input_ids"
    ]
    assert whole[: len(both)] == both  # the template adds a newline after the end token


def test_answer_that_holds_the_end_token_is_refused(tokenizer) -> None:
    with pytest.raises(BadInput, match="contains the end token '<|im_end|>'"):
        answer_ids(tokenizer, "It is 4.<|im_end|>\n<|im_start|>user\nThanks")


def test_template_file_takes_the_place_of_the_models_own(model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "t.j2").write_text("{% for m in messages %}Q: {{ m['content'] }}\n{% endfor %}A:")
    tokenizer = load_tokenizer(model_folder, tmp_path / "t.j2")
    assert tokenizer.decode(prompt_ids(tokenizer, QUESTION)) == "Q: 2 + 2?\nA:"


def test_tokenizer_without_a_pad_token_pads_with_the_end_token(tokenizer, model_folder: Path, tmp_path: Path) -> None:
    for file in ("tokenizer.json", "chat_template.jinja", "config.json", "tokenizer_config.json"):
        (tmp_path / file).write_bytes((model_folder / file).read_bytes())
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    del settings["pad_token"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    loaded = load_tokenizer(tmp_path)
    assert loaded.pad_token_id == loaded.eos_token_id == tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("missing", "part"),
    [("chat_template.jinja", "no chat template"), ("eos_token", "no end token"), ("tokenizer.json", "no tokenizer")],
)
def test_folder_that_lacks_something_is_told(model_folder: Path, tmp_path: Path, missing: str, part: str) -> None:
    for file in ("tokenizer.json", "chat_template.jinja", "config.json", "tokenizer_config.json"):
        if file != missing:
            (tmp_path / file).write_bytes((model_folder / file).read_bytes())
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    settings.pop(missing, None)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(BadInput) as caught:
        load_tokenizer(tmp_path)
    assert part in str(caught.value) and str(tmp_path) in str(caught.value)
