#!/usr/bin/env python3
"""Runs convnet and its peers in turn and writes images per second, ratios and memory as Markdown, and all of it as JSON.

    bench/peers/setup.sh && cargo build --release && bench/peers/run.py

Programs take turns, several rounds, and medians are compared, so that a machine's moods fall on all alike; run it on an
otherwise idle one. A peer counts with the best of its settings. Peers that are not installed are left out, and one that
fails is shown so, with its reason in the JSON.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SMALL = "28x28x1"


class Work(NamedTuple):
    network: str
    mode: str
    batch: int
    input: str = SMALL
    mark: float | None = None  # what convnet / best peer should be
    single: bool = False  # convnet also on one thread

    def __str__(self):
        verb = {"train": "train", "infer": "predict"}[self.mode]
        size = f" at {self.input}" if self.input != SMALL else ""
        return f"{verb} `{self.network}`{size}, batch {self.batch}"


class Peer(NamedTuple):
    title: str
    home: str  # a Python environment, or "rust"
    program: str
    settings: list
    works: list  # (network or None for all, mode) that it does
    onnx: bool = False  # reads the network from a file


WORKS = [
    Work("mnist-functional", "train", 64, mark=3),
    Work("fashion-cnn", "train", 32, mark=1.8),
    Work("resnet18", "train", 16, "112x112x3", mark=1.7),
    Work("resnet50", "train", 16, "224x224x3", mark=1.7),
    Work("mobilenet-v2", "train", 16, "224x224x3", mark=1.5),
    Work("resnet50", "infer", 1, "224x224x3", mark=1.25, single=True),
    Work("resnet50", "infer", 8, "224x224x3", mark=1.4, single=True),
    Work("vgg16", "infer", 1, "224x224x3", mark=1.6),
    Work("mobilenet-v2", "infer", 1, "224x224x3", mark=1.1),
    Work("mnist-functional", "infer", 1),
    Work("mnist-functional", "infer", 64),
]
ALL = [(None, "train"), (None, "infer")]
LEARNERS = [("mnist-functional", "train"), ("resnet18", "train"), ("resnet50", "infer")]
PEERS = {
    "keras": Peer("Keras/TensorFlow", "venv-tf", "keras_bench.py", ["plain", "jit"], ALL),
    "torch": Peer("PyTorch", "venv-torch", "torch_bench.py", ["plain", "channels-last", "compiled"], ALL),
    "ort": Peer("ONNX Runtime", "venv-torch", "ort_bench.py", ["plain"], [(None, "infer")], onnx=True),
    "burn": Peer("burn", "rust", "bench-burn", ["plain"], LEARNERS),
    "candle": Peer("candle", "rust", "bench-candle", ["plain"], LEARNERS),
    "tract": Peer("tract", "rust", "bench-tract", ["plain"],
                  [("resnet50", "infer"), ("vgg16", "infer"), ("mobilenet-v2", "infer")], onnx=True),
}
CLOSE = 0.9  # a setting slower than this share of its peer's best in the first round is not run again


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="WORK", default=[""],
                        help="works to do, by network, mode or batch, or several of them as in resnet50:train or resnet50:infer:8")
    parser.add_argument("--peers", nargs="+", choices=["convnet", *PEERS], help="who runs (default: who is installed)")
    parser.add_argument("--rust-peers", action="store_true", help="also burn, candle and tract, built first (many minutes)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds-per-measure", type=float, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--environments", type=Path, default=HERE, help="folder given to setup.sh")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/convnet", help="convnet's program")
    parser.add_argument("--cache", type=Path, default=ROOT / "target/peers", help="folder for ONNX files, builds and compiled networks")
    parser.add_argument("--output", type=Path, help="writes PATH.md and PATH.json (default: results in the cache folder)")
    parser.add_argument("--wait", type=float, default=60, help="seconds to wait for an idle machine before each program")
    parser.add_argument("--timeout", type=float, default=300, help="seconds after which a program has failed")
    args = parser.parse_args()
    args.cache = args.cache.resolve()
    args.output = args.output or args.cache / "results"
    args.works = [work for work in WORKS for words in args.only
                  if set(filter(None, words.split(":"))) <= {work.network, work.mode, str(work.batch)}]
    args.works = list(dict.fromkeys(args.works))
    if not args.works:
        parser.error(f"--only {' '.join(args.only)} leaves nothing to do")
    return args


def tell(text):
    print(text, file=sys.stderr, flush=True)


# Running one program.


def environment(args):
    """For who takes threads from the environment; and a place to keep what PyTorch compiled."""
    threads = str(args.threads)
    return os.environ | {"OMP_NUM_THREADS": threads, "RAYON_NUM_THREADS": threads,
                         "TORCHINDUCTOR_CACHE_DIR": str(args.cache / "inductor")}


def busy(seconds=1.0):
    """The share of the machine that other programs use (Linux; elsewhere taken for idle)."""
    def ticks():
        with open("/proc/stat") as file:
            values = list(map(int, file.readline().split()[1:9]))
        return sum(values), values[3] + values[4]
    try:
        total, idle = ticks()
        time.sleep(seconds)
        later, later_idle = ticks()
    except OSError:
        return 0.0
    return 1 - (later_idle - idle) / max(later - total, 1)


def settled(patience):
    """Waits until the machine is idle, and gives the share that was busy at the end: numbers mean little where it is high."""
    deadline = time.monotonic() + patience
    while (share := busy()) > 0.05 and time.monotonic() < deadline:
        pass
    if share > 0.05:
        tell(f"  the machine is {share:.0%} busy with other programs")
    return share


def run(command, env, timeout=None):
    """What a program printed, and why it failed (empty where it did not)."""
    command = list(map(str, command))
    try:
        process = subprocess.Popen(command, env=env, text=True, start_new_session=True, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        return "", str(error)
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        return "", f"took over {timeout:.0f} s"
    finally:
        if process.returncode is None:  # with its children
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        return output, f"exit status {process.returncode}: {errors.strip()[-1000:]}"
    return output, ""


def short(failure):
    """Its line that tells most: the first that speaks of an error, or the last."""
    lines = failure.strip().splitlines()
    return next((line for line in lines if "error" in line.lower()), lines[-1])[-300:]


def measured(command, args):
    """The JSON that a program prints last, or {"failed": reason}."""
    share = settled(args.wait)
    output, failure = run(command, environment(args), args.timeout)
    if not failure:
        try:
            result = json.loads(output.strip().splitlines()[-1])
            return {"busy_before": round(share, 3), "images_per_second": None, "peak_memory_bytes": None} | result
        except (IndexError, ValueError, TypeError):
            failure = f"no JSON in what it printed: {output.strip()[-300:]}"
    tell(f"  failed: {short(failure)}")
    return {"failed": failure}


# What there is to run.


def onnx_file(args, work):
    return args.cache / "onnx" / f"{work.network}-{work.input}-b{work.batch}.onnx"


def rust_folder(args):
    return Path(os.environ.get("CARGO_TARGET_DIR", args.cache / "rust"))


def common(work):
    return [work.network, "--mode", work.mode, "--batch", work.batch, "--input", work.input]


def does(peer, work):
    return any(network in (None, work.network) and mode == work.mode for network, mode in peer.works)


def chosen(args):
    """The peers to run, of which those in Rust are to be built."""
    names = args.peers or [name for name, peer in PEERS.items()
                           if peer.home != "rust" and (args.environments / peer.home / "bin/python").exists()]
    if args.rust_peers:
        names = [*names, *(name for name, peer in PEERS.items() if peer.home == "rust")]
    return {name: PEERS[name] for name in dict.fromkeys(names) if name != "convnet"}


def prepare(args, peers):
    """Builds and exports what is missing, before any clock runs; {peer or file: why it failed}."""
    failures = {}
    for name, peer in peers.items():
        if peer.home == "rust":
            tell(f"building {name}")
            build = ["cargo", "build", "--release", "--locked", "--target-dir", rust_folder(args)]
            # From its own folder: the flags for all three stand above it.
            _, failures[name] = run(["env", "-C", HERE / "rust" / name, *build], os.environ)
    for work in args.works:
        file = onnx_file(args, work)
        if any(peer.onnx and does(peer, work) for peer in peers.values()):
            if not file.exists() or file.stat().st_mtime < (HERE / "torch_network.py").stat().st_mtime:
                tell(f"writing {file.name}")
                file.parent.mkdir(parents=True, exist_ok=True)
                python, draft = args.environments / "venv-torch/bin/python", file.with_suffix(".part")
                _, failure = run([python, HERE / "torch_export.py", *common(work), "--model", draft], os.environ)
                if failure:
                    failures[file] = failure
                else:
                    draft.replace(file)
    failures = {what: why for what, why in failures.items() if why}
    for what, why in failures.items():
        tell(f"  {what} failed: {short(why)}")
    return failures


def commands(args, peers, work):
    """((program, setting), command) of all that can do this work."""
    if not args.peers or "convnet" in args.peers:
        # It has its own way to measure, of about four seconds.
        words = common(work) if work.input != SMALL else common(work)[:-2]  # small networks know their input
        convnet = [args.binary, "bench", *words, "--json", "--threads"]
        yield ("convnet", ""), [*convnet, args.threads]
        if work.single and args.threads > 1:
            yield ("convnet, 1 thread", ""), [*convnet, 1]
    for name, peer in peers.items():
        if not does(peer, work):
            continue
        command = [*common(work), "--threads", args.threads, "--seconds", args.seconds_per_measure]
        command += ["--model", onnx_file(args, work)] if peer.onnx else []
        for setting in peer.settings:
            if peer.home == "rust":
                yield (name, setting), [rust_folder(args) / "release" / peer.program, *command]
            else:
                python = args.environments / peer.home / "bin/python"
                yield (name, setting), [python, HERE / peer.program, *command, "--setting", setting]


# Rounds, and what comes of them.


def measure(args, peers, failures, work):
    """{(program, setting): [result of each round]}"""
    todo, results = dict(commands(args, peers, work)), {}
    for name, setting in list(todo):
        failure = failures.get(name) or (PEERS[name].onnx and failures.get(onnx_file(args, work)) if name in PEERS else "")
        if failure:
            results[name, setting] = [{"failed": failure}]
            del todo[name, setting]
    for turn in range(args.rounds):
        for key, command in todo.items():
            tell(f"[{time.monotonic() - START:5.0f} s] round {turn + 1}: {work}: {' '.join(key)}")
            results.setdefault(key, []).append(measured(command, args))
        speeds = {key: best_of(results[key]) for key in todo}
        fastest = {name: max(speed for (other, _), speed in speeds.items() if other == name) for name, _ in todo}
        todo = {key: command for key, command in todo.items() if speeds[key] > 0 and speeds[key] >= CLOSE * fastest[key[0]]}
    return results


def best_of(rounds):
    return median(rounds, "images_per_second") or 0.0


def median(rounds, field):
    values = [result[field] for result in rounds if "failed" not in result and result.get(field) is not None]
    return statistics.median(values) if values else None


def summary(results):
    """{program: {speed, memory, setting, or failed}} by the fastest setting's medians."""
    programs = {}
    for (name, setting), rounds in results.items():
        entry = {"images_per_second": median(rounds, "images_per_second"), "setting": setting,
                 "peak_memory_bytes": median(rounds, "peak_memory_bytes")}
        entry["parameters"] = next((result["parameters"] for result in rounds if result.get("parameters")), None)
        if entry["images_per_second"] is None:
            entry["failed"] = next((result["failed"] for result in rounds if "failed" in result), "it printed no speed")
        known = programs.get(name)
        if known is None or (entry["images_per_second"] or 0) > (known["images_per_second"] or 0):
            programs[name] = entry
    return programs


def verdict(programs):
    """(convnet / best peer, that peer's name), where they are there."""
    rivals = {name: entry["images_per_second"] for name, entry in programs.items() if name in PEERS and entry["images_per_second"]}
    ours = programs.get("convnet", {}).get("images_per_second")
    best = max(rivals, key=rivals.get, default=None)
    return ours / rivals[best] if ours and best else None, best


def check_sizes(work, programs):
    """Who trains another number of parameters does other work."""
    sizes = {name: entry["parameters"] for name, entry in programs.items() if entry["parameters"]}
    if sizes and max(sizes.values()) > 1.01 * min(sizes.values()):
        tell(f"  networks differ: {sizes} parameters")


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def tables(done, peers):
    """Markdown: speeds with the ratio to the best peer, then memory. `done` is {work: programs}."""
    present = {name for programs in done.values() for name in programs}
    columns = [name for name in ["convnet", "convnet, 1 thread", *PEERS] if name in present]
    titles = [PEERS[name].title if name in PEERS else name for name in columns]
    lines = ["Images per second:", "", f"| work | {' | '.join(titles)} | convnet / best peer | mark |",
             f"|---|{'---:|' * len(columns)}---:|---:|"]
    for work, programs in done.items():
        ratio, best = verdict(programs)
        cells = [speed_cell(programs.get(name), name == best) for name in columns]
        mark = f"{work.mark:.2f}×" if work.mark else ""
        lines.append(f"| {work} | {' | '.join(cells)} | {f'{ratio:.2f}×' if ratio else ''} | {mark} |")
    lines += ["", "Peak resident memory, MB:", "", f"| work | {' | '.join(titles)} |", f"|---|{'---:|' * len(columns)}"]
    for work, programs in done.items():
        lines.append(f"| {work} | {' | '.join(memory_cell(programs.get(name)) for name in columns)} |")
    return "\n".join(lines)


def speed_cell(entry, best):
    if entry is None:
        return ""
    if "failed" in entry:
        return "failed"
    speed = number(entry["images_per_second"])
    speed = f"**{speed}**" if best else speed
    return f"{speed} ({entry['setting']})" if entry["setting"] not in ("", "plain") else speed


def memory_cell(entry):
    memory = entry and entry["peak_memory_bytes"]
    return number(memory / 1e6) if memory else ""


def machine(args):
    try:
        with open("/proc/cpuinfo") as file:
            cpu = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.processor()
    return {"cpu": cpu, "cores": os.cpu_count(), "threads": args.threads, "system": platform.platform(),
            "date": time.strftime("%Y-%m-%d %H:%M"), "rounds": args.rounds, "seconds_per_measure": args.seconds_per_measure}


def write(args, done, raw, peers):
    args.output.parent.mkdir(parents=True, exist_ok=True)
    works = [{"work": str(work), **work._asdict(), "programs": done[work], "ratio": verdict(done[work])[0],
              "rounds": [{"program": name, "setting": setting, "results": rounds} for (name, setting), rounds in raw[work].items()]}
             for work in done]
    with open(f"{args.output}.json", "w") as file:
        json.dump({"machine": machine(args), "works": works}, file, indent=1)
    with open(f"{args.output}.md", "w") as file:
        file.write(tables(done, peers) + "\n")


def main():
    args = arguments()
    peers = chosen(args)
    failures = prepare(args, peers)
    done, raw = {}, {}
    for work in args.works:
        raw[work] = measure(args, peers, failures, work)
        done[work] = summary(raw[work])
        check_sizes(work, done[work])
        write(args, done, raw, peers)  # each time: what is done outlives an interruption
    print(tables(done, peers))
    tell(f"written to {args.output}.md and .json after {time.monotonic() - START:.0f} s")


START = time.monotonic()
main()
