"""Fixtures that several tests share: a small valid config, a tiny tokenizer and a tiny model made on the spot."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.slow import Slow
from tests.warm import Warm

SMALL_STUDY = """
study: small
engine: cpu
engines: {cpu: {kind: transformers}}
models: {base: {source: folder, path: base, family: llama}}
datasets: {sums: {source: reasoning-gym, tasks: {chain_sum: {}}, rows: 40, seed: 1}}
responses: {sums-self: {dataset: sums, model: base, prompt: ask.j2, samples: 4}}
teachers: {verifier: {kind: verifier}}
critiques: {sums-verifier: {responses: sums-self, teacher: verifier}}
recipes: {short: {learning_rate: 1.0e-3, global_batch: 8, max_tokens: 128, candidate_steps: [1, 5]}}
runs:
  sft: {method: sft, start: base, recipe: short, prompt: ask.j2, data: {responses: sums-self, keep: correct, rows: 20}}
  cft: {method: cft, start: base, recipe: short, prompt: ask.j2, data: {critiques: sums-verifier}}
benchmarks:
  gcd: {kind: math, prompt: ask.j2, questions: {source: reasoning-gym, tasks: {gcd: {}}, rows: 20, seed: 2}}
suites: {numbers: [gcd]}
tables: {main: {title: Main, suites: [numbers], rows: [{name: Base, of: base}, {name: CFT, of: cft}]}}
"""

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Slow())


def merged(below: dict, above: dict) -> dict:
    """`above` laid over `below`."""
    both = {**below, **above}
    return {
        key: merged(below[key], value) if isinstance(value, dict) and isinstance(below.get(key), dict) else value
        for key, value in both.items()
    }


class SmallStudy:
    """A minimal valid config in a folder of its own, to be changed by a few lines of YAML."""

    def resolve(self, changes: str = "", *more: str, overrides: dict | None = None) -> dict:
        """The resolved study of config.yaml with `changes`, of more files (each a text), and of overrides."""
        from scripts.lib.study.resolve import resolve

        config = merged(yaml.safe_load(SMALL_STUDY), yaml.safe_load(changes) or {})
        Path("config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        files = ["config.yaml"]
        for number, text in enumerate(more, 1):
            files.append(f"more{number}.yaml")
            Path(files[-1]).write_text(text, encoding="utf-8")
        return resolve(files, overrides)

    def mistakes(self, changes: str = "", *more: str, overrides: dict | None = None) -> list[str]:
        """What `resolve` finds wrong; fails where it finds nothing."""
        from scripts.lib.study.resolve import ConfigError

        with pytest.raises(ConfigError) as caught:
            self.resolve(changes, *more, overrides=overrides)
        return caught.value.mistakes

    def mistake(self, changes: str = "", *more: str, overrides: dict | None = None) -> str:
        """The one thing that `resolve` finds wrong."""
        found = self.mistakes(changes, *more, overrides=overrides)
        assert len(found) == 1, found
        return found[0]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallStudy:
    """A small study; the working directory is a temporary one that holds its prompt."""
    monkeypatch.chdir(tmp_path)
    Path("ask.j2").write_text("{% block user %}{{ question }}{% endblock %}", encoding="utf-8")
    return SmallStudy()


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """A Python that starts warm, for runs of many jobs that no test interrupts."""
    with tempfile.TemporaryDirectory(prefix="warm") as short, Warm(Path(short), HF_HOME=short) as started:
        yield started


@pytest.fixture(scope="session")
def tokenizer():
    """A tokenizer of single bytes with a ChatML template; `<|im_end|>` ends a turn."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    fast = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    fast.decoder = decoders.ByteLevel()
    fast.add_special_tokens(["<|im_start|>", "<|im_end|>", "<|pad|>"])
    made = PreTrainedTokenizerFast(tokenizer_object=fast, eos_token="<|im_end|>", pad_token="<|pad|>")
    made.chat_template = CHATML
    return made


@pytest.fixture(scope="session")
def model_folder(tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random Llama of two layers (float32) and the tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.5,  # wide, to avoid near ties between greedy choices
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.set_num_threads(1)  # a model this small is slower on more, above all beside other jobs
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    LlamaForCausalLM(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes rows as JSON Lines to a file below the temporary folder."""
    from scripts.lib.jsonl import write_rows

    def write(name: str, rows: list[dict]) -> Path:
        write_rows(tmp_path / name, rows)
        return tmp_path / name

    return write


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """critique_responses in a folder of its own, with a planted key in the environment."""
    from tests.teacher_desk import KEY, Desk

    monkeypatch.setenv("REDPEN_TEST_KEY", KEY)
    return Desk(tmp_path)


@pytest.fixture(scope="session")
def punkt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of nltk data whose splitter knows no abbreviation: enough for sentences that end in a full stop."""
    folder = tmp_path_factory.mktemp("nltk")
    english = folder / "tokenizers" / "punkt_tab" / "english"
    english.mkdir(parents=True)
    for name in ("collocations.tab", "sent_starters.txt", "abbrev_types.txt", "ortho_context.tab"):
        (english / name).write_text("")
    return folder
