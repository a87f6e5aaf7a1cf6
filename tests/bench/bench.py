"""`make bench`: what the tools reach beside what a user would take instead, in one run.

    [WORKS="encoder-train-d64 ..."] [CPUS="amx avx512 avx2"] [RUNS=5] [DATA=../shared/data/ml-1m] \\
    [LLAMA_CPP=../llama.cpp/build/bin] /usr/bin/python3 tests/bench/bench.py BUILD

Ours and theirs take turns, so that the machine's moods hit both; medians, lowest and highest, and ratios (above 1:
ours is better) go to standard output and to BUILD/bench/results.json.  What is not there is skipped and said.  A path
is forced by UL_CPU; what OpenBLAS does on avx2 is pinned to its Haswell kernels, and nowhere else to anything."""
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(sys.argv[1])
ROOM = os.path.join(BUILD, "bench")
RUNS = int(os.environ.get("RUNS", "5"))
DATA = os.environ.get("DATA", os.path.join(HERE, "../../../shared/data/ml-1m"))
PYTHON = "/usr/bin/python3"
JEMALLOC = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"
PLAIN = {"ATEN_CPU_CAPABILITY": "avx512", "OMP_NUM_THREADS": "2",
         "LD_LIBRARY_PATH": "/usr/lib/x86_64-linux-gnu/openblas-openmp"}
TORCH = {**PLAIN, "LD_PRELOAD": JEMALLOC if os.path.exists(JEMALLOC) else "",
         "MALLOC_CONF": "oversize_threshold:1,thp:always,dirty_decay_ms:-1,muzzy_decay_ms:-1"}
SHAPES = {"d64": "--dim 64 --layers 2 --heads 2", "d256": "--dim 256 --layers 4 --heads 8"}
results = []


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, environment=None, **more):
    """Seconds, peak MiB, and what was printed on either stream."""
    settings = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    settings.update(environment or {})
    start = time.perf_counter()
    child = subprocess.Popen(command.split(), env=settings, stdout=more.get("stdout", subprocess.PIPE),
                             stderr=subprocess.STDOUT if "stdout" not in more else subprocess.PIPE, text=True)
    said = (child.stdout or child.stderr).read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise RuntimeError(f"{command}: {said.strip()[-300:]}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024, said


def on(path):
    return {"UL_CPU": path, **({"OPENBLAS_CORETYPE": "Haswell"} if path in ("avx2", "generic") else {})}


def ours(tool):
    return f"{BUILD}/bin/{tool}"


def rate(said):
    """Of the last report: what came before it, a first evaluation, is the warm-up."""
    return float(re.findall(r"/s=(\d+)", said)[-1])


def torch(script, options, environment=TORCH):
    def measure():
        said = run(f"{PYTHON} {HERE}/{script} {ROOM}/ratings.dat {options}", environment)[2]
        return json.loads(said.splitlines()[-1])
    return measure


def compare(work, path, unit, mine, peer, theirs, smaller=False, runs=RUNS):
    """mine and theirs: functions that measure once; theirs may be several ways, of which the best counts."""
    measured, others = [], [[] for _ in theirs]
    for _ in range(runs):
        measured.append(mine())
        for values, way in zip(others, theirs):
            values.append(way())
    best = (min if smaller else max)(others, key=statistics.median) if theirs else None
    record(work, path, unit, measured, peer, best, smaller)


def record(work, path, unit, measured, peer, best, smaller=False):
    a = statistics.median(measured)
    result = {"work": work, "cpu": path, "unit": unit, "ours": a, "ours_low": min(measured),
              "ours_high": max(measured), "runs": len(measured)}
    if best:
        b = statistics.median(best)
        result.update(peer=peer, theirs=b, theirs_low=min(best), theirs_high=max(best),
                      ratio=b / a if smaller else a / b)
    add(result)


def add(result):
    """Written at once: what comes later may fail."""
    results.append(result)
    say(line(result))
    with open(f"{ROOM}/results.json", "w") as out:
        json.dump(results, out, indent=1)


def line(r):
    def spread(who):
        return f"{r[who]:>10,.1f} {'(%.4g-%.4g)' % (r[who + '_low'], r[who + '_high']):<22}" if who in r else " " * 33
    return (f"{r['work']:<24} {r['cpu']:<8} {r['unit']:<10} {spread('ours')} {r.get('peer', '-'):<10} "
            f"{spread('theirs')} " + (f"{r['ratio']:.2f}" if "ratio" in r else "-") + (f"  {r['runs']} runs" if r.get("runs", RUNS) != RUNS else ""))


def encoder(path, shape, memory=False):
    options = SHAPES[shape]
    ffn = {"d64": 256, "d256": 1024}[shape]
    steps = {"d64": 60, "d256": 12}[shape]

    def mine():
        _, peak, said = run(f"{ours('ul-pretrain')} {options} --max-len 200 --batch 128 --dropout 0.2 --patience 0 "
                            f"--steps {steps} --evaluate-every {steps // 2} -T2 -o {ROOM}/encoder.ult "
                            f"{ROOM}/items.ult", on(path))
        return peak if memory else rate(said)
    key = "mb" if memory else "rate"
    settings = ("--bf16", "--bf16 --pieces 1", "--bf16 --chunk 0 --pieces 1", "")
    ways = [torch("torch_encoder.py", f"{options} --ffn {ffn} {way}", PLAIN if memory else TORCH)
            for way in settings]
    theirs = [lambda w=w: w()[key] for w in ways]
    if memory:
        compare("memory-train-" + shape, path, "MiB", mine, "pytorch", has("torch", theirs), True, min(RUNS, 3))
    else:
        compare("encoder-train-" + shape, path, "events/s", mine, "pytorch", has("torch", theirs))


def embed(path):
    users = 6040
    run(f"{ours('ul-pretrain')} {SHAPES['d64']} --steps 0 -o {ROOM}/untrained.ult {ROOM}/items.ult", on(path))

    def mine(precision):
        with open(os.devnull, "w") as nowhere:
            return users / run(f"{ours('ul-embed')} -m {ROOM}/untrained.ult --precision {precision} --format npy -T2 "
                               f"{ROOM}/items.ult", on(path), stdout=nowhere)[0]
    ways = [torch("torch_embed.py", f"{SHAPES['d64']} --ffn 256 {bf16}") for bf16 in ("--bf16", "")]
    theirs = has("torch", [lambda w=w: w()["rate"] for w in ways])
    compare("embed-d64", path, "users/s", lambda: mine("auto"), "pytorch", theirs)
    compare("embed-d64-f32", path, "users/s", lambda: mine("f32"), "pytorch f32", theirs[1:])


def llm(path):
    if not os.path.exists(f"{ROOM}/llm.gguf"):
        run(f"{BUILD}/tests/bench/make_llm {ROOM}/llm.gguf")
    run(f"{ours('ul-pretrain')} {SHAPES['d64']} --steps 0 -o {ROOM}/untrained.ult {ROOM}/items.ult", on(path))

    def mine():
        # 27 tokens of query and four or five of an item's id.
        return rate(run(f"{ours('ul-finetune')} --llm {ROOM}/llm.gguf -m {ROOM}/untrained.ult --tune enc --teach 0 "
                        f"--query Next-film-of-this-person-is --batch 64 --questions 4 --steps 10 "
                        f"--evaluate-every 4 -T2 -o {ROOM}/adapter.ult {ROOM}/items.ult", on(path))[2])
    ways = [torch("torch_llm.py", "--bf16"), torch("torch_llm.py", "")]
    compare("llm-enc-135m", path, "tokens/s", mine, "pytorch",
            has("torch", [lambda w=w: w()["rate"] for w in ways]), runs=min(RUNS, 3))


def decode(path):
    """Prompts and decoding beside llama.cpp, whose programs LLAMA_CPP's folder has (build/bin of its source); SHAPES
    and KINDS choose among models and types of weights."""
    folder = os.environ.get("LLAMA_CPP", "")
    if not os.path.exists(f"{folder}/llama-quantize"):
        say("skipped: llama.cpp (LLAMA_CPP=FOLDER has its llama-bench and llama-quantize)")
        folder = ""
    libraries = {"LD_LIBRARY_PATH": folder}
    for shape in os.environ.get("SHAPES", "stories15M SmolLM2-135M Qwen2.5-0.5B").split():
        whole = f"{ROOM}/{shape}-f32.gguf"
        if not os.path.exists(whole):
            run(f"{BUILD}/tests/bench/make_llm {whole} {shape}")
        for kind in os.environ.get("KINDS", "F16 Q8_0 Q4_0 Q4_K_M").split() if folder else ("F32",):
            model = f"{ROOM}/{shape}-{kind}.gguf" if folder else whole
            if not os.path.exists(model):
                run(f"{folder}/llama-quantize {whole} {model} {kind} 2", libraries)
            decode_model(path, f"{shape}-{kind}", model, folder, libraries)


def decode_model(path, name, model, folder, libraries):
    found, theirs = {}, {}
    for _ in range(RUNS):
        said = run(f"{BUILD}/tests/bench/decode {model} 2 3", on(path))[2]
        for key, value in json.loads(said.splitlines()[-1]).items():
            found.setdefault(key, []).append(value)
        if folder:
            said = run(f"{folder}/llama-bench -m {model} -t 2 -p 32,512 -n 64 -r 3 -o jsonl", libraries)[2]
            for text in said.splitlines():
                if text.startswith("{"):
                    one = json.loads(text)
                    key = "tg" if one["n_gen"] else f"pp{one['n_prompt']}"
                    theirs.setdefault(key, []).append(one["avg_ts"])
    found["tg32 / tg"] = [many / one for many, one in zip(found["tg32"], found["tg"])]
    for key, values in found.items():
        record(f"{name} {key}", path, "tokens/s" if "/" not in key else "times", values,
               "llama.cpp" if key in theirs else None, theirs.get(key))


def gemm(path):
    for text in run(f"{BUILD}/tests/bench/gemm {RUNS}", on(path))[2].splitlines():
        add(json.loads(text))


def prep(path):
    folder = f"{ROOM}/ml-20m"
    os.makedirs(folder, exist_ok=True)
    for part in ("ratings", "movies"):
        if not os.path.exists(f"{folder}/{part}.csv"):
            with open(f"{folder}/{part}.new", "w") as out:
                run(f"{BUILD}/tests/bench/ml20m {part}", stdout=out)
            os.rename(f"{folder}/{part}.new", f"{folder}/{part}.csv")
    peaks = []

    def mine():
        seconds, peak, _ = run(f"{ours('ul-prep')} -q --preset ml-20m -T2 -o {ROOM}/ml-20m.ult {folder}/ratings.csv",
                               on(path))
        peaks.append(peak)
        return seconds

    def bare():
        return run(f"{BUILD}/tests/bench/csv_pass {folder}/ratings.csv")[0]

    def pandas():
        said = run(f"{PYTHON} {HERE}/pandas_prep.py {folder}/ratings.csv")[2]
        return float(re.search(r"all (\S+) s", said)[1])
    compare("prep-ml20m", path, "s", mine, "libcsv", [bare], True)
    compare("prep-ml20m-pandas", path, "s", mine, "pandas", has("pandas", [pandas]), True)
    record("memory-prep-ml20m", path, "MiB", peaks, "", None)


def stream(path):
    """Through zstd's default level and checksums, as every tool writes; MB are those of the tensors."""
    size = os.path.getsize(f"{ROOM}/users.safetensors") / 1e6 if os.path.exists(f"{ROOM}/users.safetensors") else 0
    if size == 0:
        run(f"{ours('ul-pretrain')} {SHAPES['d64']} --steps 0 -o {ROOM}/untrained.ult {ROOM}/items.ult")
        run(f"{ours('ul-embed')} -m {ROOM}/untrained.ult --format ult -o {ROOM}/users.ult {ROOM}/items.ult")
        run(f"{ours('ul-cat')} --to safetensors -o {ROOM}/users.safetensors {ROOM}/users.ult")
        size = os.path.getsize(f"{ROOM}/users.safetensors") / 1e6
    compare("stream-write", path, "MB/s", lambda: size / run(
        f"{ours('ul-cat')} --merge -o {ROOM}/again.ult {ROOM}/users.ult")[0], "zstd -3", [lambda: size / run(
            f"zstd -q -f -3 --single-thread -o {ROOM}/users.zst {ROOM}/users.safetensors")[0]])
    compare("stream-read", path, "MB/s", lambda: size / run(f"{ours('ul-cat')} --check {ROOM}/users.ult")[0],
            "zstd -t", [lambda: size / run(f"zstd -q -t {ROOM}/users.ult")[0]])


def has(module, theirs):
    if subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True).returncode == 0:
        return theirs
    say(f"skipped: {module} is not installed for {PYTHON}")
    return []


def prepare():
    """The ratings of MovieLens-1M, and a dataset of its items alone."""
    packed = os.path.join(DATA, "ratings.order.dat.zst")
    if shutil.which("zstd") is None:
        say("skipped: there is no zstd to unpack the ratings with")
        return False
    if not os.path.exists(packed):
        say(f"skipped: there is no {packed} (DATA=FOLDER names another folder)")
        return False
    with open(f"{ROOM}/ratings.dat", "w") as out:
        run(f"zstd -dcq --long=27 {packed}", stdout=out)
    run(f"{ours('ul-prep')} -q --format :: --user 1 --item 2 --time 4 -o {ROOM}/items.ult {ROOM}/ratings.dat")
    return True


def main():
    works = {"gemm": gemm, "encoder-train-d64": lambda p: encoder(p, "d64"),
             "encoder-train-d256": lambda p: encoder(p, "d256"), "embed-d64": embed, "llm-enc-135m": llm,
             "memory-train-d64": lambda p: encoder(p, "d64", True), "prep-ml20m": prep, "stream": stream,
             "decode": decode}
    once = {"memory-train-d64", "prep-ml20m", "stream"}
    os.makedirs(ROOM, exist_ok=True)
    data = prepare()
    for name in os.environ.get("WORKS", " ".join(works)).split():
        for path in os.environ.get("CPUS", "amx avx512 avx2" if os.uname().machine == "x86_64" else "generic").split():
            if subprocess.run([ours("ul-cat"), "--list", os.devnull], env={**os.environ, "UL_CPU": path},
                              capture_output=True).returncode == 2:
                say(f"skipped: {name} on {path}, which this CPU lacks")
                continue
            if data or name in ("gemm", "prep-ml20m", "decode"):
                works[name](path)
            if name in once:
                break
    kernels = run(f"{ours('ul-cat')} --version")[2].splitlines()
    cpu = next((text.split(":")[1].strip() for text in open("/proc/cpuinfo") if text.startswith("model name")), "?")
    print(f"\n{cpu}, {os.cpu_count()} CPUs; {'; '.join(kernels[2:4])}; medians of {RUNS} runs, or of as many as the "
          "line ends with (lowest-highest)")
    print("\n".join(line(r) for r in results))


main()
