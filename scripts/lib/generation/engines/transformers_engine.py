"""Generation with transformers: one batch a chunk, finished rows dropped from the batch as they end.

`model.generate` keeps every row in the batch until the longest one has ended. Here a row leaves the key-value cache
soon after its end token, which is most of the time saved (see `bench/generation.py`).
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scripts.lib.cli import quiet
from scripts.lib.generation.engines.base import Completion, Sampling, ended, positions, stop_ids, too_long
from scripts.lib.jobs.cards import is_out_of_memory
from scripts.lib.jsonl import BadInput


class TransformersEngine:
    """Holds one model, on the GPU if there is one, and generates chunk by chunk."""

    def __init__(self, model: str | Path, tokenizer, dtype: str) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        quiet()
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        loaded = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype), trust_remote_code=False)
        self.model = loaded.to(self.device).eval()
        self.tokenizer = tokenizer
        self.stop_ids = torch.tensor(stop_ids(model, tokenizer))
        self.longest = positions(self.model.config)

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[Completion]:
        """One completion for each prompt (token ids), in order; `seed` determines all draws of the chunk.

        A prompt that fills the model's context gets an error, and an answer ends at the end of the context.

        Raises:
            BadInput: the GPU's memory is too small for the batch.
        """
        longest = self.longest or sys.maxsize
        fitting = [place for place, prompt in enumerate(prompts) if len(prompt) < longest]
        with memory_for(len(fitting)):
            completions = self._batch([prompts[place] for place in fitting], sampling, seed)
        made = dict(zip(fitting, completions, strict=True))
        return [
            made.get(place) or too_long(len(prompt), longest, "the model's positions")
            for place, prompt in enumerate(prompts)
        ]

    def _batch(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[Completion]:
        """The completions of prompts that fit."""
        import torch
        from transformers import DynamicCache

        if not prompts:
            return []
        generator = torch.Generator(self.device).manual_seed(seed)
        stop_ids = torch.cat([self.stop_ids, torch.tensor(sampling.stop_ids, dtype=torch.long)])
        stops = StopTexts(self.tokenizer, sampling.stop)
        room = [min(sampling.max_tokens, (self.longest or sys.maxsize) - len(prompt)) for prompt in prompts]
        width = max(map(len, prompts))
        pad = self.tokenizer.pad_token_id or 0  # any token: the mask hides it
        ids = torch.tensor([[pad] * (width - len(p)) + list(p) for p in prompts], device=self.device)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=self.device)
        cache = DynamicCache(config=self.model.config)
        texts: list[list[int]] = [[] for _ in prompts]
        finished = [False] * len(prompts)
        rows = torch.arange(len(prompts))  # the prompt that each row of the batch belongs to
        live = torch.ones(len(prompts), dtype=torch.bool)  # unfinished rows of the batch
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        with torch.inference_mode():
            for step in range(sampling.max_tokens):
                logits = self.model(
                    input_ids=ids,
                    attention_mask=mask,
                    position_ids=positions,
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                ).logits[:, -1]
                token = choose(logits, sampling, generator)
                over = torch.isin(token.cpu(), stop_ids)
                for place in live.nonzero().flatten().tolist():
                    row = int(rows[place])
                    if over[place]:
                        finished[row] = True
                    else:
                        texts[row].append(int(token[place]))
                        over[place] = len(texts[row]) >= room[row] or stops.reached(texts[row])
                live &= ~over
                if not live.any() or step == sampling.max_tokens - 1:
                    break
                # Copying the cache costs about a step, so wait until an eighth of the batch has ended.
                if (~live).sum() * 8 >= len(live):
                    keep = live.nonzero().flatten()
                    on_device = keep.to(self.device)
                    cache.batch_select_indices(on_device)
                    token, mask, positions = token[on_device], mask[on_device], positions[on_device]
                    rows, live = rows[keep], live[keep]
                ids = token[:, None]
                mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
                positions = positions[:, -1:] + 1
        return [ended(self.tokenizer, text, done, sampling.stop) for text, done in zip(texts, finished, strict=True)]

    def close(self) -> None:
        """Releases the model."""
        del self.model


@contextmanager
def memory_for(rows: int) -> Iterator[None]:
    """Reports a GPU out of memory as an input error: another batch size changes results, so it is the user's choice."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise BadInput(
            f"the GPU is out of memory with {rows} rows in a batch: {str(error).splitlines()[0][:300]} If other jobs "
            "use this GPU, let fewer run at once (--resources gpu=1); else lower the engine's chunk_rows."
        ) from None


class StopTexts:
    """Detects whether an answer has reached a stop text, by searching its last tokens only."""

    def __init__(self, tokenizer, stop: Sequence[str]) -> None:
        self.tokenizer, self.stop = tokenizer, stop
        # A token may be as short as a byte; a few more, since decoding may drop a space from the first tokens.
        self.window = max((len(word.encode()) for word in stop), default=0) + 8

    def reached(self, ids: list[int]) -> bool:
        """Whether the text of these tokens contains a stop text."""
        if not self.stop:
            return False
        text = self.tokenizer.decode(ids[-self.window :], skip_special_tokens=True)
        return any(word in text for word in self.stop)


def choose(logits, sampling: Sampling, generator):
    """The next token of each row: shape (rows, vocabulary) to (rows,). Probabilities are in float32."""
    import torch
    from transformers import TopPLogitsWarper

    if sampling.temperature == 0:
        return logits.argmax(-1)
    scores = logits.float() / sampling.temperature
    if sampling.top_p < 1:
        scores = TopPLogitsWarper(sampling.top_p)(None, scores)
    return torch.multinomial(scores.softmax(-1), 1, generator=generator).flatten()
