"""lm-eval's tasks: their questions, and a checkpoint's scores on them.

lm-eval (https://github.com/EleutherAI/lm-evaluation-harness) asks and scores; no part of a task is reimplemented here.
"""

import json
import sys
from pathlib import Path

from scripts.lib.cli import GET_LM_EVAL
from scripts.lib.jsonl import BadInput


def loaded(settings: dict) -> tuple[object, dict]:
    """(lm-eval's task manager, its tasks by name) of an entry's task or group. Missing data is downloaded.

    Raises:
        BadInput: lm-eval is not installed, it has no such task, or the task's data is unavailable.
    """
    try:
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise BadInput(f"lm-eval cannot be loaded in {sys.executable} ({error}). Install it: {GET_LM_EVAL}") from None
    name, folder = settings["task"], settings["task_path"]
    manager = TaskManager(include_path=folder, include_defaults=folder is None)
    if name not in manager.all_tasks:
        where = f"{folder} has no task {name!r}" if folder else f"lm-eval has no task {name!r} (`lm-eval ls tasks`)"
        raise BadInput(f"{where}. Correct the benchmark's task or task_path.")
    try:
        return manager, manager.load([name])["tasks"]
    except Exception as error:  # datasets, the hub and the network raise various exceptions
        raise BadInput(
            f"task {name}: its data cannot be loaded ({type(error).__name__}: {' '.join(str(error).split())[:300]}). "
            "Run rule prepare_harness where the hub can be reached, with the HF_HOME that the compute nodes see; "
            "where it has run, delete its output."
        ) from None


def questions(settings: dict) -> tuple[list[dict], dict]:
    """The rows of an entry's task in the format of prepared benchmarks, and facts about the tasks for the summary."""
    rows, facts = [], {}
    _, tasks = loaded(settings)
    for name, task in tasks.items():
        docs = list(task.eval_docs)[: settings["limit"]]
        facts[name] = {"version": task.VERSION, "questions": len(docs), "of": len(task.eval_docs)}
        rows += [{"id": f"{name}/{number}", "question": text_of(task, doc)} for number, doc in enumerate(docs)]
    return [{**row, "answer": None} for row in rows], facts


def text_of(task, doc: dict) -> str:
    """A question for the comparison with training questions, without the surrounding prompt if the task provides it."""
    column = "question" if "question" in doc else task.config.doc_to_decontamination_query
    text = doc[column] if column in doc else task.doc_to_text(doc)
    return text if isinstance(text, str) else json.dumps(doc, sort_keys=True, default=str)


def other_end(settings: dict, model: str | Path) -> list[str]:
    """The end token of the chat template, if the tokenizer's files name another one."""
    from scripts.lib.generation.chat import file_tokenizer, load_tokenizer

    if not settings["apply_chat_template"]:
        return []
    end = load_tokenizer(model, settings["template"]).eos_token
    return [end] if end != file_tokenizer(model).eos_token else []


def evaluate(settings: dict, model: str | Path, cache: Path, micro_batch: int) -> dict:
    """lm-eval's results, with samples.

    Args:
        settings: the benchmark's entry.
        model: the model folder.
        cache: where lm-eval stores answers, so that a killed job can resume; for this model and entry only.
        micro_batch: rows per pass.
    """
    manager, _ = loaded(settings)
    import lm_eval
    import torch
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoTokenizer

    from scripts.lib.generation.chat import load_tokenizer

    chat = settings["apply_chat_template"]
    if chat:
        tokenizer = load_tokenizer(model, settings["template"])
    else:
        tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    lm = HFLM(
        pretrained=str(model),
        tokenizer=tokenizer,
        trust_remote_code=False,
        dtype=settings["dtype"],
        device="cuda" if torch.cuda.is_available() else "cpu",
        batch_size=micro_batch,
        parallelize=torch.cuda.device_count() > 1,
    )
    return lm_eval.simple_evaluate(
        model=lm,
        tasks=[settings["task"]],
        task_manager=manager,
        num_fewshot=settings["shots"],
        limit=settings["limit"],
        apply_chat_template=chat,
        fewshot_as_multiturn=chat,
        fewshot_random_seed=settings["seed"],
        use_cache=str(cache),
        bootstrap_iters=0,
    )


def graded(results: dict, settings: dict, slug: str) -> list[dict]:
    """A row for each question, with `correct` (a share if the metric is one).

    Raises:
        BadInput: the task has no such metric or filter, or another number of worked examples, or its score is not a
            mean over questions.
    """
    key = f"{settings['metric']},{settings['filter']}"
    rows = []
    for task, samples in results["samples"].items():
        known = sorted(name for name in results["results"][task] if "," in name and "_stderr" not in name)
        if key not in known:
            raise BadInput(
                f"benchmark {slug}: task {task} has no metric {settings['metric']} with filter {settings['filter']} "
                f"(metric,filter: {' '.join(known)}). Correct benchmarks.{slug}."
            )
        if settings["shots"] not in (None, results["n-shot"][task]):
            raise BadInput(
                f"benchmark {slug}: task {task} is asked with {results['n-shot'][task]} worked examples whatever shots "
                "says. Set shots to null."
            )
        mine = [sample for sample in samples if sample["filter"] == settings["filter"]]
        values = [sample[settings["metric"]] for sample in mine]
        whole = results["results"][task][key]
        if not all(isinstance(value, int | float) for value in values) or abs(sum(values) / len(values) - whole) > 1e-6:
            raise BadInput(
                f"benchmark {slug}: {settings['metric']} of task {task} is not a mean over questions, so its error is "
                "unknown. Choose another metric."
            )
        for sample, value in zip(mine, values, strict=True):
            name = f"{task}/{sample['doc_id']}"
            rows.append(
                {
                    "id": f"{slug}/{name}",
                    "benchmark": slug,
                    "question_id": name,
                    "correct": float(value),
                    "target": str(sample["target"]),
                    "prompt_sha256": sample["prompt_hash"],
                    "responses": [str(answer) for answer in sample["filtered_resps"]],
                }
            )
    group = results.get("groups", {}).get(settings["task"], {}).get(key)
    if group is not None and abs(sum(row["correct"] for row in rows) / len(rows) - group) > 1e-6:
        raise BadInput(
            f"benchmark {slug}: the score of group {settings['task']} is not a mean over its questions. Make its tasks "
            f"benchmarks of their own: {', '.join(results['samples'])}."
        )
    return rows
