"""PyTorch's encoder training: real events/s of forward, backward and AdamW.

    torch_encoder.py RATINGS [--dim 64 --layers 2 --heads 2 --ffn 256] [--bf16] [--steps 10]

Full softmax over the items, tied embeddings; a JSON line {"rate", "seconds", "mb"}."""
import argparse

import torch
import torch.nn.functional as F

import torch_common as common

a = argparse.ArgumentParser()
a.add_argument("ratings")
for name, default in (("dim", 64), ("layers", 2), ("heads", 2), ("ffn", 256), ("length", 200),
                      ("batch", 128), ("steps", 10), ("chunk", 2048), ("pieces", 4), ("threads", 2)):
    a.add_argument("--" + name, type=int, default=default)
a.add_argument("--dropout", type=float, default=0.2)
a.add_argument("--bf16", action="store_true")
a = a.parse_args()

common.settle(a.threads)
histories, items = common.read_histories(a.ratings)
batches = common.batches_by_length(common.cut(histories, a.length), a.batch)
dropout = common.Dropout(a.dropout, a.batch * a.length * a.dim, torch.bfloat16 if a.bf16 else torch.float32)
model = common.Encoder(items, a.dim, a.layers, a.heads, a.ffn, a.length, dropout, a.pieces)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, foreach=True)


def loss_of(ids):
    """At the real positions alone."""
    real = (ids[:, 1:] != common.PAD).reshape(-1).nonzero()[:, 0]
    target = ids[:, 1:].reshape(-1)[real]
    with torch.autocast("cpu", torch.bfloat16, enabled=a.bf16):
        h = model(ids[:, :-1]).reshape(-1, a.dim)[real]
        if a.chunk == 0:
            return F.cross_entropy(h @ model.item.weight.t(), target), len(real)
    h = h.bfloat16() if a.bf16 else h
    return common.ChunkedCrossEntropy.apply(h, model.item.weight, target, a.chunk), len(real)


def step(windows):
    optimizer.zero_grad(set_to_none=True)
    loss, events = loss_of(common.pad(windows))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return events


# Evenly over the lengths, a thorough sample of an epoch; the longest twice before, to warm up.
chosen = [batches[-2]] * 2 + [batches[int((i + 0.5) * len(batches) / a.steps)] for i in range(a.steps)]
common.measure((lambda w=w: step(w)) for w in chosen)
