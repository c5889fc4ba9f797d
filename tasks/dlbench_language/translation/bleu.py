"""BLEU: Papineni, Roukos, Ward, Zhu 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation"; as computed
by sacreBLEU: Post 2018, "A Call for Clarity in Reporting BLEU Scores"."""

from __future__ import annotations

from collections.abc import Sequence

from sacrebleu.metrics.bleu import BLEU


def corpus_bleu(translations: Sequence[str], references: Sequence[str]) -> float:
    """0 to 100, over the whole corpus, one reference each; words are what blanks separate."""
    return float(_bleu().corpus_score(list(translations), [list(references)]).score)


def signature() -> str:
    """What sacreBLEU says of how it counted, its version included."""
    bleu = _bleu()
    bleu.corpus_score(["a"], [["a"]])  # the number of references is known once it has seen some
    return str(bleu.get_signature())


def _bleu() -> BLEU:
    """The texts are tokenised already: `force` spares the warning that says so."""
    return BLEU(tokenize="none", force=True)
