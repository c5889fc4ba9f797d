"""DETR: Carion, Massa, Synnaeve, Usunier, Kirillov and Zagoruyko 2020, "End-to-End Object Detection with Transformers".

As in the paper: sine positions and queries are added to the queries and keys of every attention, normalisation comes
after each sublayer, and the heads read the answer of every decoder layer. Differs by default: far smaller, with a small
residual network of stride 8 that is trained from scratch; faster waves as positions, for maps of few cells; and each
query is a point of the image, as in Wang, Zhang, Yang and Sun 2022, "Anchor DETR: Query Design for Transformer-Based
Detector", where the paper learns vectors, with which training takes far longer. `Detr.published` is DETR-R50.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .detr_backbone import Backbone

SPREAD = 2.0  # of the points at first: logits of their places, so that they lie between 12 and 88 % of each side


class Detr(nn.Module):
    """Image (B, channels, H, W) -> of each decoder layer, the last one's last: logits (layers, B, queries, num_classes
    + 1), the last class for no object, and boxes (layers, B, queries, 4), centre and size as shares of the image's.

    `depth`: decoder layers; `encoder`: encoder layers; `feed`: the inner width of their feed-forward parts, None for
    four times the width. `anchors`: queries are points, and boxes start from them; else vectors. `turns` and
    `temperature`: of the positions' waves (see `waves`). `blocks`: residual blocks in each stage of the backbone, whose
    first is a quarter as wide. `published`: the backbone has the published form. Raises ValueError where the width
    can't be divided by 4 and by `heads`.
    """

    def __init__(
        self,
        *,
        channels: int,
        num_classes: int,
        queries: int = 100,
        width: int = 64,
        depth: int = 2,
        encoder: int = 1,
        heads: int = 4,
        feed: int | None = None,
        dropout: float = 0.0,
        anchors: bool = True,
        turns: float = 2.0,
        temperature: float = 20.0,
        blocks: tuple[int, ...] = (0, 1, 1),
        published: bool = False,
    ) -> None:
        super().__init__()
        if width % 4 or width % heads:
            raise ValueError(f"the width must be divisible by 4 and by the {heads} heads, not {width}")
        inner = 4 * width if feed is None else feed
        self.anchors, self.turns, self.temperature = anchors, turns, temperature
        self.backbone = Backbone(channels=channels, width=width // 4, blocks=blocks, published=published)
        self.entry = nn.Conv2d(self.backbone.outputs, width, 1)
        self.encoder = nn.ModuleList(Layer(width, heads, inner, dropout, cross=False) for _ in range(encoder))
        self.decoder = nn.ModuleList(Layer(width, heads, inner, dropout, cross=True) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.randn(queries, width))
        if anchors:
            self.queries = nn.Parameter(SPREAD * (2 * torch.rand(queries, 2) - 1))
        for parameter in (*self.encoder.parameters(), *self.decoder.parameters()):
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        self.labels = nn.Linear(width, num_classes + 1)
        self.boxes = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4)
        )

    @classmethod
    def published(cls, *, num_classes: int = 91) -> Detr:
        """DETR-R50 for COCO's 91 numbers of classes: 41,524,768 parameters, of which the paper's training leaves those
        of the backbone's stem and first stage, 222,400, as they are."""
        return cls(
            channels=3, num_classes=num_classes, queries=100, width=256, depth=6, encoder=6, heads=8, feed=2048,
            dropout=0.1, anchors=False, turns=1.0, temperature=10_000.0, blocks=(3, 4, 6, 3), published=True,
        )  # fmt: skip

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.entry(self.backbone(images))  # (B, width, h, w)
        places = self._places(maps)  # (h * w, width)
        seen = maps.flatten(2).transpose(1, 2)  # (B, h * w, width)
        for layer in self.encoder:
            seen = layer(seen, places)
        asked = self._asked(maps.shape[1]).to(seen.dtype)  # (queries, width)
        x = torch.zeros_like(asked).expand(len(images), -1, -1)
        answers = []
        for layer in self.decoder:
            x = layer(x, asked, seen, places)
            answers.append(self.norm(x))
        read = torch.stack(answers)  # (layers, B, queries, width)
        boxes = self.boxes(read)
        if self.anchors:
            boxes = torch.cat([boxes[..., :2] + self.queries, boxes[..., 2:]], dim=-1)
        return self.labels(read), boxes.sigmoid()

    def _places(self, maps: Tensor) -> Tensor:
        """Where the cells of maps (B, width, h, w) lie: (h * w, width), half of it for the row and half for the column.
        Their middles, where the published code takes their ends."""
        rows, columns = maps.shape[2:]
        down, across = (
            self._waves((torch.arange(n, device=maps.device) + 0.5) / n, maps.shape[1]) for n in (rows, columns)
        )
        grid = [down[:, None].expand(-1, columns, -1), across[None].expand(rows, -1, -1)]
        return torch.cat(grid, dim=2).flatten(0, 1).to(maps.dtype)

    def _asked(self, width: int) -> Tensor:
        """What the queries add to what they have read: vectors (queries, width) of their own or of their points."""
        if not self.anchors:
            return self.queries
        across, down = self.queries.sigmoid().unbind(1)
        return torch.cat([self._waves(down, width), self._waves(across, width)], dim=1)

    def _waves(self, shares: Tensor, width: int) -> Tensor:
        return waves(shares, width // 2, turns=self.turns, temperature=self.temperature)


class Layer(nn.Module):
    """Self-attention, with `cross` attention to what the encoder saw, and a feed-forward part. Positions are added to
    queries and keys, not to values."""

    def __init__(self, width: int, heads: int, feed: int, dropout: float, *, cross: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.cross = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True) if cross else None
        self.feed = nn.Sequential(nn.Linear(width, feed), nn.ReLU(), nn.Dropout(dropout), nn.Linear(feed, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 if cross else 2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, own: Tensor, seen: Tensor | None = None, places: Tensor | None = None) -> Tensor:
        """x (B, T, width) with positions `own` (T, width) and, for cross attention, what was `seen` (B, S, width) at
        `places` (S, width) -> (B, T, width)"""
        marked = x + own
        mixed = self.attention(marked, marked, x, need_weights=False)[0]
        x = self.norms[0](x + self.dropout(mixed))
        if self.cross is not None:
            mixed = self.cross(x + own, seen + places, seen, need_weights=False)[0]
            x = self.norms[1](x + self.dropout(mixed))
        return self.norms[-1](x + self.dropout(self.feed(x)))


def waves(shares: Tensor, width: int, *, turns: float, temperature: float) -> Tensor:
    """Sines beside cosines (n, width) of places (n,) from 0 to 1: the fastest wave makes so many `turns` from one end
    to the other, and the slowest nearly `temperature` times fewer."""
    pairs = torch.arange(width, device=shares.device, dtype=torch.float32) // 2 * 2
    angles = shares.float()[:, None] * (2 * math.pi * turns) / temperature ** (pairs / width)
    return torch.stack([angles[:, 0::2].sin(), angles[:, 1::2].cos()], dim=2).flatten(1)
