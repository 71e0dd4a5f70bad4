"""The papers' own code beside ours: prompts, ids and labels of training rows, losses, extracted answers and verdicts.

    python -m bench.parity --upstream DIR --python PYTHON --answers answers.jsonl [--tokenizer FOLDER]

DIR holds checkouts of TIGER-AI-Lab/CritiqueFineTuning (44b83b8), uclaml/SPIN (a12ba80) and uservan/ThinkPO (9b603a4);
none of their code is part of the project. PYTHON is an environment with what their graders pin, which
bench/upstream_grader.py lists. A line of the answers has id, set (minerva, math500 …), gold and prediction.
"""

import argparse
import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from scripts.lib.grading import authors
from scripts.lib.jsonl import BadInput, read_rows

GRADER = Path(__file__).with_name("upstream_grader.py")
SHOWN = 10  # number of printed answers on which the two differ
PAIRS = 1000  # random pairs whose losses are compared


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", type=Path, required=True, help="folder of the checkouts")
    parser.add_argument("--python", default=sys.executable, help="interpreter with what their graders pin (this one)")
    parser.add_argument("--answers", type=Path, help="answers to grade (JSON Lines: id, set, gold, prediction)")
    parser.add_argument("--tokenizer", help="folder with a ChatML tokenizer, to compare training rows")
    return parser.parse_args(argv)


def function_of(file: Path, name: str, names: dict[str, Any]) -> Any:
    """One function or method of an upstream file, without the file's imports.

    Args:
        file: the file.
        name: the function's name.
        names: the names that its body uses.

    Raises:
        BadInput: there is no such file, or no such function in it.
    """
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror}). Name the folder of the checkouts.") from None
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name]
    if not found:
        raise BadInput(f"{file}: no function {name}. Check out the commit that this program names.")
    found[0].returns = None
    for argument in found[0].args.args:
        argument.annotation = None
    exec(compile(ast.Module([found[0]], []), str(file), "exec"), names)  # the user's own checkout
    return names[name]


def losses(upstream: Path) -> list[str]:
    """SPIN's loss against ours, in float64 on random log probabilities: the largest difference by beta and kind."""
    import torch

    from scripts.lib.training.preference import preference_loss

    names = {"torch": torch, "F": torch.nn.functional, "print": lambda *_: None}
    theirs = function_of(upstream / "SPIN" / "spin" / "alignment" / "trainer.py", "spin_loss", names)
    generator = torch.Generator().manual_seed(0)
    four = [-200 * torch.rand(PAIRS, generator=generator, dtype=torch.float64) for _ in range(4)]
    lines = []
    for beta in (0.01, 0.1, 5.0):
        for kind, name in (("sigmoid", "logistic"), ("hinge", "hinge")):
            wanted = theirs(type("Trainer", (), {"beta": beta, "loss_type": kind}), *four)[0]
            policy, reference = torch.cat(four[:2]), torch.cat(four[2:])
            found, _ = preference_loss(policy, reference, beta, name)
            lines.append(f"SPIN loss, {name}, beta {beta:g}: largest difference {(wanted - found).abs().max():.1e}")
    return lines


def rows(upstream: Path, folder: str) -> list[str]:
    """A training row of ThinkPO's SFT against ours: text, ids and labels."""
    from bench.training import tokenised
    from scripts.lib.generation.chat import load_tokenizer

    tokenizer = load_tokenizer(folder)
    names = {"tokenizer": tokenizer, "MAX_LENGTH": 10_240}
    theirs = function_of(upstream / "ThinkPO" / "train" / "sft_train.py", "preprocess_function", names)
    talk = [{"value": "What is 2 + 3?"}, {"value": "2 + 3 = 5. The answer is 5."}]
    wanted = theirs({"system": "Think at length.", "conversations": talk})
    asked = [{"role": "system", "content": "Think at length."}, {"role": "user", "content": talk[0]["value"]}]
    recipe = {
        "method": "sft",
        "max_tokens": 10_240,
        "too_long": "error",
        "end_inside": "error",
        "loss_on": "answer",
        "packing": False,
    }
    (made,) = tokenised([{"id": "a", "messages": asked, "completion": talk[1]["value"]}], tokenizer, recipe)
    return [
        f"ThinkPO row, theirs: {tokenizer.decode(wanted['input_ids'])!r}",
        f"ThinkPO row, ours:   {tokenizer.decode(made['input_ids'])!r}",
        f"ids equal: {wanted['input_ids'] == made['input_ids']}; labels equal: {wanted['labels'] == made['labels']}",
    ]


def verdicts(upstream: Path, python: str, file: Path) -> list[str]:
    """The agreement of each paper's grader with ours on the answers of a file, and the differences."""
    answers = read_rows(file, required=("id", "set", "gold", "prediction"))
    lines = "".join(json.dumps(row) + "\n" for row in answers)
    ran = subprocess.run([python, GRADER, upstream], input=lines, text=True, stdout=subprocess.PIPE, check=False)
    if ran.returncode:
        raise BadInput(f"{GRADER.name} ended with {ran.returncode}. Read its error above; give --python what it pins.")
    theirs = [json.loads(line) for line in ran.stdout.splitlines()]
    told = []
    for name, rules in (("cft", authors.CFT), ("thinkpo", authors.THINKPO)):
        differ = []
        for row, found in zip(answers, theirs, strict=True):
            answer, said = found[name]
            mine = authors.verdict(rules, row["prediction"], row["gold"], of_set=row["set"])
            read = authors.extract(rules, row["prediction"], row["set"])
            if mine != bool(said):
                differ.append(f"  {row['id']}: gold {row['gold']!r}; theirs {answer!r} {said}; ours {read!r} {mine}")
        share = 100 * (1 - len(differ) / len(answers))
        told += [f"{name} grader: {len(answers)} answers, {share:.2f} % agree", *differ[:SHOWN]]
    return told


def main(args: argparse.Namespace) -> int:
    """Prints the requested comparison."""
    told = losses(args.upstream)
    told += rows(args.upstream, args.tokenizer) if args.tokenizer else []
    told += verdicts(args.upstream, args.python, args.answers) if args.answers else []
    sys.stdout.write("\n".join(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(parse_args()))
