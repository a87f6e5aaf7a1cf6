"""PyTorch's LLM fine-tuning with everything frozen but what is around the LLM: LLM tokens/s.

    torch_llm.py RATINGS [--bf16] [--steps 3]

A Llama of random weights in SmolLM2-135M's shape, with gated cross-attention in every layer to 16 latents
that a Perceiver makes of a user encoder's rows (d=64, 2 layers); a step is 16 histories of 4 questions each,
32 tokens with an answer of 6, forward, backward and AdamW.  A JSON line {"rate", "seconds", "mb"}."""
import argparse

import numpy as np
import torch
import torch.nn.functional as F

import torch_common as common

a = argparse.ArgumentParser()
a.add_argument("ratings")
for name, default in (("layers", 30), ("width", 576), ("heads", 9), ("kv", 3), ("ffn", 1536), ("vocab", 49152),
                      ("tokens", 32), ("answer", 6), ("dim", 64), ("latents", 16), ("length", 200),
                      ("histories", 16), ("questions", 4), ("steps", 3), ("threads", 2)):
    a.add_argument("--" + name, type=int, default=default)
a.add_argument("--bf16", action="store_true")
a = a.parse_args()
DTYPE = torch.bfloat16 if a.bf16 else torch.float32
D = a.width // a.heads


class RMSNorm(torch.autograd.Function):
    """x / rms(x) with a backward in few passes; a weight would be folded into the frozen product after it."""

    @staticmethod
    def forward(ctx, x):
        r = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        r = (r * r / x.shape[-1] + 1e-5).rsqrt_().to(x.dtype)
        y = x * r
        ctx.save_for_backward(y, r)
        return y

    @staticmethod
    def backward(ctx, d):
        y, r = ctx.saved_tensors
        return torch.addcmul(d, y, (d * y).mean(-1, keepdim=True), value=-1).mul_(r)


rms = RMSNorm.apply


def swiglu(x, up, down):
    gate, value = up(x).chunk(2, -1)
    return down(F.silu(gate) * value)


class Frozen(torch.nn.Module):
    """A product with a weight of the LLM, in the type of the products once for all."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.register_buffer("weight", (torch.randn(n_out, n_in) * 0.02).to(DTYPE))

    def forward(self, x):
        return F.linear(x, self.weight)


def linear(n_in, n_out):
    return torch.nn.Linear(n_in, n_out, bias=False)


class Cross(torch.nn.Module):
    """Attention of x [B, T, width] to memory [B, K, d]."""

    def __init__(self, width, memory, heads):
        super().__init__()
        self.heads = heads
        self.q, self.kv, self.o = linear(width, width), linear(memory, 2 * width), linear(width, width)

    def forward(self, x, memory, mask=None):
        B, T, C = x.shape
        q = self.q(x).view(B, T, self.heads, -1).transpose(1, 2)
        k, v = self.kv(memory).view(B, memory.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        s = (q * q.shape[-1] ** -0.5) @ k.transpose(2, 3)
        s = s if mask is None else s + mask
        return self.o((torch.softmax(s, -1) @ v).transpose(1, 2).reshape(B, T, C))


class Perceiver(torch.nn.Module):
    def __init__(self, dim, heads, layers=2):
        super().__init__()
        self.latents = torch.nn.Parameter(torch.randn(a.latents, dim) * 0.5)
        self.cross = torch.nn.ModuleList(Cross(dim, dim, heads) for _ in range(layers))
        self.up = torch.nn.ModuleList(linear(dim, 4 * dim) for _ in range(layers))
        self.down = torch.nn.ModuleList(linear(2 * dim, dim) for _ in range(layers))

    def forward(self, e, known):
        """e [B, T, d], of which the first known [B] rows count."""
        mask = torch.where(torch.arange(e.shape[1]) < known[:, None], 0.0, -1e9).to(e.dtype)[:, None, None]
        x = e[torch.arange(len(e)), known - 1][:, None] + self.latents
        for cross, up, down in zip(self.cross, self.up, self.down):
            x = x + cross(rms(x), e, mask)
            x = x + swiglu(rms(x), up, down)
        return rms(x)


class LlamaBlock(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.o = Frozen(a.width, (a.heads + 2 * a.kv) * D), Frozen(a.width, a.width)
        self.up, self.down = Frozen(a.width, 2 * a.ffn), Frozen(a.ffn, a.width)
        self.cross, self.gate = Cross(a.width, a.dim, a.heads), torch.nn.Parameter(torch.zeros(()))

    def attend(self, x, cos, sin, mask):
        """The heads that share a key head are more queries of it."""
        B, T, _ = x.shape
        x = self.qkv(x).view(B, T, a.heads + 2 * a.kv, D).transpose(1, 2)
        qk, v = x[:, :a.heads + a.kv], x[:, a.heads + a.kv:]
        qk = qk * cos + torch.cat((-qk[..., D // 2:], qk[..., :D // 2]), -1) * sin
        q, k = qk[:, :a.heads].reshape(B, a.kv, -1, D), qk[:, a.heads:]
        p = torch.softmax(q @ k.transpose(2, 3) * D ** -0.5 + mask, -1)
        return self.o((p @ v).view(B, a.heads, T, D).transpose(1, 2).reshape(B, T, a.width))

    def forward(self, x, memory, cos, sin, mask):
        x = x + self.attend(rms(x), cos, sin, mask)
        x = x + torch.tanh(self.gate).to(x.dtype) * self.cross(rms(x), memory)
        return x + swiglu(rms(x), self.up, self.down)


class Model(torch.nn.Module):
    def __init__(self, items):
        super().__init__()
        dropout = common.Dropout(0.2, a.histories * a.length * a.dim, DTYPE)
        self.encoder = common.Encoder(items, a.dim, 2, 2, 4 * a.dim, a.length, dropout, 1)
        self.perceiver = Perceiver(a.dim, 2)
        self.register_buffer("embed", (torch.randn(a.vocab, a.width) * 0.02).to(DTYPE))
        self.blocks = torch.nn.ModuleList(LlamaBlock() for _ in range(a.layers))
        T = a.tokens
        angle = torch.arange(T)[:, None] * 10000.0 ** -(torch.arange(D) % (D // 2) / (D // 2))
        self.cos, self.sin = angle.cos().to(DTYPE), angle.sin().to(DTYPE)
        self.mask = torch.full((T, T), -1e9).triu(1).repeat(a.heads // a.kv, 1).to(DTYPE)

    def forward(self, ids, known, tokens):
        """-log P of the answers, the last of the tokens [questions, T + 1]; logits of these alone."""
        e = self.encoder(ids).repeat_interleave(a.questions, 0)
        memory, x = self.perceiver(e, known), F.embedding(tokens[:, :-1], self.embed)
        for block in self.blocks:
            x = block(x, memory, self.cos, self.sin, self.mask)
        h = rms(x[:, -a.answer:]).reshape(-1, a.width)
        return F.cross_entropy(F.linear(h, self.embed).float(), tokens[:, -a.answer:].reshape(-1))


common.settle(a.threads)
histories, items = common.read_histories(a.ratings)
windows = [w[:-1] for w in common.cut(histories, a.length)]
random = np.random.default_rng(1)
model = Model(items)
trained = list(model.parameters())
optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.01, foreach=True)


def step():
    chosen = [windows[i] for i in random.integers(len(windows), size=a.histories)]
    known = torch.tensor([random.integers(1, len(w) + 1) for w in chosen for _ in range(a.questions)])
    tokens = torch.from_numpy(random.integers(a.vocab, size=(len(known), a.tokens + 1)))
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=a.bf16):
        loss = model(common.pad(chosen), known, tokens)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    return len(known) * a.tokens


common.measure((step for _ in range(a.steps + 1)), warm=1)
