"""GraphRNN: You et al. 2018, "GraphRNN: Generating Realistic Graphs with Deep Auto-regressive Models".

A graph in breadth-first order is a sequence of rows: to which of the nodes before it each node is joined, the nearest
first. A recurrent network over the nodes remembers the rows so far, and one over the places of a row writes the next. A
row without an edge is the end. Differs from the paper: `window`, how many nodes back a row looks, is the whole graph
unless set; fewer and narrower layers.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BEGIN = 2  # what stands before the first place of a row, beside 0 and 1


class GraphRNN(nn.Module):
    """`width`, `depth`: of the network over nodes; `edge_width`: of that over the places of a row. `simple`: the places
    of a row are independent given the rows before, as in the paper's GraphRNN-S."""

    def __init__(
        self, *, nodes_max: int, window: int = 0, width: int = 64, depth: int = 1, edge_width: int = 16,
        simple: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if nodes_max < 2:
            raise ValueError(f"a graph of {nodes_max} nodes has no edges to learn")
        self.nodes_max, self.window = nodes_max, min(window or nodes_max - 1, nodes_max - 1)
        self.embed = nn.Sequential(nn.Linear(self.window, width), nn.ReLU())
        self.over_nodes = nn.GRU(width, width, depth, batch_first=True)
        self.simple = simple
        if simple:
            self.answer = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, self.window))
        else:
            self.begin = nn.Linear(width, edge_width)
            self.symbols = nn.Embedding(3, edge_width)
            self.over_places = nn.GRU(edge_width, edge_width, batch_first=True)
            self.answer = nn.Linear(edge_width, 1)
        steps = torch.arange(1, nodes_max)  # the nodes that have rows
        back = steps[:, None] - 1 - torch.arange(self.window)
        self.register_buffer("back", back.clamp(min=0), persistent=False)  # the node that a place looks at
        self.register_buffer("exists", back >= 0, persistent=False)

    def rows(self, adjacency: Tensor) -> Tensor:
        """The rows of the nodes 1 to N - 1, (B, N - 1, window) int64, of ordered graphs (B, N, N) bool or int64."""
        index = self.back.expand(len(adjacency), *self.back.shape)
        return (adjacency[:, 1:].gather(2, index) > 0).long() * self.exists

    def logits(self, rows: Tensor) -> Tensor:
        """What each place says given all before it: (B, N - 1, window), from rows of the same shape."""
        first = rows.new_ones(len(rows), 1, self.window)
        before = torch.cat([first, rows[:, :-1]], dim=1)
        memory, _ = self.over_nodes(self.embed(before.to(self.embed[0].weight.dtype)))
        if self.simple:
            return self.answer(memory)
        written = torch.cat([torch.full_like(rows[..., :1], BEGIN), rows[..., :-1]], dim=2)
        start = self.begin(memory).flatten(0, 1)[None]
        states, _ = self.over_places(self.symbols(written.flatten(0, 1)), start.contiguous())
        return self.answer(states).view_as(rows)

    def log_likelihood(self, adjacency: Tensor, sizes: Tensor) -> Tensor:
        """log p of the rows of ordered graphs and of the end, in nats, (B,): `adjacency` (B, N, N), `sizes` (B,)."""
        rows = self.rows(adjacency)
        surprise = F.binary_cross_entropy_with_logits(self.logits(rows).float(), rows.float(), reduction="none")
        counts = torch.arange(self.nodes_max - 1, device=sizes.device) < sizes[:, None]  # the last of them is the end
        return -(surprise * self.exists * counts[..., None]).sum(dim=(1, 2))

    def draw(self, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """Graphs from numbers (B, N - 1, window) from 0 to below 1: adjacency (B, N, N) int64 and sizes (B,) int64."""
        count, steps, window = uniform.shape
        row = torch.ones(count, window, dtype=torch.int64, device=uniform.device)
        going, sizes, memory = torch.ones_like(row[:, :1]), torch.ones_like(row[:, 0]), None
        adjacency = row.new_zeros(count, self.nodes_max, self.nodes_max)
        for step in range(steps):
            known = min(step + 1, window)
            state, memory = self.over_nodes(self.embed(row.to(self.embed[0].weight.dtype))[:, None], memory)
            row = F.pad(self._draw_row(state, uniform[:, step, :known]) * going, (0, window - known))
            going = row.amax(dim=1, keepdim=True)
            sizes = sizes + going.squeeze(1)
            adjacency[:, step + 1, step + 1 - known : step + 1] = row[:, :known].flip(1)
        return adjacency + adjacency.transpose(1, 2), sizes

    def _draw_row(self, memory: Tensor, uniform: Tensor) -> Tensor:
        """The places of one row, (B, places) int64, given the memory (B, 1, width)."""
        if self.simple:
            chances = self.answer(memory).squeeze(1)[:, : uniform.shape[1]].float().sigmoid()
            return (uniform < chances).long()
        state = self.begin(memory).transpose(0, 1).contiguous()
        symbol, found = torch.full_like(uniform[:, :1], BEGIN, dtype=torch.int64), []
        for place in range(uniform.shape[1]):
            answer, state = self.over_places(self.symbols(symbol), state)
            symbol = (uniform[:, place : place + 1] < self.answer(answer).squeeze(2).float().sigmoid()).long()
            found.append(symbol)
        return torch.cat(found, dim=1)
