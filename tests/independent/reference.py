"""Encoder, LLM and adapter in NumPy, written from ul-stream(5) and the GGUF specification alone: shares
no code with the tools.  For the checks beside this file; double precision throughout.
"""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile


def skip(why):
    print(why)
    sys.exit(77)


try:
    import numpy as np
except ImportError:  # tests/run.sh has looked for a Python with NumPy
    OTHER = shutil.which(os.environ.get("PYTHON") or "")
    if OTHER is None or os.path.samefile(OTHER, sys.executable):
        skip("there is no NumPy")
    os.execv(OTHER, [OTHER, "-B"] + sys.argv)
if shutil.which("zstd") is None:
    skip("there is no zstd")

TESTDATA = os.path.abspath(os.environ.get("TESTDATA", "testdata"))


def need(condition, *what):
    if not condition:
        sys.exit("FAILED: " + " ".join(str(w) for w in what))


def close(what, ours, theirs, tolerance):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    need(ours.shape == theirs.shape, what, "has the shape", theirs.shape, "not", ours.shape)
    apart = np.abs(ours - theirs).max(initial=0)
    need(apart <= tolerance, what, "is", apart, "away")  # NaN fails, too
    print(f"{what}: {ours.shape}, at most {apart:.1e} apart")


def scratch():
    """Into a new folder, which goes away with the returned object."""
    folder = tempfile.TemporaryDirectory()
    os.chdir(folder.name)
    return folder


def run(*words, **options):
    """A tool's standard output."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **options)
    need(done.returncode == 0, *words, "exit", done.returncode, done.stderr.decode(errors="replace"))
    return done.stdout


# --- streams ---------------------------------------------------------------------

DTYPES = {"F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "u1"}


def documents(path):
    """(metadata, {name: array}) of each document, through zstd where it is a stream."""
    data = run("zstd", "-dc", path) if open(path, "rb").read(4) == b"\x28\xb5\x2f\xfd" else open(path, "rb").read()
    found = []
    while data:
        length = struct.unpack_from("<Q", data)[0]
        header = json.loads(data[8:8 + length])
        metadata, tensors, end = header.pop("__metadata__"), {}, 0
        for name, entry in header.items():
            first, last = entry["data_offsets"]
            tensors[name] = np.frombuffer(data[8 + length + first:8 + length + last],
                                          DTYPES[entry["dtype"]]).reshape(entry["shape"])
            end = max(end, last)
        found.append((metadata, tensors))
        data = data[8 + length + end:]
    return found


def write_document(path, metadata, tensors):
    """As a plain safetensors file, which the tools read as well."""
    header, data = {"__metadata__": metadata}, b""
    for name, array in sorted(tensors.items(), key=lambda item: -item[1].itemsize):
        dtype = {np.dtype(own).str: dtype for dtype, own in DTYPES.items()}[array.dtype.str]
        header[name] = {"dtype": dtype, "shape": list(array.shape),
                        "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    header = json.dumps(header).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + data)


def disturb(tensors, seed, deviation=0.3):
    """Other weights of the same shapes, far from what training begins with: norms that are not 1, gates
    that are open, unknown values that are not 0."""
    random, new = np.random.default_rng(seed), {}
    for name, array in tensors.items():
        if array.dtype != np.float32:
            new[name] = array
        elif name.endswith("norm"):
            new[name] = random.uniform(0.5, 1.5, array.shape).astype("<f4")
        elif name.endswith("gate") and array.shape == (1,):
            new[name] = random.uniform(0.5, 1.5, array.shape).astype("<f4")
        else:
            new[name] = (array + deviation * random.standard_normal(array.shape)).astype("<f4")
    return new


def lists(tensors, name, values="values"):
    offsets, flat = tensors.get(name + ".offsets"), tensors[f"{name}.{values}"]
    if offsets is None:
        return [flat[i:i + 1] for i in range(len(flat))]
    return [flat[a:b] for a, b in zip(offsets, offsets[1:])]


def texts(tensors, name):
    return [bytes(text).decode() for text in lists(tensors, name, "bytes")]


class Catalogue:
    """Items and features of a dataset or an encoder."""

    def __init__(self, metadata, tensors):
        self.items = texts(tensors, "vocab.item")
        self.features = json.loads(metadata["ul.features"])
        self.texts = [text["name"] for text in json.loads(metadata["ul.texts"]) if text["of"] == "item"]
        self.values = {f["name"]: texts(tensors, f"feature.{f['name']}.vocab") for f in self.features}
        self.by_item = {f["name"]: lists(tensors, "item." + f["name"])
                        for f in self.features if f["of"] == "item"}
        self.names = self.name_items(tensors)

    def name_items(self, tensors):
        title = "title" if "title" in self.texts else self.texts[0] if self.texts else None
        titles = texts(tensors, "item." + title) if title else [""] * len(self.items)
        names = []
        for own, name in zip(self.items, titles):
            name = name or own
            while name in names[3:] and len(names) >= 3:
                name += f" [{own}]"
            names.append(name)
        return names


class Dataset(Catalogue):
    def __init__(self, path):
        first, *chunks = documents(path)
        super().__init__(*first)
        self.window = int(first[0]["ul.window"])
        self.users, self.histories, self.times, self.event_values = [], [], [], []
        of_event = [f["name"] for f in self.features if f["of"] == "event"]
        for _, tensors in chunks:
            self.users += texts(tensors, "user")
            values = {name: lists(tensors, "event." + name) for name in of_event}
            for a, b in zip(tensors["event.offsets"], tensors["event.offsets"][1:]):
                self.histories.append(tensors["event.item"][a:b])
                self.times.append(tensors["event.time"][a:b])
                self.event_values.append({name: column[a:b] for name, column in values.items()})

    def column(self, feature, user, event):
        """The dataset's ids of a feature of an event."""
        item = self.histories[user][event]
        return self.by_item[feature][item] if feature in self.by_item else self.event_values[user][feature][event]


# --- layers ----------------------------------------------------------------------


def norm(x, g, eps):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps) * g


def rotary(x, positions, width, base=10000.0):
    """Each head of `width` columns is turned by its row's position, but for the last of an odd number."""
    turned = width // 2 * 2
    angles = np.outer(np.broadcast_to(positions, len(x)), base ** (-2 * np.arange(width // 2) / turned))
    c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
    heads = x.reshape(len(x), -1, width)
    a, b = heads[..., 0:turned:2], heads[..., 1:turned:2]
    pairs = np.stack([a * c - b * s, a * s + b * c], axis=-1).reshape(*heads.shape[:2], turned)
    return np.concatenate([pairs, heads[..., turned:]], axis=-1).reshape(x.shape)


def silu(x):
    return x / (1 + np.exp(-x))


def time_bucket(seconds):
    if seconds == 0:
        return 0
    octave = int(np.floor(np.log2(seconds)))
    return 1 + 2 * octave + int(seconds >= 1.5 * 2 ** octave)


def attend(q, k, v, width, causal, bias=None, pointwise=False):
    """softmax(q k' / sqrt(width) + bias) v, or silu(q k' + bias) v / keys; heads of q may share those of k and v."""
    out = np.empty_like(q)
    share = q.shape[1] // k.shape[1]
    for head in range(q.shape[1] // width):
        own = slice(head * width, (head + 1) * width)
        other = slice(head // share * width, (head // share + 1) * width)
        scores = q[:, own] @ k[:, other].T / (1 if pointwise else np.sqrt(width))
        if bias is not None:
            scores += bias[head]
        if pointwise:
            out[:, own] = np.tril(silu(scores)) / np.arange(1, len(q) + 1)[:, None] @ v[:, other]
            continue
        if causal:
            scores[np.triu_indices(len(q), 1)] = -np.inf
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        out[:, own] = scores / scores.sum(axis=1, keepdims=True) @ v[:, other]
    return out


def feed_forward(w, name, x, eps):
    n = norm(x, w[name + "norm"], eps)
    if name + "gate" not in w:
        z = n @ w[name + "up"].T
        return z / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z ** 3))) @ w[name + "down"].T
    return (silu(n @ w[name + "gate"].T) * (n @ w[name + "up"].T)) @ w[name + "down"].T


def weights_of(tensors):
    return {name: array.astype(float) for name, array in tensors.items() if array.dtype == np.float32}


# --- the encoder -----------------------------------------------------------------


class Encoder:
    def __init__(self, path):
        (metadata, tensors), = documents(path)
        need(metadata["ul.kind"] == "encoder" and metadata["ul.arch"] in ("ar", "dual"), path, "is no encoder")
        self.catalogue = Catalogue(metadata, tensors)
        self.w = weights_of(tensors)
        gates = [name for name in self.w if name.endswith(".ffn.gate")]
        gated = metadata["ul.ffn"] == "swiglu" and metadata["ul.block"] == "transformer"
        need(bool(gates) == gated, path, "has the gates", gates)
        self.layers, self.heads = int(metadata["ul.layers"]), int(metadata["ul.heads"])
        self.dim, self.max_len = int(metadata["ul.dim"]), int(metadata["ul.max_len"])
        self.block, self.positions = metadata["ul.block"], metadata["ul.positions"]
        self.times, self.temperature = metadata["ul.times"], float(metadata["ul.temperature"])
        self.items = {text: i for i, text in enumerate(self.catalogue.items)}
        self.values = {name: {text: i for i, text in enumerate(vocabulary)}
                       for name, vocabulary in self.catalogue.values.items()}

    def event(self, data, user, event):
        item = data.items[data.histories[user][event]]
        parts = [self.w["enc.embed.item"][self.items.get(item, 1)]]
        for feature in self.catalogue.features:
            name = feature["name"]
            table = self.w["enc.embed." + name]
            ids = [self.values[name].get(data.values[name][i], 1) for i in data.column(name, user, event)]
            parts.append(table[ids].mean(axis=0) if ids else np.zeros(table.shape[1]))
        return np.concatenate(parts)

    def item_vectors(self):
        """What E is multiplied with: [items, d]."""
        vectors = self.w.get("enc.head.item", self.w["enc.embed.item"])
        if "enc.tower" in self.w:
            columns = [self.w["enc.embed.item"]]
            for feature in self.catalogue.features:
                if feature["of"] != "item":
                    continue
                table = self.w["enc.embed." + feature["name"]]
                columns.append(np.array([table[ids].mean(axis=0) if len(ids) else np.zeros(table.shape[1])
                                         for ids in self.catalogue.by_item[feature["name"]]]))
            vectors = np.concatenate(columns, axis=1) @ self.w["enc.tower"].T
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if self.temperature > 0 else vectors

    def bias(self, name, times, query_times):
        """[heads, T, T], what is added to the scores."""
        T = len(times)
        total = np.zeros((self.heads, T, T))
        for t in range(T):
            for j in range(t + 1):
                if name + "position_bias" in self.w:
                    total[:, t, j] += self.w[name + "position_bias"][:, t - j]
                if name + "time_bias" in self.w:
                    total[:, t, j] += self.w[name + "time_bias"][:, time_bucket(query_times[t] - times[j])]
        return total

    def embeddings(self, data, user, end, first=0, asked=False):
        """E after the events [first, end) of a user; asked: for the event that follows."""
        w, width = self.w, self.dim // self.heads
        first = max(first, end - self.max_len)
        x = np.array([self.event(data, user, event) for event in range(first, end)])
        times = data.times[user][first:end] if self.times != "none" else np.zeros(len(x))
        next_times = data.times[user][first + 1:end + asked] if self.times == "query" else times
        query_times = np.append(next_times, times[len(next_times):])
        turned = self.positions in ("rotary", "both")
        positions = np.arange(len(x)) if turned else np.zeros(len(x))
        hstu = self.block == "hstu"
        x = norm(x @ w["enc.input"].T, w["enc.input_norm"], 1e-5)
        for layer in range(self.layers):
            name = f"enc.block.{layer}.attn."
            n = norm(x, w[name + "norm"], 1e-5)
            q, k, v = (n @ w[name + part].T for part in "qkv")
            if hstu:
                q, k, v = silu(q), silu(k), silu(v)
            o = attend(rotary(q, positions, width), rotary(k, positions, width), v, width, True,
                       self.bias(name, times, query_times), hstu)
            if hstu:
                x = x + (norm(o, w[name + "out_norm"], 1e-5) * silu(n @ w[name + "gate"].T)) @ w[name + "o"].T
                continue
            x = x + o @ w[name + "o"].T
            x = x + feed_forward(w, f"enc.block.{layer}.ffn.", x, 1e-5)
        x = norm(x, w["enc.norm"], 1e-5)
        if self.temperature > 0:
            x = x / np.linalg.norm(x, axis=1, keepdims=True) / self.temperature
        return x


# --- the LLM ---------------------------------------------------------------------


def gpt2_alphabet():
    """The letter that stands for each byte."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, extra = {}, 0
    for byte in range(256):
        letters[byte] = chr(byte if byte in own else 256 + extra)
        extra += byte not in own
    return letters


def numbers(values):
    """As F32; what is no float is BF16, the upper half of one."""
    return (values.astype("<u4") << 16).view("<f4") if values.dtype == "<u2" else values.astype("<f4", copy=False)


class Gguf:
    """The whole file, checked against the specification as it is read."""
    FLOATS = {0: "<f4", 1: "<f2", 30: "<u2"}  # F32, F16, BF16
    KINDS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        self.at = 4
        need(self.data[:4] == b"GGUF", "magic")
        need(self.take("I") == 3, "version")
        tensor_count, key_count = self.take("Q"), self.take("Q")
        self.keys, self.kinds = {}, {}
        for _ in range(key_count):
            key = self.text()
            need(key not in self.keys and re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)*", key), "key", key)
            self.kinds[key] = kind = self.take("I")
            self.keys[key] = self.value(kind)
        self.tensors, self.shapes, self.offsets, self.types = {}, {}, {}, {}
        self.read_tensors(tensor_count)

    def take(self, kind):
        value, = struct.unpack_from("<" + kind, self.data, self.at)
        self.at += struct.calcsize("<" + kind)
        return value

    def text(self):
        size = self.take("Q")
        self.at += size
        need(self.at <= len(self.data), "a string behind the end")
        return self.data[self.at - size:self.at].decode()

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            kind, count = self.take("I"), self.take("Q")
            return [self.value(kind) for _ in range(count)]
        return self.take(self.KINDS[kind])

    def read_tensors(self, count):
        listed = []
        for _ in range(count):
            name, rank = self.text(), self.take("I")
            need(1 <= rank <= 4 and name not in self.shapes and len(name) < 64, "tensor", name, "of rank", rank)
            self.shapes[name] = [self.take("Q") for _ in range(rank)]
            self.types[name], offset = self.take("I"), self.take("Q")
            need(self.types[name] in self.FLOATS, name, "is of type", self.types[name])
            listed.append((offset, name))
        alignment = self.keys.get("general.alignment", 32)
        start = self.padded(self.at, alignment)
        end = start
        for offset, name in sorted(listed):
            need(start + offset == self.padded(end, alignment), name, "does not follow the tensor before it")
            kind = self.FLOATS[self.types[name]]
            size = np.dtype(kind).itemsize * int(np.prod(self.shapes[name]))
            end = start + offset + size
            need(end <= len(self.data), name, "ends behind the file")
            self.offsets[name] = start + offset
            values = np.frombuffer(self.data[end - size:end], kind).reshape(self.shapes[name][::-1])
            self.tensors[name] = numbers(values)
        need(self.padded(end, alignment) == len(self.data), len(self.data) - end, "bytes behind the last tensor")

    def padded(self, at, alignment):
        end = at + -at % alignment
        need(not any(self.data[at:end]), "padding that is not zero at", at)
        return end

    def rewrite(self, path, tensors):
        """The same file with other weights."""
        data = bytearray(self.data)
        for name, array in tensors.items():
            data[self.offsets[name]:self.offsets[name] + array.nbytes] = array.tobytes()
        with open(path, "wb") as file:
            file.write(data)


class Llm:
    def __init__(self, gguf):
        keys = gguf.keys
        self.w = weights_of(gguf.tensors)
        self.layers = keys["llama.block_count"]
        self.heads = keys["llama.attention.head_count"]
        self.eps = keys["llama.attention.layer_norm_rms_epsilon"]
        self.base = keys["llama.rope.freq_base"]
        self.width = keys["llama.rope.dimension_count"]
        self.take({})
        self.ids = {token: i for i, token in enumerate(keys["tokenizer.ggml.tokens"])}
        self.ranks = {tuple(merge.split(" ")): i for i, merge in enumerate(keys["tokenizer.ggml.merges"])}
        self.end = keys["tokenizer.ggml.eos_token_id"]
        self.begin = [keys["tokenizer.ggml.bos_token_id"]] if keys["tokenizer.ggml.add_bos_token"] else []
        self.alphabet = gpt2_alphabet()

    def file_name(self, name):
        """Of a weight llm.* or lora.*"""
        theirs = {"embed": "token_embd", "norm": "output_norm", "attn.o": "attn_output"}
        block, own = re.fullmatch(r"(?:llm|lora)\.(blk\.\d+\.)?(.*)", name).groups()
        found = (block or "") + theirs.get(own, own.replace(".", "_")) + ".weight"
        need(found in self.w, "no such weight:", name)
        return found

    def take(self, tuned):
        """Weights that an adapter has in the place of the file's."""
        for name, array in tuned.items():
            self.w[self.file_name(name)] = array
        self.output = self.w.get("output.weight", self.w["token_embd.weight"])

    def encode(self, text):
        """Byte-level BPE, with the words of GPT-2 (as far as the texts of the tests need it)."""
        found = []
        words = re.findall(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+", text)
        need("".join(words) == text, "words of", text)
        for word in words:
            pieces = [self.alphabet[byte] for byte in word.encode()]
            while len(pieces) > 1:
                pairs = list(zip(pieces, pieces[1:]))
                best = min(pairs, key=lambda pair: self.ranks.get(pair, 1 << 60))
                if best not in self.ranks:
                    break
                i = pairs.index(best)
                pieces[i:i + 2] = ["".join(best)]
            found += [self.ids[piece] for piece in pieces]
        return found

    def hidden(self, tokens, inject=None):
        """Of token ids, or rows in the place of embeddings."""
        x = np.stack([self.w["token_embd.weight"][token] if np.ndim(token) == 0 else token for token in tokens])
        positions = np.arange(len(x))
        for layer in range(self.layers):
            def w(name, layer=layer):
                return self.w[f"blk.{layer}.{name}.weight"]
            n = norm(x, w("attn_norm"), self.eps)
            q = rotary(n @ w("attn_q").T, positions, self.width, self.base)
            k = rotary(n @ w("attn_k").T, positions, self.width, self.base)
            x = x + attend(q, k, n @ w("attn_v").T, self.width, True) @ w("attn_output").T
            if inject is not None:
                x = inject(layer, x)
            parts = {part: w("ffn_" + part) for part in ("norm", "gate", "up", "down")}
            x = x + feed_forward(parts, "", x, self.eps)
        return norm(x, self.w["output_norm.weight"], self.eps)

    def score(self, query, name, inject=None, before=()):
        """Log-probability of a name behind the query, and behind what is told before that: tokens or rows."""
        return self.log_probabilities([*self.begin, *before, *self.encode(query)],
                                      self.encode(" " + name) + [self.end], inject)

    def log_probabilities(self, asked, answer, inject=None):
        """Of all tokens of the answer together."""
        logits = self.hidden(asked + answer[:-1], inject)[len(asked) - 1:] @ self.output.T
        most = logits.max(axis=1, keepdims=True)
        logits -= most + np.log(np.exp(logits - most).sum(axis=1, keepdims=True))
        return logits[np.arange(len(answer)), answer].sum()


# --- the adapter -----------------------------------------------------------------


class Adapter:
    def __init__(self, path, encoder, llm):
        (metadata, tensors), = documents(path)
        need(metadata["ul.kind"] == "adapter", path, "is no adapter")
        self.w, self.encoder, self.llm, self.inject = weights_of(tensors), encoder, llm, metadata["ul.inject"]
        self.query, self.target, self.latents = metadata["ul.query"], metadata["ul.target"], int(metadata.get("ul.latents", 0))
        self.layers = int(metadata.get("ul.perceiver_layers", 0))
        if self.inject in ("cross", "soft"):
            self.dim, self.heads = int(metadata["ul.dim"]), int(metadata["ul.heads"])
            need(("ul.encoder" in metadata) == (encoder is not None), path, "is of other rows")
        self.injected = metadata.get("ul.inject_layers", "").split(",")
        self.width = int(metadata.get("ul.inject_dim", 0)) // int(metadata.get("ul.inject_heads", 1))
        self.history, self.features = int(metadata.get("ul.history", 0)), metadata.get("ul.history_features") == "1"
        if encoder is not None:
            encoder.w.update({name: array for name, array in self.w.items() if name.startswith("enc.")})
        llm.take({name: array for name, array in self.w.items() if name.startswith("llm.")})
        for name in self.w:
            if name.startswith("lora.") and name.endswith(".a"):
                scale = float(metadata["ul.lora_alpha"]) / float(metadata["ul.lora_rank"])
                llm.w[llm.file_name(name[:-2])] += scale * self.w[name[:-1] + "b"] @ self.w[name]
        held = [any(name.startswith(part) for name in self.w) for part in ("enc.", "lora.", "llm.")]
        expected = {"proj": [0, 0, 0], "enc": [1, 0, 0], "lora": [1, 1, 0], "full": [1, 0, 1]}[metadata["ul.tune"]]
        need(held == [encoder is not None and expected[0], *expected[1:]], path, "holds other weights than it says")

    def perceive(self, e):
        w, width = self.w, self.dim // self.heads
        x, positions = e, np.arange(len(e))
        if self.latents:
            x = w["perceiver.latents"] + e[-1]
            for layer in range(self.layers):
                name = f"perceiver.{layer}.attn."
                q = rotary(norm(x, w[name + "norm"], 1e-5) @ w[name + "q"].T, len(e) - 1, width)
                k = rotary(e @ w[name + "k"].T, positions, width)
                x = x + attend(q, k, e @ w[name + "v"].T, width, False) @ w[name + "o"].T
                x = x + feed_forward(w, f"perceiver.{layer}.ffn.", x, 1e-5)
        return x

    def memory(self, e):
        return norm(self.perceive(e), self.w["soft.norm" if self.inject == "soft" else "xattn.memory_norm"], 1e-5)

    def user(self, data, user, known, e=None):
        """What Llm.score() takes besides query and name, of the user as of the first `known` events; or, of an
        adapter that was trained on vectors, of a user with the rows E."""
        if self.encoder is not None:
            e = self.encoder.embeddings(data, user, known)
        return {"cross": lambda: {"inject": self.injection(e)},
                "soft": lambda: {"before": list(self.memory(e) @ self.w["soft.project"].T)},
                "text": lambda: {"before": self.told(data, user, known)},
                "none": lambda: {}}[self.inject]()

    def told(self, data, user, known):
        """The history as text (where the context has room for it)."""
        tokens = []
        for event in range(max(0, known - self.history), known):
            line = data.names[data.histories[user][event]]
            for feature in data.features if self.features else []:
                name = feature["name"]
                values = [data.values[name][i] for i in np.atleast_1d(data.column(name, user, event))]
                line += f". {name}: " + ", ".join(values) if values else ""
            tokens += self.llm.encode(line + "\n")
        return tokens

    def injection(self, e):
        """What Llm.hidden() calls, for a user with the embeddings E."""
        memory, last, positions = self.memory(e), len(e) - 1, np.arange(len(e))
        llm, w = self.llm, self.w

        def inject(layer, y):
            name = f"xattn.{layer}."
            if str(layer) not in self.injected:
                need(name + "gate" not in w, name, "is there")
                return y
            q = norm(y, w[name + "norm"], llm.eps) @ w[name + "q"].T
            k, v = memory @ w[name + "k"].T, memory @ w[name + "v"].T
            if not self.latents:
                need(self.width == self.dim // self.heads, "heads are", self.width, "wide")
                q, k = rotary(q, last, self.width), rotary(k, positions, self.width)
            return y + np.tanh(w[name + "gate"]) * (attend(q, k, v, self.width, False) @ w[name + "o"].T)

        return inject


# --- tasks ----------------------------------------------------------------------


def words_of(data, feature, values):
    """The values of a list without those that are unknown."""
    return ", ".join(data.values[feature][i] for i in np.atleast_1d(values) if i >= 3)


def favorite(data, feature, user, known):
    """What most of the last 50 events have, the latest of equals."""
    had = [words_of(data, feature, data.column(feature, user, event)) for event in range(max(0, known - 50), known)]
    return max(reversed(had), key=lambda value: (value != "", had.count(value)), default="")


def fill(template, data, user, known):
    """Fields in braces, of the event behind the first `known` of a user."""
    def field(found):
        name = found[0][1:-1]
        if name == "":  # of two braces
            return found[0][0]
        if name == "user":
            return data.users[user]
        if name == "item":
            return data.names[data.histories[user][known]]
        if name.startswith("favorite."):
            return favorite(data, name.removeprefix("favorite."), user, known)
        feature = name.removeprefix("item.")
        return words_of(data, feature, data.column(feature, user, known))

    return re.sub(r"{{|}}|{[^{}]*}", field, template)


# --- what the tools say ----------------------------------------------------------


def check_ranking(answer, scores, catalogue, seen, target, tolerance):
    """An answer of ul-gen against scores by item id, of the catalogue that is ranked: the best items but
    those that were seen, and the target's rank among all that may be ranked."""
    user = "user " + answer["user"]
    scores = np.array(scores, float)
    scores[[0, 1, 2, *seen]] = -np.inf
    ids = [catalogue.items.index(item) for item in answer["items"]]
    best = np.sort(scores)[::-1][:len(ids)]
    need(len(set(ids)) == len(ids) > 0, user, "is given the items", answer["items"])
    need(answer["titles"] == [catalogue.names[i] for i in ids], user, "is given the titles", answer["titles"])
    need(np.abs(answer["scores"] - best).max() <= tolerance, user, "has the scores", answer["scores"], "not", best)
    need(np.abs(answer["scores"] - scores[ids]).max() <= tolerance, user, "is given", answer["items"])
    if target is not None and scores[target] > -np.inf:
        low = 1 + int((scores > scores[target] + tolerance).sum())
        high = int((scores >= scores[target] - tolerance).sum())
        need(answer["rank"] is not None and low <= answer["rank"] <= high, user, "has the rank", answer["rank"],
             "not", low)
    else:
        need(answer["rank"] is None, user, "has a rank, but nothing is there to be ranked")


def predictions(*words):
    return [json.loads(line) for line in run(*words).splitlines()]


# --- small models ----------------------------------------------------------------


def make_data():
    """data.ult to train on; other.ult, and in windows.ult with another split, the same people in another order and with other numbers, items and
    values that no encoder of data.ult knows, and items without features or with another's title."""
    random = np.random.default_rng(7)
    with open(f"{TESTDATA}/events.csv", encoding="utf-8") as file:
        header, *events = file.read().splitlines()
    with open(f"{TESTDATA}/items.csv", encoding="utf-8") as file:
        item_header, *items = file.read().splitlines()
    options = ["--feature", "stars=rating", "--feature", "genre=genres:|", "--text", "title=title"]
    write_lines("items.csv", [item_header, *items])
    write_lines("events.csv", [header, *(e for e in events if int(e.split(",")[0]) <= 200)])
    run("ul-prep", *options, "--items", "items.csv", "-o", "data.ult", "events.csv")
    cells = [item.rsplit(",", 1) for item in items]
    title = items[0].split(",", 1)[1].rsplit(",", 1)[0]
    for i, (front, genres) in enumerate(cells):
        if i % 7 == 3:
            cells[i][1] = ""
        elif i % 7 == 5:
            cells[i][1] = genres + "|Opera"
        if i in (9, 10):  # a title that three items share, and no title
            cells[i][0] = front.split(",", 1)[0] + "," + title
        elif i == 11:
            cells[i][0] = front.split(",", 1)[0] + ","
    write_lines("other-items.csv", [item_header, *(",".join(cell) for cell in cells)])
    few = [event.split(",") for event in events if 100 < int(event.split(",")[0]) <= 112]
    for cell in random.permutation(len(few)):
        if cell % 11 == 0:
            few[cell][1] = "new" + few[cell][1]
        if cell % 13 == 0:
            few[cell][2] = "7"
        elif cell % 17 == 0:
            few[cell][2] = ""
    write_lines("other.csv", [header, *(",".join(few[i]) for i in random.permutation(len(few)))])
    run("ul-prep", *options, "--items", "other-items.csv", "-o", "other.ult", "other.csv")
    run("ul-prep", *options, "--items", "other-items.csv", "--split", "window", "--window", "10", "-o", "windows.ult",
        "other.csv")


def write_lines(path, lines):
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def make_encoder(path="encoder.safetensors", seed=1, options=()):
    run("ul-pretrain", "--dim", "16", "--heads", "4", "--max-len", "20", "--steps", "3", *options, "-o",
        "encoder.ult", "data.ult")
    (metadata, tensors), = documents("encoder.ult")
    write_document(path, metadata, disturb(tensors, seed))


def make_llm(path="lm.gguf", seed=2):
    run("ul-pretrain", "--arch", "lm", "--dim", "32", "--layers", "2", "--heads", "4", "--kv-heads", "2", "--vocab",
        "400", "--steps", "5", "-o", "raw.gguf", "data.ult")
    gguf = Gguf("raw.gguf")
    renamed = {name.removesuffix(".weight"): array for name, array in gguf.tensors.items()}
    gguf.rewrite(path, {name + ".weight": array for name, array in disturb(renamed, seed, 0.1).items()})
