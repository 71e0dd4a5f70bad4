"""The page of a study: what is read, what is embedded, and the HTML around it.

The page is one file: its scripts and styles are inline, and a Content-Security-Policy that names their hashes allows
nothing else. What models and people wrote is data: it is packed (packing.py), or escaped by the skeleton, and the
JavaScript inserts it as text only. The same files give the same bytes.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from scripts.lib.cli import duration
from scripts.lib.grading.scoring import VERDICTS
from scripts.lib.page import answers, cost, critiques, near, overview, prompts, provenance, training, vendored
from scripts.lib.page.packing import Part, Parts, packed, volumes
from scripts.lib.page.results import Results
from scripts.lib.tables.flags import FLAGS
from scripts.lib.tables.notes import scale_warning

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("data.js", "dom.js", "tests.js", "answers.js", "question.js", "rows.js", "curves.js", "trail.js", "main.js")
VOLUME_BYTES = 8_000_000  # per file beside the page
FORMULA = re.compile(r"\$[^$]+\$|\\\(|\\\[|\\frac|\\boxed")


def make(results: Results, budget: int, command: Sequence[str] = ("snakemake", "--")) -> tuple[str, dict[str, str]]:
    """The page, and the files beside it (name to text).

    Args:
        results: the study's files.
        budget: the most bytes of data in the page; further answer texts go into files beside it.
        command: the Snakemake call that a target is appended to.
    """
    parts = Parts()
    left_out = answers.add(parts, results)
    prompts.add(parts, results)
    runs = training.add(parts, results)
    entries = critiques.add(parts, results)
    core = {
        "study": results.study.name,
        "tables": overview.shown_tables(results, left_out),
        "benchmarks": benchmark_facts(results),
        "checkpoints": results.checkpoints,
        "scores": results.scores,
        "verdicts": VERDICTS,
        "flags": {name: vars(flag) for name, flag in FLAGS.items()},
        "critiques": entries,
        "near": near.questions(results),
        "runs": runs,
    }
    parts.add("provenance", provenance.of(results, command))
    inside, beside = parts.split(budget)
    # Grouped by benchmark: a question is read together with every row's answer to it.
    groups = volumes(sorted(beside, key=lambda part: part.name.rpartition("/")[2]), VOLUME_BYTES)
    names = [f"study/data-{place}.js" for place in range(len(groups))]
    core["beside"] = {part.name: name for name, group in zip(names, groups) for part in group}
    inside = [Part("core", packed(core)), *inside]
    files = {name: volume(group) for name, group in zip(names, groups)}
    return render(results, inside, beside), files


def benchmark_facts(results: Results) -> dict[str, dict]:
    """The settings of each benchmark that the page shows."""
    keys = ("title", "kind", "max_tokens", "samples", "temperature")
    return {
        name: {key: entry[key] for key in keys if key in entry} for name, entry in results.study["benchmarks"].items()
    }


def volume(parts: Iterable[Part]) -> str:
    """A file beside the page: JavaScript that adds packed parts, which are base64 and need no escaping."""
    return "".join(f'redpen.add("{part.name}","{part.text}");\n' for part in parts)


def render(results: Results, inside: Sequence[Part], beside: Sequence[Part]) -> str:
    """The HTML of the page, from its template."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["duration"] = duration
    script, style = scripts(results), styles()
    judged = overview.claims(results)
    return environment.get_template("page.html.j2").render(
        study=results.study.name,
        warning=scale_warning(results.study.scale),
        policy=policy(script, style, bool(beside)),
        script=script,
        style=style,
        parts=inside,
        beside=sum(len(part.text) for part in beside) / 1e6,
        tables=overview.tables(results),
        flags=overview.flag_list(results),
        claims=judged,
        claim_forest=overview.forest([{**(claim["point"] or {}), "label": claim["id"]} for claim in judged]),
        forest=overview.forest(overview.differences(results)),
        rules=cost.by_rule(results),
        trainings=cost.trainings(results),
        teachers=cost.teachers(results),
        runs=results.trained_on,
        critiques=[slug for slug in results.study["critiques"] if results.path("critiques", f"{slug}.jsonl").is_file()],
        licences=vendored.notices(),
    )


def scripts(results: Results) -> str:
    """The page's JavaScript: the libraries that it needs, then its own code."""
    libraries = ["diff"] + (["uplot"] if results.trainings else []) + (["katex"] if holds_formulas(results) else [])
    own = [(ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS]
    return "\n".join([vendored.text(name) for name in libraries] + own)


def holds_formulas(results: Results) -> bool:
    """Whether a question or a worked solution is written in LaTeX."""
    shown = (
        text
        for benchmark in results.study["benchmarks"]
        for row in results.rows("benchmarks", f"{benchmark}.jsonl")
        for text in (row.get("question"), row.get("solution"))
    )
    return any(isinstance(text, str) and FORMULA.search(text) for text in shown)


def styles() -> str:
    """The page's styles."""
    return vendored.text("uplot-styles") + "\n" + (ASSETS / "page.css").read_text(encoding="utf-8")


def policy(script: str, style: str, has_files: bool) -> str:
    """The Content-Security-Policy: allows this script, this style and any files beside the page."""
    sources = f"'sha256-{digest(script)}'" + (" file: 'self'" if has_files else "")
    return f"default-src 'none'; script-src {sources}; style-src 'sha256-{digest(style)}'; base-uri 'none'"


def digest(text: str) -> str:
    """The sha256 of an inline script or style, in base64 as the policy needs it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
