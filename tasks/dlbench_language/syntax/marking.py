"""Markers beside the words that a question is about, which are tokens: so every model of sequences sees them. No torch.

Zhang and Wang 2015, "Relation Classification via Recurrent Neural Network", call them position indicators.
"""

from __future__ import annotations

from collections.abc import Sequence

from .sentences import Sentence

MARKER = "marker"
"""The relation of a marker to its word."""
Marker = tuple[int, str, int]
"""The word that it stands before (their count: at the end), its text, and the word that it hangs on."""


def with_markers(sentence: Sentence, markers: Sequence[Marker]) -> Sentence:
    """The sentence with more tokens, of which no tag is asked; `markers` ascend. What joins its words stays."""
    count = len(sentence.words)
    befores = [before for before, _, _ in markers]
    moved, passed = [], 0
    for word in range(count):
        while passed < len(befores) and befores[passed] <= word:
            passed += 1
        moved.append(word + passed)
    places = [before + number for number, before in enumerate(befores)]
    size = count + len(markers)
    words, marks, tags = [""] * size, [0] * size, [None] * size
    for word, place in enumerate(moved):
        words[place] = sentence.words[word]
        marks[place] = sentence.marks[word] if sentence.marks else 0
        tags[place] = sentence.tags[word] if sentence.tags else None
    edges = [(moved[head], moved[word], relation) for head, word, relation in sentence.edges]
    for place, (_, text, host) in zip(places, markers, strict=True):
        words[place] = text
        edges.append((moved[host], place, MARKER))
    return Sentence(words, edges, marks, tags if sentence.tags else ())
