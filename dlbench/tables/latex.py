"""Tables for LaTeX, with the lines of the package booktabs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

ESCAPED = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "±": r"$\pm$", "↓": r"$\downarrow$", "·": r"$\cdot$",
}  # fmt: skip


def escaped(text: str) -> str:
    """A text as LaTeX prints it, on one line. `"` needs the T1 encoding of fonts."""
    return " ".join("".join(ESCAPED.get(char, char) for char in text).split())


def latex_table(title: str, header: Sequence[str], body: Iterable[Sequence[str]], left: Iterable[str]) -> str:
    r"""A table with a caption; needs `\usepackage{booktabs}`. `left`: the columns that aren't figures."""
    names = set(left)
    lines = [
        r"\begin{table}", r"\centering", rf"\caption{{{escaped(title)}}}",
        rf"\begin{{tabular}}{{{''.join('l' if name in names else 'r' for name in header)}}}", r"\toprule",
        _line(header), r"\midrule", *map(_line, body), r"\bottomrule", r"\end{tabular}", r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    # braces around what begins with [ or *: after \\ these would be an option of the line end
    texts = [f"{{{text}}}" if (text := escaped(cell)).startswith(("[", "*")) else text for cell in cells]
    return " & ".join(texts) + r" \\"
