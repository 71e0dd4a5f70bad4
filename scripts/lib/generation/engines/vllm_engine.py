"""Generation with vLLM, offline: one load, continuous batching within a chunk, tensor parallel over the job's GPUs.

vLLM has its own environment (envs/vllm-gpu.txt, envs/vllm-cpu.txt; docs/engines.md). Token ids go in and come out:
prompts, stop tokens and texts are made by the same code as for the transformers engine.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from scripts.lib.generation.engines.base import Completion, Sampling, ended, stop_ids, too_long
from scripts.lib.jsonl import BadInput, content_key

# Requests and steps in one process: an engine in a separate process starts on the first rows while the
# others are still arriving, so that the batches, and with them the last bits of a logit, are left to chance.
ENVIRONMENT = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "WARNING"}


class VllmEngine:
    """Holds one model, on the job's GPUs or (vLLM's CPU build) on CPU, and generates chunk by chunk.

    Args:
        model: the model folder.
        tokenizer: decodes, and its end token stops generation.
        settings: dtype, max_model_len (null: the model's), memory_share, and gpus: how many the model is spread over
            (null: all that the process sees; ignored on CPU).

    Raises:
        BadInput: vLLM is not installed in this interpreter, there are too few GPUs, or the model does not fit.
    """

    def __init__(self, model: str | Path, tokenizer, settings: dict) -> None:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            import vllm
        except ModuleNotFoundError as error:
            raise BadInput(not_installed(error)) from None
        from vllm.platforms import current_platform

        on_cpu = current_platform.is_cpu()
        seen = 1 if on_cpu else current_platform.device_count()
        wanted = seen if on_cpu else settings.get("gpus") or seen
        if wanted > seen:
            raise BadInput(
                f"the job's resources give it {wanted} GPUs, but the process sees {seen}. Lower gpu of its rule "
                "(set-resources in the profile), or give the job that many."
            )
        self.tokenizer = tokenizer
        try:
            self.llm = vllm.LLM(
                model=str(model),
                trust_remote_code=False,
                generation_config="vllm",  # take sampling and stop tokens from our settings only
                dtype=settings["dtype"],
                max_model_len=settings["max_model_len"],
                gpu_memory_utilization=settings["memory_share"],
                tensor_parallel_size=wanted,
                enable_prefix_caching=True,
                enforce_eager=on_cpu,  # on CPU, compiling costs more time than it saves
            )
        except ValueError as error:
            raise BadInput(
                f"{model}: vLLM cannot load it: {error} Settings to change: engines.*.max_model_len, memory_share and "
                "dtype in the config, gpu of the job's rule."
            ) from None
        self.longest = self.llm.llm_engine.model_config.max_model_len
        self.stop_ids = stop_ids(model, tokenizer)

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling, seed: int) -> list[Completion]:
        """One completion for each prompt (token ids), in order; each row has its own seed."""
        from vllm import SamplingParams

        # A cache from another chunk would change the computation of this one, and so its last bits.
        self.llm.reset_prefix_cache()
        fitting = [place for place, prompt in enumerate(prompts) if len(prompt) < self.longest]
        ends = {*self.stop_ids, *sampling.stop_ids}
        outputs = self.llm.generate(
            [{"prompt_token_ids": list(prompts[place])} for place in fitting],
            [
                SamplingParams(
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    max_tokens=sampling.max_tokens,
                    stop=list(sampling.stop),
                    stop_token_ids=sorted(ends),
                    seed=int(content_key(seed, place), 16) % 2**63,
                    detokenize=bool(sampling.stop),  # vLLM searches stop texts in decoded text
                )
                for place in fitting
            ],
            use_tqdm=False,
        )
        made = {
            place: self._completion(output.outputs[0], ends, sampling.stop)
            for place, output in zip(fitting, outputs, strict=True)
        }
        return [
            made.get(place) or too_long(len(prompt), self.longest, "max_model_len")
            for place, prompt in enumerate(prompts)
        ]

    def _completion(self, output, ends: set[int], stop: Sequence[str]) -> Completion:
        ids = list(output.token_ids)
        if ids and ids[-1] in ends:
            return ended(self.tokenizer, ids[:-1], True, stop)
        return ended(self.tokenizer, ids, output.finish_reason == "stop", stop)

    def close(self) -> None:
        """Frees the memory, so that another model can be loaded in the same process."""
        from vllm.distributed import cleanup_dist_env_and_memory

        self.llm.llm_engine.engine_core.shutdown()
        del self.llm
        cleanup_dist_env_and_memory()


def not_installed(error: ModuleNotFoundError) -> str:
    """The error message if vLLM is missing."""
    import sys

    return (
        f"engine vllm: {error.msg} in {sys.executable}. Install it into .venv-vllm (make vllm-cpu, or for GPUs "
        "envs/vllm-gpu.lock.txt: docs/engines.md), or name an interpreter that has it in REDPEN_PYTHON_VLLM."
    )
