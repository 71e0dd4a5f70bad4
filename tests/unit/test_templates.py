"""Where the prompt ends and the answer begins, under every template that a run may name."""

import pytest

from scripts.lib.cli import ROOT
from scripts.lib.generation import chat
from scripts.lib.generation.prompts import render

TEMPLATES = [None, *sorted(str(path) for path in (ROOT / "prompts" / "templates").glob("*.jinja"))]
PROMPTS = ["prompts/answer.j2", "prompts/long-thought.j2"]


@pytest.fixture(params=TEMPLATES, ids=lambda path: "own" if path is None else path.rpartition("/")[2])
def templated(request, model_folder):
    """The tokenizer under one template."""
    return chat.load_tokenizer(model_folder, request.param)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_row_has_one_end_token_after_the_answer(templated, prompt):
    messages = render(ROOT / prompt, question="What is 3 + 4?")
    answer = chat.answer_ids(templated, "The answer is 7.")
    assert answer.count(templated.eos_token_id) == 1 and answer[-1] == templated.eos_token_id
    asked = templated.decode(chat.prompt_ids(templated, messages))
    assert asked.count("What is 3 + 4?") == 1
    assert not asked.endswith(templated.eos_token), "the assistant's turn must be open"


@pytest.mark.parametrize("prompt", PROMPTS)
def test_template_renders_the_whole_conversation_as_prompt_and_answer_do(templated, prompt):
    messages = render(ROOT / prompt, question="What is 3 + 4?")
    whole = templated.apply_chat_template([*messages, {"role": "assistant", "content": "It is 7."}], tokenize=False)
    split = templated.decode(chat.prompt_ids(templated, messages) + chat.answer_ids(templated, "It is 7."))
    assert whole.startswith(split)


def test_loss_is_on_the_end_token_and_not_on_the_prompt(templated):
    from tests.trainings import tokenised

    row = {"id": "a", "messages": [{"role": "user", "content": "?"}], "completion": "7"}
    rules = {"max_tokens": 1000, "too_long": "error", "end_inside": "error", "loss_on": "answer", "packing": False}
    made, _ = tokenised([row], templated, rules)
    labels = made[0]["labels"]
    answer = chat.answer_ids(templated, "7")
    assert labels[-len(answer) :] == answer and set(labels[: -len(answer)]) == {-100}


def test_zephyr_and_alpaca_have_the_forms_of_the_spin_set_up(model_folder):
    messages = [{"role": "user", "content": "Hello"}]
    zephyr = chat.load_tokenizer(model_folder, ROOT / "prompts" / "templates" / "zephyr.jinja")
    end = zephyr.eos_token
    assert zephyr.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == (
        f"<|system|>\n{end}\n<|user|>\nHello{end}\n<|assistant|>\n"
    )
    alpaca = chat.load_tokenizer(model_folder, ROOT / "prompts" / "templates" / "alpaca.jinja")
    assert alpaca.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == (
        "### Instruction: Hello\n\n### Response: "
    )


def test_sampling_and_training_may_differ(model_folder):
    trained = chat.load_tokenizer(model_folder, ROOT / "prompts" / "templates" / "zephyr.jinja")
    sampled = chat.load_tokenizer(model_folder, ROOT / "prompts" / "templates" / "alpaca.jinja")
    messages = [{"role": "user", "content": "Hello"}]
    assert chat.prompt_ids(trained, messages) != chat.prompt_ids(sampled, messages)
    assert chat.answer_ids(trained, "Hi") == chat.answer_ids(sampled, "Hi")


@pytest.mark.parametrize("split", [False, True])
def test_token_ids_are_those_of_transformers_whatever_was_padded_or_cut_before(model_folder, split):
    tokenizer = chat.load_tokenizer(model_folder)
    tokenizer.split_special_tokens = split
    texts = ["2 + 2?", "", "<|im_end|> Größe\n" * 30]
    expected = tokenizer(texts, add_special_tokens=False)["input_ids"]
    tokenizer(texts, padding=True, truncation=True, max_length=3)
    assert chat.token_ids(tokenizer, texts) == expected
    tokenizer.split_special_tokens = not split
    assert chat.token_ids(tokenizer, texts) == tokenizer(texts, add_special_tokens=False)["input_ids"] != expected
