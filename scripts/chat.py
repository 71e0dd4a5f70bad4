"""Chat with a checkpoint in the terminal: an empty line begins a new conversation, Ctrl-D quits.

    python -m scripts.chat cft
    python -m scripts.chat path/to/a/model --temperature 0.7

The model is prompted as in evaluation: with its own chat template, until its end token. Nothing is saved.
"""

import argparse
import sys
from pathlib import Path

from scripts.lib import cli
from scripts.lib.jsonl import BadInput
from scripts.lib.page.results import Results, default_folder


def parse_args(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="RUN", help="a run or model of the study, or a model folder")
    parser.add_argument("--results", help="the study's folder (default: the only one under results/, or the laptop's)")
    parser.add_argument("--template", help="chat template file (default: the model's own)")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 is greedy (default)")
    parser.add_argument("--max-tokens", type=int, default=512, help="maximum tokens of an answer (default: 512)")
    return parser.parse_args(argv)


def folder_of(name: str, results: str | None) -> Path:
    """The folder of a model: a path, or a run or model of the study.

    Raises:
        BadInput: neither exists.
    """
    if (Path(name) / "config.json").is_file():
        return Path(name)
    study = Results(results or default_folder())
    places = [study.path("checkpoints", name, "model"), study.path("models", name)]
    found = next((place for place in places if (place / "config.json").is_file()), None)
    if found is None:
        there = sorted(file.parent for file in study.path().glob("checkpoints/*/model/config.json"))
        there = [file.parent.name for file in there] + [file.name for file in study.path().glob("models/*")]
        raise BadInput(f"{name}: no weights under {study.path()} (there are: {', '.join(there) or 'none'}).")
    return found


def main(args: argparse.Namespace) -> int:
    """Answers line by line."""
    import torch
    from transformers import AutoModelForCausalLM, TextStreamer

    from scripts.lib.generation.chat import load_tokenizer, prompt_ids

    cli.quiet()
    folder = folder_of(args.model, args.results)
    tokenizer = load_tokenizer(folder, args.template)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto", trust_remote_code=False).to(device).eval()
    sampling = {"do_sample": True, "temperature": args.temperature} if args.temperature else {"do_sample": False}
    messages: list[dict] = []
    sys.stderr.write(f"{folder}: type a question; an empty line starts over, Ctrl-D quits\n")
    for line in iter(asked, None):
        if not line:
            messages = []
            continue
        messages.append({"role": "user", "content": line})
        ids = torch.tensor([prompt_ids(tokenizer, messages)], device=device)
        streamer = TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=args.max_tokens,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
                streamer=streamer,
                **sampling,
            )
        answer = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
        messages.append({"role": "assistant", "content": answer})
    return 0


def asked() -> str | None:
    """The next line, or None at the end of the input."""
    sys.stderr.write("> ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    return line.strip() if line else None


if __name__ == "__main__":
    cli.run(main, parse_args)
