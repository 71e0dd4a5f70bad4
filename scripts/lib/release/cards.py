"""Cards: the README.md that the hub shows for a checkpoint, or for a dataset that a study made.

The header is huggingface_hub's (base_model, datasets, license, model-index); the text is from the templates beside this
file. A card uses existing files under results/ only.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
from huggingface_hub import DatasetCardData, EvalResult, ModelCardData

from scripts.lib.jsonl import BadInput
from scripts.lib.page.results import Results
from scripts.lib.study import runs
from scripts.lib.tables import flags
from scripts.lib.tables.escape import markdown_cell
from scripts.lib.tables.facts import steps_of

LEFT_OUT = ("rows_dropped", "rows_truncated", "rows_held_out")  # prefixes of counts in a training summary
EXAMPLE = 160  # characters of an example value in the table of columns
DATA = ("critiques", "refinements", "responses", "answers")  # the sections whose rows can be published


def model_card(results: Results, run: str) -> str:
    """The card of a run's checkpoint, in Markdown with a YAML header.

    Raises:
        BadInput: there is no such run, or it is not trained yet.
    """
    study = results.study
    if run not in study["runs"]:
        raise BadInput(f"{run}: there is no such run. The study has: {', '.join(study['runs'])}.")
    training = results.trainings.get(run)
    if training is None:
        raise BadInput(
            f"{run}: it has not been trained. First: snakemake {results.shown(results.path(*model_folder(run)))}"
        )
    entry, chosen = study["runs"][run], results.json("train_sets", f"{run}.json") or {}
    scores = list(scores_of(results, run))
    licence = origin(results, run).get("licence")
    return _template("model_card.md.j2").render(
        header=_header(model_header(results, run, scores)),
        run=run,
        method=entry["method"],
        start=entry["start"],
        study=study.name,
        scores=scores,
        flags=_explained(scores, flags.of_training(training)),
        recipe=entry["hyperparameters"] | {"seed": entry["seed"]},
        rows=training["rows"],
        steps=steps_of(training),
        set_left_out=counted(left_out_of_set(chosen)),
        left_out=counted(left_out_of_training(training["counts"])),
        prompts=", ".join(f"`{file}`" for file in chosen.get("prompt_sha256", {})) or "the texts of the dataset itself",
        device=training["made_by"]["device"],
        versions=versions(training["made_by"]),
        licence=licence,
    )


def model_folder(run: str) -> tuple[str, ...]:
    """The path of a run's checkpoint below the results folder."""
    return "checkpoints", run, "model"


def origin(results: Results, run: str) -> Mapping[str, Any]:
    """The entry of the model at the root of a run's ancestry."""
    return results.study["models"][runs.tokenizer_behind(results.study.resolved, run)[0]]


def scores_of(results: Results, run: str) -> Iterator[dict]:
    """A checkpoint's score on each benchmark that it was evaluated on."""
    for benchmark, score in results.scores.get(run, {}).items():
        if score["accuracy"] is None:
            continue
        full, entry = score.get("out_of", 100), results.study["benchmarks"][benchmark]
        value, error = full * score["accuracy"], full * (score["standard_error"] or 0)
        yield {
            "benchmark": benchmark,
            "title": entry["title"],
            "repo": entry["questions"].get("repo") if isinstance(entry.get("questions"), Mapping) else None,
            "metric": "accuracy" if full == 100 else f"rating out of {full:g}",
            "value": round(value, 2),
            "shown": f"{value:.1f} ± {error:.1f}",
            "error": round(error, 2),
            "questions": score["questions"],
            "cut_off": f"{100 * score['cut_off_share']:.0f} %" if "cut_off_share" in score else "–",
            "flags": flags.of_score(score),
        }


def model_header(results: Results, run: str, scores: list[dict]) -> ModelCardData:
    """The YAML header of a model card, by which the hub searches and sorts."""
    entry, root = results.study["runs"][run], origin(results, run)
    return ModelCardData(
        license=root.get("licence"),
        library_name="transformers",
        pipeline_tag="text-generation",
        base_model=root.get("repo"),
        datasets=sorted(repos_behind(results, run)) or None,
        tags=["redpen", entry["method"]],
        model_name=f"{results.study.name}-{run}",
        eval_results=[_evaluation(score) for score in scores] or None,
    )


def _evaluation(score: Mapping) -> EvalResult:
    error = f"± {score['error']:g} standard error, {score['questions']} questions"
    return EvalResult(
        task_type="text-generation",
        dataset_type=score["repo"] or score["benchmark"],
        dataset_name=score["title"],
        metric_type="accuracy" if score["metric"] == "accuracy" else "rating",
        metric_name=f"{score['metric']} ({error})",
        metric_value=score["value"],
    )


def repos_behind(results: Results, run: str) -> set[str]:
    """The hub repositories of the datasets that a run and its ancestors were trained on."""
    study, repos = results.study, set()
    while run in study["runs"]:
        for file in study.train_datasets(SimpleNamespace(run=run)):
            repos.add(study["datasets"][Path(file).stem].get("repo"))
        run = study["runs"][run]["start"]
    return repos - {None}


def _explained(scores: list[dict], of_training: Mapping[str, float]) -> list[str]:
    """One sentence for each flag: which benchmarks have it, and what it means."""
    raised: dict[str, list[str]] = {}
    for score in scores:
        for name in score["flags"]:
            raised.setdefault(name, []).append(score["title"])
    sentences = [f"{', '.join(titles)}: {flags.FLAGS[name].says}." for name, titles in raised.items()]
    return sentences + [f"Training: {flags.FLAGS[name].says}." for name in of_training]


def left_out_of_set(chosen: Mapping) -> dict[str, int]:
    """The number of rows left out of a training set, by reason."""
    reasons: dict[str, int] = dict(chosen.get("left_out", {}))
    for part in chosen.get("parts", ()):
        for reason, count in part["left_out"].items():
            reasons[reason] = reasons.get(reason, 0) + count
    return reasons


def left_out_of_training(counts: Mapping[str, int]) -> dict[str, int]:
    """The number of rows of the training set that training dropped, truncated or held out, by reason."""
    return {name: count for name, count in counts.items() if name.startswith(LEFT_OUT)}


def counted(reasons: Mapping[str, int]) -> str:
    """`12 filtered_out, 3 empty`, or `none`."""
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count) or "none"


def data_card(results: Results, section: str, slug: str) -> str:
    """The dataset card of rows that a study made: critiques, refinements, responses, or a teacher's answers.

    Args:
        results: the study's files.
        section: one of DATA.
        slug: the entry.

    Raises:
        BadInput: the rows do not exist.
    """
    file = data_file(results, section, slug)
    rows = results.rows(*file.relative_to(results.folder).parts)
    first = next(rows, None)
    if first is None:
        raise BadInput(f"{file}: there are no rows. First: snakemake {results.shown(file)}")
    summary = results.json(*file.relative_to(results.folder).with_suffix(".json").parts) or {}
    made_by = summary.get("made_by", {"script": "unknown", "versions": {}})
    entry = results.study[section][slug]
    return _template("dataset_card.md.j2").render(
        header=_header(
            DatasetCardData(pretty_name=slug, tags=["redpen", section], task_categories=["text-generation"])
        ),
        slug=slug,
        kind=section,
        study=results.study.name,
        rows=1 + sum(1 for _ in rows),
        facts={name: value for name, value in entry.items() if isinstance(value, str | int | float)},
        example={name: _short(value) for name, value in first.items()},
        made_by=made_by,
        versions=versions(made_by),
    )


def data_file(results: Results, section: str, slug: str) -> Path:
    """The rows of an entry."""
    return (
        results.path(section, slug, "graded.jsonl")
        if section == "responses"
        else results.path(section, f"{slug}.jsonl")
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= EXAMPLE else text[: EXAMPLE - 1] + "…"


def versions(made_by: Mapping) -> str:
    """`python 3.11.7, torch 2.13.0, …`, for the packages that a summary names."""
    return ", ".join(f"{name} {version}" for name, version in made_by["versions"].items()) or "unknown versions"


def _header(data: ModelCardData | DatasetCardData) -> str:
    return f"---\n{data.to_yaml(line_break=chr(10)).strip()}\n---"


@cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), undefined=jinja2.StrictUndefined, autoescape=False
    )
    environment.filters["cell"] = markdown_cell
    return environment.get_template(name)
