"""BLEU-4: Papineni, Roukos, Ward, Zhu 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation"; as
computed by sacreBLEU: Post 2018, "A Call for Clarity in Reporting BLEU Scores"."""

from __future__ import annotations

from collections.abc import Sequence

from sacrebleu.metrics.bleu import BLEU


def corpus_bleu(captions: Sequence[str], references: Sequence[str]) -> float:
    """0 to 100, over the whole corpus, one reference each; words are what blanks separate."""
    return float(BLEU(tokenize="none", force=True).corpus_score(list(captions), [list(references)]).score)
