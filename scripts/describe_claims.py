"""Writes docs/claims.md: how a claim is written, and the verdict on each by the papers' own printed figures.

python -m scripts.describe_claims --out docs/claims.md
"""

import yaml

from scripts.lib import cli
from scripts.lib.study import language, papers, resolve, schema
from scripts.lib.tables import claims, claims_page

PAPERS = {"cft": "CFT (2501.17703v4)", "spin": "SPIN (2401.01335v3)", "thinkpo": "ThinkPO (2502.13173v1)"}
INTRO = """# Claims

Made by `python -m scripts.describe_claims --out docs/claims.md` from `config/claims/*.yaml` and
`papers/*.yaml`; do not edit it here.

A claim is a sentence of a paper as an inequality over cells of tables. `snakemake claims` makes the
tables that the study's claims name, prints each claim with its value and 95 % interval, and writes
`results/<study>/claims.md` and `.json`:

- **reproduced**: the whole interval is above the threshold;
- **not reproduced**: the whole interval is below it;
- **inconclusive**: the threshold is within it, or the error of a cell is not known.

`python -m scripts.check_claims --partial` judges by existing results and runs nothing; if a claim
lacks a cell, it names the command that makes it (`results/<study>/claims.partial.md` and `.json`).

## How a claim is written

```yaml
claims:
  cft_beats_sft:
    says: CFT scores at least 4 points more than the best SFT variant, on average.
    section: Table 2
    table: cft_table2                    # of all cells that name none; the same for row and column
    column: [Chain sums, Equations]      # a name then stands for two cells
    cells: {noisy: {row: SFT (noisy answers)}, verified: {row: SFT-verified}, cft: {row: CFT}}
    value: mean(cft) - max(mean(noisy), mean(verified))
    above: 4
```

`value` is arithmetic over the names. `mean`, `min` and `max` of one name run over its cells; `min`
and `max` of several run cell by cell; `change(before, after)` is a change in percent; there is also
`abs`. `exact: true` marks a cell as a count or a setting, without an error. Your own claims can be
in any config file.

Cells that were measured here are resampled by question, 10,000 times, with the same questions for
every checkpoint (a paired bootstrap). A cell without graded answers is drawn from the normal
distribution with its standard error. The interval does not cover training seeds.

## What the printed figures support

The papers print no errors. Here each printed percentage is drawn from the binomial distribution
with the benchmark's number of questions (`papers/benchmark_sizes.yaml`), independently of all
others. Rows of a paper answer the same questions, so a paired interval would be narrower, but the
papers do not print what that needs. No error can be computed for lengths and a judge's scores. So
*inconclusive* means here that the printed table alone does not settle the claim, not that it is
wrong.
"""

SURPRISES = """### What surprises

- DeepSeek-Math-7B gains 3.5 points over the best SFT variant, not 4 to 10.
- Direct answering is not always best: on Minerva at temperature 0.6 both kinds of self-critique
  score 0.2 to 0.5 more.
- GSM8k rises by 8.3 points at SPIN's iteration 0; the text says more than 10.
- Of SPIN's four iterations only the first gains more than its error. DPO on top of SPIN rests on a
  row that does not add up: its six scores average 64.74, the printed average is 64.05
  (papers/spin.yaml). By the scores it gains 1.6 points, by the averages 0.9.
- Big-Bench's sports task falls by 1.6 points, 4 of 250 questions.
- ThinkPO's 8.6 % is the mean of five percentages. Four fifths of it are AIME, where 20.0 to 26.7 is
  two of 30 questions; the average itself moves by 3.7 %.
- The average of DeepSeek-R1-Distill-Qwen-7B falls by 1.3 points with ThinkPO: MATH500 gains 3.8,
  AIME loses 13.4 (four questions).
- None of ThinkPO's claims on accuracy is settled by its printed tables: five benchmarks of 30 to
  1,319 questions, one answer each, leave an average uncertain by 3 to 6 points.
"""


def page() -> str:
    """The whole page as Markdown."""
    parts = [INTRO]
    for paper, title in PAPERS.items():
        entries = claims_of(paper)
        verdicts = printed_verdicts(paper, entries)
        parts.append(f"### {title}\n\n{claims_page.page(entries, verdicts)}")
        short = [name for name, verdict in verdicts.items() if verdict["value"] <= entries[name]["above"]]
        if short:
            listed = ", ".join(f"`{name}`" for name in short)
            parts.append(f"The printed value itself is not above the threshold:\n{listed}.\n")
    return "\n".join([*parts, SURPRISES])


def printed_verdicts(paper: str, entries: dict[str, dict]) -> dict[str, dict]:
    """The verdict on each claim by the numbers in papers/<paper>.yaml."""
    tables = printed_tables(paper)
    return {name: claims.verdict_of(claim, tables, printed_cell) for name, claim in entries.items()}


def claims_of(paper: str) -> dict[str, dict]:
    """The claims of config/claims/<paper>.yaml, with `extends` and `for_each` expanded and defaults filled in."""
    given = read_yaml(f"config/claims/{paper}.yaml")["claims"]
    mistakes: list[str] = []
    entries = language.expand(given, "claims", lambda path: f"config/claims/{paper}.yaml: {path}", {}, mistakes)
    if mistakes:
        raise resolve.ConfigError(mistakes)
    return schema.conform(entries, {"$ref": "#/$defs/claims"}, ())


def printed_tables(paper: str) -> dict[str, list[dict]]:
    """The cells of papers/<paper>.yaml by table: row, column, value, and the questions `n` behind a percentage."""
    sizes = read_yaml("papers/benchmark_sizes.yaml")
    tables: dict[str, list[dict]] = {}
    for table in (entry["id"] for entry in papers.paper(paper)["tables"]):
        for row, values in papers.printed(table).items():
            for column, value in values.items():
                # A table has its benchmarks as columns or as rows; lengths are not percentages.
                count = None if column.startswith("len_") else sizes.get(column) or sizes.get(row)
                cell = {"row": row, "column": column, "value": value, "se": None, "n": count}
                tables.setdefault(table, []).append(cell)
    return tables


def printed_cell(table: str, cell: dict) -> claims.Cell:
    """A printed number: binomial if the number of questions is known, else with unknown error."""
    return claims.Cell(cell["value"], questions=cell["n"])


def read_yaml(file: str) -> dict:
    """A YAML file of this checkout."""
    return yaml.safe_load((cli.ROOT / file).read_text(encoding="utf-8"))


if __name__ == "__main__":
    cli.run_page(page, __doc__)
