"""Journalled generation: rows are cut into chunks, and a finished chunk is never generated again.

A chunk is a pure function of the full row list (rows by prompt length, cut every `chunk_rows`), because an answer
depends on the rest of its batch. It is the unit of seed, journal and resume, so an interrupted job ends with the same
outputs as an uninterrupted one.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

from scripts.lib.cli import Progress
from scripts.lib.generation import engines
from scripts.lib.generation.chat import file_tokenizer, load_tokenizer, prompt_ids
from scripts.lib.generation.engines import Completion, Sampling, base
from scripts.lib.generation.model_folders import checked_hashes
from scripts.lib.generation.prompts import Message, render
from scripts.lib.grading.verdicts import parse_verdict
from scripts.lib.journal import Journal
from scripts.lib.jsonl import BadInput, content_key

HASHED = ("*.safetensors", "tokenizer.json", "config.json", "generation_config.json")
SHOWN = ("question", "system", "hint", "response", "choices")  # fields of a row that a prompt may use


def weights_hash(model: str | Path) -> str:
    """The sha256 over the weights and the tokenizer in a model folder: the identity of a model in journals.

    Raises:
        BadInput: there are no weights, or a file differs from the record in `redpen.json`.
    """
    hashes = checked_hashes(Path(model))
    if not any(fnmatch(name, "*.safetensors") for name in hashes):
        raise BadInput(f"{model}: no *.safetensors file. Rebuild the model (rule fetch_model or train).")
    return content_key({name: found for name, found in hashes.items() if any(fnmatch(name, kind) for kind in HASHED)})


def response_row(place: dict, completion: Completion) -> dict:
    """`place` (ids) with the response, its tokens and whether it is complete; with an `error` if it is empty."""
    row = {**place, "response": completion.text, "tokens": completion.tokens, "finished": completion.finished}
    return row if completion.text.strip() else {**row, "error": completion.error or "empty response"}


class Generator:
    """Answers questions with one model, through one journal. The model is loaded when a chunk is not in the journal.

    Args:
        model: the model folder.
        settings: the engine's entry in config; `chunk_rows` is the number of rows in a chunk. Settings that change no
            output (memory_share, gpus) are not part of a chunk's key.
        journal: open for this process.
        progress: counts rows.
    """

    def __init__(self, model: str | Path, settings: dict, journal: Journal, progress: Progress) -> None:
        self.model, self.settings, self.journal, self.progress = model, settings, journal, progress
        self.model_key = weights_hash(model)
        self.by_template: dict[str | None, Any] = {}

    @cached_property
    def tokenizer(self):
        """The tokenizer in the model folder."""
        return file_tokenizer(self.model)

    def tokenizer_with(self, template: str | None):
        """The tokenizer with a chat template (null: its own), loaded on first use."""
        if template not in self.by_template:
            self.by_template[template] = load_tokenizer(self.model, template)
        return self.by_template[template]

    @cached_property
    def engine(self) -> engines.Engine:
        """The engine with the model loaded."""
        return engines.load(self.settings, self.model, self.tokenizer)

    def close(self) -> None:
        """Unloads the model, if it was loaded."""
        if "engine" in self.__dict__:
            self.engine.close()
            del self.engine

    def answers(self, rows: Sequence[dict], entry: dict, shard: tuple[int, int] = (0, 1)) -> list[dict]:
        """One row for each question and sample, by id.

        Args:
            rows: all questions of a dataset or a benchmark. A prompt may use `response`
                and `choices` too, if the rows have them.
            entry: prompt, temperature, top_p, max_tokens, samples, seed, template (or null) and, if there are any,
                stop (texts and token ids) and self_critique (the model judges its own answers).
            shard: (i, n) answers the chunks i, i + n, i + 2n, … only, counted over all samples.

        Returns:
            `{"id": "gcd-000001#0", "question_id": "gcd-000001", "sample": 0, "response": "…", "tokens": 12,
            "finished": true}` each, with `error` if the response is empty. With self_critique also `regenerations`,
            the `critique_verdicts` (right, wrong, null if none is stated) and the total `tokens_spent`.
        """
        tokenizer = self.tokenizer_with(entry.get("template"))
        shown = [{name: row[name] for name in SHOWN if name in row} for row in rows]
        prompts = [prompt_ids(tokenizer, render(entry["prompt"], **values)) for values in shown]
        sampling = self._sampling(entry, tokenizer)
        made = []
        for sample in range(entry["samples"]):
            # Each sample number is a separate pass, so that increasing `samples` reuses the first ones.
            seed = entry["seed"] * 1_000_003 + sample
            chunks_before = sample * math.ceil(len(prompts) / self.settings["chunk_rows"])
            found = self._complete(prompts, sampling, seed, ((shard[0] - chunks_before) % shard[1], shard[1]))
            notes: dict[int, dict] = {}
            if entry.get("self_critique"):
                found, notes = self._self_critiqued(found, shown, prompts, entry, tokenizer, seed)
            for index, completion in found.items():
                question = rows[index]["id"]
                place = {"id": f"{question}#{sample}", "question_id": question, "sample": sample}
                made.append(response_row(place, completion) | notes.get(index, {}))
        return sorted(made, key=lambda row: row["id"])

    def replies(self, conversations: Sequence[list[Message]], entry: dict) -> list[Completion]:
        """The next message of each conversation, in order; `entry` as for `answers`, without prompt and samples."""
        tokenizer = self.tokenizer_with(entry.get("template"))
        prompts = [prompt_ids(tokenizer, messages) for messages in conversations]
        found = self._complete(prompts, self._sampling(entry, tokenizer), entry["seed"] * 1_000_003)
        return [found[index] for index in range(len(prompts))]

    def _sampling(self, entry: dict, tokenizer) -> Sampling:
        """An entry's sampling settings; answers end at its stops and at its template's end token.

        A stop text that is a token also counts as that token, since decoded text has no special tokens.
        """
        stop = entry.get("stop", ())
        words = tuple(word for word in stop if isinstance(word, str))
        tokens = tokenizer.get_added_vocab()
        ids = {tokenizer.eos_token_id, *(word for word in stop if isinstance(word, int))}
        ids |= {tokens[word] for word in words if word in tokens}
        beside = ids - set(base.stop_ids(self.model, self.tokenizer))
        return Sampling(entry["temperature"], entry["top_p"], entry["max_tokens"], words, tuple(sorted(beside)))

    def _self_critiqued(
        self, found: dict[int, Completion], shown: list[dict], prompts: list, entry: dict, tokenizer, seed: int
    ) -> tuple[dict[int, Completion], dict[int, dict]]:
        """Two-stage self-critique (CFT paper, Table 11): judge each answer, and answer again while it is judged wrong.

        A critique without a verdict accepts the answer. The answer after the last regeneration is not judged.

        Returns:
            The final answers, and the extra fields of each.
        """
        critique = entry["self_critique"]
        answering = self._sampling(entry, tokenizer)
        judging = replace(answering, max_tokens=critique["max_tokens"], stop=())
        found = dict(found)
        notes = {
            index: {"regenerations": 0, "critique_verdicts": [], "tokens_spent": completion.tokens}
            for index, completion in found.items()
        }
        doubted = sorted(found)
        for turn in range(1, critique["regenerations"] + 1):
            asked = [
                prompt_ids(tokenizer, render(critique["prompt"], **{**shown[index], "response": found[index].text}))
                for index in doubted
            ]
            self.progress.total += len(doubted)
            judged = self._complete(asked, judging, f"{seed}/critique {turn}")
            wrong = []
            for place, index in enumerate(doubted):
                verdict = parse_verdict(judged[place].text)
                notes[index]["critique_verdicts"].append(verdict)
                notes[index]["tokens_spent"] += judged[place].tokens
                wrong += [index] if verdict == "wrong" else []
            if not wrong:
                break
            doubted = wrong
            self.progress.total += len(doubted)
            again = self._complete([prompts[index] for index in doubted], answering, f"{seed}/answer {turn}")
            for place, index in enumerate(doubted):
                found[index] = again[place]
                notes[index]["regenerations"] = turn
                notes[index]["tokens_spent"] += again[place].tokens
        return found, notes

    def _complete(
        self, prompts: list[list[int]], sampling: Sampling, seed: int | str, shard: tuple[int, int] = (0, 1)
    ) -> dict[int, Completion]:
        """Completions by the index of their prompt (token ids), from the journal if it has them."""
        order = sorted(range(len(prompts)), key=lambda row: (len(prompts[row]), row))
        size = self.settings["chunk_rows"]
        chunks = [order[at : at + size] for at in range(0, len(order), size)]
        engine_key = {name: self.settings[name] for name in ("kind", "dtype", "max_model_len") if name in self.settings}
        completions: dict[int, Completion] = {}
        for chunk in chunks[shard[0] :: shard[1]]:
            texts = [prompts[row] for row in chunk]
            key = content_key(self.model_key, engine_key, sampling.key(), seed, texts)
            if key in self.journal:
                self.progress.skip(len(chunk))
            else:
                # The chunk has its own seed: chunks of one job must not repeat each other's draws.
                done = self.engine.generate(texts, sampling, int(content_key(seed, texts), 16) % 2**63)
                self.journal.add(key, [asdict(completion) for completion in done])
                self.progress.add(len(chunk))
            completions.update(zip(chunk, (Completion(**value) for value in self.journal[key]), strict=True))
        return completions
