"""A table in LaTeX: booktabs, numbers to the right, the notes under it. It needs the package booktabs."""

import re
import unicodedata
from collections.abc import Sequence

from scripts.lib.tables import flags

WIDE = 6  # columns besides the row names: a table with more spans both columns of a page
SPECIAL = {character: f"\\{character}" for character in "&%$#_{}"}
SPECIAL |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
NAMES = {"±": r"$\pm$", "★": r"$\star$", "▲": r"$\uparrow$", "▼": r"$\downarrow$", "–": "--", "−": r"$-$"}
NAMES |= {"Δ": r"$\Delta$", "λ": r"$\lambda$"}


def letter(mark: str) -> str:
    """The plain letter of a superscript one: c for ᶜ."""
    return unicodedata.normalize("NFKC", mark)


RAISED = {flag.mark: rf"$^{{{letter(flag.mark)}}}$" for flag in flags.FLAGS.values()}
ESCAPES = str.maketrans(SPECIAL | NAMES | RAISED)


def escaped(plain: str) -> str:
    """Plain text, escaped for LaTeX; a hyphen before a digit becomes a minus sign.

    >>> escaped("-6.8 ± 2.1 %")
    '$-$6.8 $\\\\pm$ 2.1 \\\\%'
    """
    return re.sub(r"(?<![\w)$])-(?=\d)", "$-$", plain.translate(ESCAPES))


def latex_table(shown, title: str, table_id: str, notes: Sequence[str] = ()) -> str:
    """A data frame of texts as a LaTeX table.

    Args:
        shown: the texts, with the row names as its index.
        title: the caption.
        table_id: for the label.
        notes: paragraphs below the table.
    """
    wide = len(shown.columns) > WIDE
    head = " & ".join(map(escaped, [str(shown.index.name or "").strip(), *shown.columns]))
    rows = [
        " & ".join([escaped(str(name)), *map(escaped, row)]) + r" \\"
        for name, row in zip(shown.index, shown.values.tolist(), strict=True)
    ]
    environment = "table*" if wide else "table"
    lines = [
        rf"\begin{{{environment}}}[t]",
        r"\centering",
        rf"\caption{{{escaped(title)}}}",
        rf"\label{{tab:{table_id}}}",
        r"\small",
        rf"\begin{{tabular}}{{l{'r' * len(shown.columns)}}}",
        r"\toprule",
        rf"{head} \\",
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        *[rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize {escaped(note)}}}" for note in notes],
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"
