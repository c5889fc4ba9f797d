"""The baseline on links of knowledge graphs: `frequent_links`. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from dlbench import Kind, KnowledgeGraph, Links, ModelSpec, Settings, Signature

if TYPE_CHECKING:
    from .frequent_links import FrequentLinks


def models(recipes: Mapping[str | type[Kind], Settings]) -> Iterator[ModelSpec]:
    yield ModelSpec(
        name="frequent_links",
        build=build_frequent_links,
        accepts=[(KnowledgeGraph, Links)],
        family="Baseline",
        recipes=recipes,
    )


def build_frequent_links(signature: Signature) -> FrequentLinks:
    from .frequent_links import FrequentLinks

    return FrequentLinks(entities=signature.input.entities, relations=signature.input.relations)
