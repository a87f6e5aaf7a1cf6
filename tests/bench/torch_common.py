"""What the PyTorch peers share: the events of MovieLens-1M, batches by length, cheap dropout, a loss
that never holds all logits, and a Transformer block.  Not a program."""
import json
import resource
import time

import numpy as np
import torch
import torch.nn.functional as F

PAD = 0


def read_histories(path):
    """RATINGS (user::item::rating::time) as a list of arrays of item ids from 1, in order of time."""
    text = open(path, "rb").read().replace(b"::", b" ")
    rows = np.array(text.split(), dtype=np.int64).reshape(-1, 4)
    rows = rows[np.lexsort((rows[:, 3], rows[:, 0]))]
    items = np.unique(rows[:, 1], return_inverse=True)[1] + 1
    return np.split(items, np.flatnonzero(np.diff(rows[:, 0])) + 1), int(items.max())


def cut(histories, length):
    """Training windows (inputs and the event after each): all but the last two events of a user."""
    windows = []
    for h in histories:
        h = h[:-2]
        for first in range(0, len(h) - 1, length):
            windows.append(h[first:first + length + 1])
    return windows


def batches_by_length(windows, size):
    """Batches of windows of like lengths."""
    windows = sorted(windows, key=len)
    return [windows[i:i + size] for i in range(0, len(windows), size)]


def pad(windows):
    """Matrix [B, T] of ids, padded at the end."""
    x = np.full((len(windows), max(map(len, windows))), PAD, dtype=np.int64)
    for row, w in zip(x, windows):
        row[:len(w)] = w
    return torch.from_numpy(x)


class Dropout:
    """Masks out of a pool drawn once, each time from another place: costs one product."""

    def __init__(self, rate, size, dtype):
        self.rate, self.random = rate, np.random.default_rng(1)
        if rate > 0:
            keep = self.random.random(2 * size, dtype=np.float32) >= rate
            self.pool = torch.from_numpy(keep.astype(np.float32) / (1 - rate)).to(dtype)

    def __call__(self, x):
        if self.rate == 0:
            return x
        first = int(self.random.integers(self.pool.numel() - x.numel()))
        return x * self.pool[first:first + x.numel()].view_as(x)


class ChunkedCrossEntropy(torch.autograd.Function):
    """Mean of -log softmax(h wᵀ)[target], forward and backward in one go, some rows at a time."""

    @staticmethod
    def forward(ctx, h, w, target, rows):
        loss, dh, dw = 0.0, torch.empty_like(h), torch.zeros(w.shape)
        w16 = w.to(h.dtype)
        for i in range(0, len(h), rows):
            part, goal = h[i:i + rows], target[i:i + rows, None]
            p = torch.log_softmax((part @ w16.t()).float(), 1)
            loss -= p.gather(1, goal).sum().item()
            p.exp_().scatter_add_(1, goal, torch.full(goal.shape, -1.0)).div_(len(h))
            p = p.to(h.dtype)
            torch.mm(p, w16, out=dh[i:i + rows])
            dw += p.t() @ part
        ctx.save_for_backward(dh, dw)
        return torch.tensor(loss / len(h))

    @staticmethod
    def backward(ctx, d):
        dh, dw = ctx.saved_tensors
        return dh * d, dw * d, None, None


class Block(torch.nn.Module):
    """Pre-norm attention and feed-forward, dropout on what is added to the stream."""

    def __init__(self, dim, heads, ffn, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = torch.nn.LayerNorm(dim), torch.nn.LayerNorm(dim)
        self.qkv, self.out = torch.nn.Linear(dim, 3 * dim), torch.nn.Linear(dim, dim)
        self.up, self.down = torch.nn.Linear(dim, ffn), torch.nn.Linear(ffn, dim)

    def attend(self, x, mask, pieces):
        """Causal; cut into pieces of queries, so that half of the products is never made."""
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, -1).permute(2, 0, 3, 1, 4).reshape(
            3, B * self.heads, T, -1).unbind(0)
        rows, k, y = -(-T // pieces), k.transpose(1, 2), []
        for i in range(0, T, rows):
            end = min(i + rows, T)
            s = torch.baddbmm(mask[i:end, :end].to(q.dtype), q[:, i:end], k[:, :, :end],
                              alpha=q.shape[-1] ** -0.5)
            y.append(torch.softmax(s, -1) @ v[:, :end])
        y = torch.cat(y, 1) if len(y) > 1 else y[0]
        return self.out(y.view(B, self.heads, T, -1).transpose(1, 2).reshape(B, T, C))

    def forward(self, x, mask, pieces):
        x = x + self.dropout(self.attend(self.norm1(x), mask, pieces))
        return x + self.dropout(self.down(F.gelu(self.up(self.norm2(x)))))


class Encoder(torch.nn.Module):
    """Plain pre-norm causal Transformer over item ids with learned positions."""

    def __init__(self, items, dim, layers, heads, ffn, length, dropout, pieces):
        super().__init__()
        self.item, self.position = torch.nn.Embedding(items + 1, dim), torch.nn.Embedding(length, dim)
        torch.nn.init.normal_(self.item.weight, std=dim ** -0.5)
        torch.nn.init.normal_(self.position.weight, std=dim ** -0.5)
        self.blocks = torch.nn.ModuleList(Block(dim, heads, ffn, dropout) for _ in range(layers))
        self.norm, self.dropout, self.pieces = torch.nn.LayerNorm(dim), dropout, pieces
        self.mask = torch.full((length, length), -1e9).triu(1)

    def forward(self, ids):
        T = ids.shape[1]
        x = self.dropout(self.item(ids) + self.position.weight[:T])
        for block in self.blocks:
            x = block(x, self.mask[:T, :T], self.pieces)
        return self.norm(x)


def settle(threads=2):
    torch.manual_seed(1)
    torch.set_num_threads(threads)


def measure(steps, warm=2):
    """steps: callables that return what they worked on.  A JSON line with the rate of all
    but the first `warm`."""
    done, started = 0, time.perf_counter()
    for i, step in enumerate(steps):
        if i == warm:
            done, started = 0, time.perf_counter()
        done += step()
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rate": done / seconds, "seconds": seconds, "mb": peak}))
