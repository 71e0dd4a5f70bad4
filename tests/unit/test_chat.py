"""Where the prompt ends and the answer begins."""

import copy
import json
from pathlib import Path

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.generation.chat import answer_ids, load_tokenizer, prompt_ids
from scripts.lib.jsonl import BadInput
from tests import shared_data
from tests.trainings import tokenised

QUESTION = [{"role": "user", "content": "2 + 2?"}]
PLAIN = (
    "{% for m in messages %}{{ 'A: ' if m['role'] == 'assistant' else 'Q: ' }}{{ m['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}A: {% endif %}"
)


def written(folder: Path, template: str) -> Path:
    """A template file."""
    (folder / "t.jinja").write_text(template)
    return folder / "t.jinja"


def base_model(tokenizer, folder: Path, template: str | None = None) -> Path:
    """A tokenizer's folder in the manner of base models: its files name `<|endoftext|>` as the end."""
    base = copy.deepcopy(tokenizer)
    base.add_special_tokens({"eos_token": "<|endoftext|>"})
    base.chat_template = template or base.chat_template
    base.save_pretrained(folder)
    return folder


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
    tokenizer = load_tokenizer(model_folder, written(tmp_path, PLAIN))
    assert tokenizer.decode(prompt_ids(tokenizer, QUESTION)) == "Q: 2 + 2?\nA: "


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
    if missing == "eos_token":  # nor does the template name one
        (tmp_path / "chat_template.jinja").write_text(PLAIN)
    with pytest.raises(BadInput) as caught:
        load_tokenizer(tmp_path)
    assert part in str(caught.value) and str(tmp_path) in str(caught.value)


# --- the end follows the template -----------------------------------------------------------------------------------


@pytest.mark.parametrize("template", [None, ROOT / "prompts" / "templates" / "qwen.jinja"], ids=["its own", "a file"])
def test_end_token_is_the_one_that_the_template_puts_after_an_answer(template, tokenizer, tmp_path: Path) -> None:
    loaded = load_tokenizer(base_model(tokenizer, tmp_path), template)
    assert loaded.eos_token == "<|im_end|>" and loaded.decode(answer_ids(loaded, "4")) == "4<|im_end|>"


@pytest.mark.parametrize("template", ["zephyr", "alpaca", "deepseek-math", "plain"])
def test_template_that_ends_in_the_tokenizers_own_end_token_keeps_it(template, tokenizer, tmp_path: Path) -> None:
    loaded = load_tokenizer(base_model(tokenizer, tmp_path), ROOT / "prompts" / "templates" / f"{template}.jinja")
    assert loaded.eos_token == "<|endoftext|>"


def test_template_without_an_end_leaves_the_tokenizers_own(tokenizer, tmp_path: Path) -> None:
    assert load_tokenizer(base_model(tokenizer, tmp_path, PLAIN)).eos_token == "<|endoftext|>"


@pytest.mark.parametrize("own_end", ["<|endoftext|>", "<|im_end|>"])
def test_real_rows_end_as_the_cft_authors_rows_do(own_end, tokenizer, tmp_path: Path) -> None:
    """LLaMA-Factory's template `qwen`: default system line, `<|im_end|>` as the end, loss on the answer and no more."""
    base = base_model(tokenizer, tmp_path) if own_end == "<|endoftext|>" else None
    tokenizer.save_pretrained(tmp_path) if base is None else None
    loaded = load_tokenizer(tmp_path, ROOT / "prompts" / "templates" / "qwen.jinja")
    real = [
        {"id": f"{row['id']} {key}", "messages": [{"role": "user", "content": asked}], "completion": row[key]}
        for row in shared_data.rows("cft_webinstruct_sample/samples.jsonl")
        for asked, key in ((row["question"], "response"), (f"{row['question']}\n{row['response']}", "critique"))
    ]
    assert len(real) == 40
    rules = {"max_tokens": 10**6, "too_long": "error", "end_inside": "error", "loss_on": "answer", "packing": False}
    made, _ = tokenised(real, loaded, rules)
    end = loaded.convert_tokens_to_ids("<|im_end|>")
    for row, given in zip(made, real, strict=True):
        asked = given["messages"][0]["content"]
        text = (
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            f"<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n"
        )
        prompt, answer = (loaded(part, add_special_tokens=False)["input_ids"] for part in (text, given["completion"]))
        assert row["input_ids"] == [*prompt, *answer, end]
        assert row["labels"] == [-100] * len(prompt) + [*answer, end]


# --- templates that do not fit --------------------------------------------------------------------------------------


def test_template_that_refuses_a_system_message_is_told(model_folder: Path, tmp_path: Path) -> None:
    refuses = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + PLAIN
    loaded = load_tokenizer(model_folder, written(tmp_path, refuses))
    with pytest.raises(BadInput, match="refuses a conversation of system, user: no system role.*Name another one"):
        prompt_ids(loaded, [{"role": "system", "content": "Be brief."}, *QUESTION])


def test_template_that_leaves_out_the_system_message_is_told(model_folder: Path, tmp_path: Path) -> None:
    deaf = PLAIN.replace("{{ 'A: ' if", "{% if m['role'] != 'system' %}{{ 'A: ' if").replace(
        "{% endfor", "{% endif %}{% endfor"
    )
    loaded = load_tokenizer(model_folder, written(tmp_path, deaf))
    assert prompt_ids(loaded, QUESTION)
    with pytest.raises(BadInput, match="leaves out the system message 'Be brief.'"):
        prompt_ids(loaded, [{"role": "system", "content": "Be brief."}, *QUESTION])


def test_template_that_ignores_add_generation_prompt_is_told(model_folder: Path, tmp_path: Path) -> None:
    closed = PLAIN.partition("{% if add_generation_prompt")[0]
    with pytest.raises(BadInput, match="t.jinja: the chat template ignores add_generation_prompt"):
        load_tokenizer(model_folder, written(tmp_path, closed))


# What published templates look like, shortened: the prompt's end, and the token that ends an answer.
PUBLISHED = {
    "Llama 2": (
        "{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
        "{% else %} {{ m['content'] }} {{ eos_token }}{% endif %}{% endfor %}",
        "[INST] 2 + 2? [/INST]",
        "<|endoftext|>",
    ),
    "Mistral": (
        "{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
        "{% else %}{{ m['content'] + eos_token }}{% endif %}{% endfor %}",
        "[INST] 2 + 2? [/INST]",
        "<|endoftext|>",
    ),
    "DeepSeek-R1": (
        "{% for m in messages %}{% if m['role'] == 'user' %}<User>{{ m['content'] }}"
        "{% else %}<Assistant>{{ m['content'].split('</think>')[-1] + '<|im_end|>' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<Assistant><think>\n{% endif %}",
        "<User>2 + 2?<Assistant><think>\n",
        "<|im_end|>",
    ),
    "Qwen3": (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['role'] == 'assistant' %}<think>\n\n</think>\n\n"
        "{% endif %}{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        "<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n",
        "<|im_end|>",
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_forms_of_templates_are_taken(name, tokenizer, tmp_path: Path) -> None:
    template, prompt, end = PUBLISHED[name]
    loaded = load_tokenizer(base_model(tokenizer, tmp_path, template))
    assert loaded.decode(prompt_ids(loaded, QUESTION)) == prompt and loaded.eos_token == end
