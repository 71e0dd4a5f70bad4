"""Small folders in the layouts of the hub's datasets that config/*.yaml names: what a run without the hub reads.

Each repository is a folder `owner--name` with the columns, configurations and splits of the real one, and rows made up
here. `write` makes all of them.
"""

import json
from collections.abc import Iterator
from pathlib import Path

ROWS = 12
THINK = {"role": "system", "content": "Think at length."}  # the same before every question, as in the released sets


def _sums(start: int) -> Iterator[tuple[int, str, str, str]]:
    """(number, question, worked solution, answer), different for every start."""
    for number in range(ROWS):
        left, right = start + number, 3 * number + 2
        answer = str(left + right)
        yield number, f"What is {left} plus {right}?", f"{left} + {right} = \\boxed{{{answer}}}", answer


def _talk(question: str, answer: str, keys=("role", "content"), names=("user", "assistant")) -> list[dict]:
    return [dict(zip(keys, turn, strict=True)) for turn in zip(names, (question, answer), strict=True)]


def _input(question: str, answer: str) -> str:
    return f"Question:\n{question}\n\nSolution:\n{answer}"


# Repository: configuration, split, start of its sums (its own, so that no two share a question), columns of one row.
# Several splits: each is about one question, its first.
LAYOUTS = {
    # benchmarks
    "DigitalLearningGmbH/MATH-lighteval": (
        "default",
        "test",
        1000,
        lambda n, q, s, a: {"problem": q, "solution": s, "type": "Algebra", "level": "Level 1"},
    ),
    "HuggingFaceH4/MATH-500": (
        None,
        "test",
        1100,
        lambda n, q, s, a: {"unique_id": f"t/{n}.json", "problem": q, "answer": a, "solution": s, "subject": "Algebra"},
    ),
    "math-ai/minervamath": (None, "test", 1200, lambda n, q, s, a: {"question": q, "answer": a}),
    "openai/gsm8k": ("main", "test", 1300, lambda n, q, s, a: {"question": q, "answer": f"{s}\n#### {a}"}),
    "math-ai/olympiadbench": (
        None,
        "test",
        1400,
        lambda n, q, s, a: {
            "question": q,
            "final_answer": [a],
            "answer_type": "Numerical",
            "error": None,
            "unit": None,
        },
    ),
    "math-ai/aime24": (None, "test", 1500, lambda n, q, s, a: {"problem": q, "solution": s}),
    "math-ai/aime25": (None, "test", 1600, lambda n, q, s, a: {"problem": q, "answer": a}),
    "math-ai/amc23": (None, "test", 1700, lambda n, q, s, a: {"question": q, "answer": a}),
    "TIGER-Lab/TheoremQA": (
        None,
        "test",
        1800,
        lambda n, q, s, a: {"Question": q, "Answer": a, "Answer_type": "integer"},
    ),
    "Idavidrein/gpqa": (
        "gpqa_diamond",
        "train",
        1900,
        lambda n, q, s, a: {
            "Question": q,
            "Correct Answer": a,
            **{f"Incorrect Answer {k}": str(int(a) + k) for k in (1, 2, 3)},
        },
    ),
    "TIGER-Lab/MMLU-Pro": (
        None,
        "test",
        2000,
        lambda n, q, s, a: {
            "question_id": n,
            "question": q,
            "options": [a, str(int(a) + 1)],
            "answer": "A",
            "category": "math",
        },
    ),
    "google/IFEval": (
        None,
        "train",
        2100,
        lambda n, q, s, a: {
            "key": n,
            "prompt": f"{q} Use no commas.",
            "instruction_id_list": ["punctuation:no_comma"],
            "kwargs": [{}],
        },
    ),
    "HuggingFaceH4/mt_bench_prompts": (
        None,
        "train",
        2200,
        lambda n, q, s, a: {
            "prompt": [q, "And plus one?"],
            "prompt_id": n,
            "category": "math" if n % 2 else "writing",
            "reference": [a, str(int(a) + 1)] if n % 2 else [],
        },
    ),
    # training data
    "TIGER-Lab/WebInstructSub": (
        None,
        "train",
        3000,
        lambda n, q, s, a: {
            "orig_question": q,
            "orig_answer": a,
            "source": "web",
            "question": q,
            "answer": s,
            "index": n,
        },
    ),
    "TIGER-Lab/WebInstruct-CFT": (
        ("WebInstruct-CFT-4K", "WebInstruct-CFT-50K", "WebInstruct-CFT-600K"),
        "train",
        3100,
        lambda n, q, s, a: {
            "instruction": "Please critique whether the following solution to the question is correct.",
            "input": _input(q, s),
            "output": f"The sum is {a}. Conclusion: {'right' if n % 2 else 'wrong'} [END]",
        },
    ),
    "TIGER-Lab/One-Shot-CFT-Data": (
        None,
        ("dsr_cft_p0", "dsr_cft_p1", "dsr_cft_p2", "dsr_cft_p3"),
        3900,
        lambda n, q, s, a: {
            "messages": _talk(
                f"Please critique whether the following solution to the question is correct.\n\n{_input(q, s)}",
                f"The sum is {a}. Conclusion: {'right' if n % 2 else 'wrong'} [END]",
            ),
        },
    ),
    "meta-math/MetaMathQA": (
        None,
        "train",
        3200,
        lambda n, q, s, a: {"type": "MATH_Rephrased", "query": q, "original_question": q, "response": s},
    ),
    "AI-MO/NuminaMath-CoT": (
        None,
        "train",
        3300,
        lambda n, q, s, a: {"source": "cn_k12", "problem": q, "solution": s, "messages": _talk(q, s)},
    ),
    "nvidia/AceMath-Instruct-Training-Data": (
        None,
        "math_sft",
        3400,
        lambda n, q, s, a: {"messages": _talk(q, s)[:1], "answer": s},
    ),
    "HuggingFaceH4/ultrachat_200k": (
        None,
        "train_sft",
        3500,
        lambda n, q, s, a: {
            "prompt": q,
            "prompt_id": str(n),
            "messages": [*_talk(q, s), *_talk("Thanks!", "Welcome.")],
        },
    ),
    "HuggingFaceH4/ultrafeedback_binarized": (
        None,
        "train_prefs",
        3600,
        lambda n, q, s, a: {"prompt": q, "chosen": _talk(q, s), "rejected": _talk(q, "I do not know.")},
    ),
    **{
        f"UCLA-AGI/SPIN_iter{t}": (
            None,
            "train",
            3500,  # the same questions in each iteration, and those of ultrachat
            lambda n, q, s, a, t=t: {"real": _talk(q, s), "generated": _talk(q, f"Perhaps {n + t}.")},
        )
        for t in range(4)
    },
    "bespokelabs/Bespoke-Stratos-17k": (
        None,
        "train",
        3700,
        lambda n, q, s, a: {
            "system": THINK["content"],
            "conversations": _talk(q, f"Let me see. {s}", ("from", "value"), ("user", "assistant")),
        },
    ),
    "VanWang/Bespoke_dpo_filter": (
        None,
        "train",
        3800,
        lambda n, q, s, a: {
            "chosen": [THINK, *_talk(q, f"Let me see. {s}")],
            "rejected": [THINK, *_talk(q, a)],
        },
    ),
}


# lm-eval's tasks: letters or words to choose from (metrics acc and acc_norm), or an answer to write (a filter's name).
CHOICES = ("arc_challenge", "truthfulqa_mc2", "winogrande", "hellaswag", "mmlu", "openbookqa")
WRITTEN = {
    "gsm8k": "strict-match",
    **{
        f"bbh_cot_fewshot_{name}": "get-answer"
        for name in ("causal_judgement", "formal_fallacies", "sports_understanding")
    },
}


def write_tasks(folder: Path) -> None:
    """Writes small tasks under the names of lm-eval's, in its form: YAML with the data beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate([*CHOICES, *WRITTEN]):
        rows = [{"question": q, "answer": a, "wrong": a + "0"} for _, q, _, a in _sums(5000 + 100 * number)]
        for split, part in (("train", rows[:4]), ("test", rows[4:])):
            text = "".join(json.dumps(row) + "\n" for row in part)
            (folder / f"{name}.{split}.jsonl").write_text(text, encoding="utf-8")
        files = {split: str(folder / f"{name}.{split}.jsonl") for split in ("train", "test")}
        task = {"task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": files}, "test_split": "test"}
        task |= {
            "fewshot_split": "train",
            "doc_to_text": "Question: {{question}}\nAnswer:",
            "metadata": {"version": 1.0},
        }
        if name in CHOICES:
            metrics = [{"metric": m, "aggregation": "mean", "higher_is_better": True} for m in ("acc", "acc_norm")]
            task |= {"output_type": "multiple_choice", "doc_to_choice": "{{[answer, wrong]}}", "doc_to_target": 0}
        else:
            metrics = [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}]
            task |= {"output_type": "generate_until", "doc_to_target": "{{answer}}"}
            task["generation_kwargs"] = {"until": ["\n"], "max_gen_toks": 4, "do_sample": False}
            task["filter_list"] = [{"name": WRITTEN[name], "filter": [{"function": "take_first"}]}]
        (folder / f"{name}.yaml").write_text(json.dumps({**task, "metric_list": metrics}), encoding="utf-8")


def _files(split: str | tuple[str, ...], start: int) -> dict[str, list[tuple[int, str, str, str]]]:
    """The rows of each split."""
    if isinstance(split, str):
        return {split: list(_sums(start))}
    parts = {name: list(_sums(start + 20 * number)) for number, name in enumerate(split)}
    return {
        name: [(n, rows[0][1], solution, answer) for n, _, solution, answer in rows] for name, rows in parts.items()
    }


def write(folder: Path) -> Path:
    """Writes every repository below `folder` and lm-eval's tasks below `folder`/lm-eval, and returns it."""
    write_tasks(folder / "lm-eval")
    for repo, (config, split, start, columns) in LAYOUTS.items():
        place = folder / repo.replace("/", "--")
        configs = config if isinstance(config, tuple) else (config or "default",)
        card = ["---", "configs:"]
        for name in configs:
            card += [f"- config_name: {name}", "  data_files:"]
            for file, rows in _files(split, start).items():
                (place / name).mkdir(parents=True, exist_ok=True)
                text = "".join(json.dumps(columns(*row)) + "\n" for row in rows)
                (place / name / f"{file}.jsonl").write_text(text, encoding="utf-8")
                card += [f"  - split: {file}", f"    path: {name}/{file}.jsonl"]
        (place / "README.md").write_text("\n".join([*card, "---", ""]), encoding="utf-8")
    return folder
