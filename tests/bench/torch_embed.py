"""PyTorch's embedding export: users/s, all rows of E (T x d) of each user's last events as NumPy arrays.

    torch_embed.py RATINGS [--dim 64 --layers 2 --heads 2 --ffn 256] [--bf16]

A JSON line {"rate", "seconds", "mb"}."""
import argparse

import torch

import torch_common as common

a = argparse.ArgumentParser()
a.add_argument("ratings")
for name, default in (("dim", 64), ("layers", 2), ("heads", 2), ("ffn", 256), ("length", 200),
                      ("batch", 128), ("steps", 30), ("pieces", 1), ("threads", 2)):
    a.add_argument("--" + name, type=int, default=default)
a.add_argument("--bf16", action="store_true")
a = a.parse_args()

common.settle(a.threads)
histories, items = common.read_histories(a.ratings)
batches = common.batches_by_length([h[-a.length:] for h in histories], a.batch)
model = common.Encoder(items, a.dim, a.layers, a.heads, a.ffn, a.length, common.Dropout(0, 0, None), a.pieces)
model.eval()


def step(windows):
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=a.bf16):
        e = model(common.pad(windows)).float().numpy()
    rows = [x[:len(w)] for x, w in zip(e, windows)]
    return len(rows)


chosen = batches[-3:-1] + [batches[int((i + 0.5) * len(batches) / a.steps)] for i in range(a.steps)]
common.measure((lambda w=w: step(w)) for w in chosen)
