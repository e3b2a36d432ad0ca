"""Speed, safety and manners of `datagen build-130k` against an endpoint, as whole processes.

Run:  uv run python benchmarks/endpoint.py [fast wide kill random429 limit concurrent mixed]
          [--runs 3] [--rows N]

The endpoint is `llm_server.py`, on the same machine. Each run gets a server and a folder of its
own. Without a name all is measured, which takes some ten minutes for three runs.

fast, wide   efficiency: rows x latency / in flight, over the time from the first request received
             to the last reply journalled
kill         SIGKILL at half, then the same command again: what is paid twice
random429    the rate with 3 % of HTTP 429 at random, over the rate without
limit        share of a real limit of requests a second that is used
concurrent   the same for a limit of requests at a time
mixed        all faults at once: no row is lost, nothing is paid without need
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from build_130k import loop_s
from endpoint_build import (
    Look,
    Ran,
    build_folder,
    journalled,
    manifest,
    num_faults,
    run_build,
    running_server,
)

Figures = dict[str, float | str]  # by name, in the order of the table's rows

_READ_S = 0.05  # a reply this old at the kill had long been there to be read


class Load(NamedTuple):
    """What a command is to do, and how long the server takes for each request."""

    rows: int
    in_flight: int
    latency_s: float

    @property
    def ideal_s(self) -> float:
        return self.rows * self.latency_s / self.in_flight


class Measurement(NamedTuple):
    """One table."""

    title: str
    load: Load
    measure: Callable[[Load], Figures]
    goals: dict[str, str]  # by the name of the figure


class Window(NamedTuple):
    """From the first request received to the last reply journalled."""

    first: Look
    last: Look
    seconds: float
    seconds_of_server: float  # from the first request received to the last reply sent


def window_of(ran: Ran, ledger: dict[str, Any]) -> Window:
    num_replies = ran.looks[-1].num_replies
    last = next(look for look in ran.looks if look.num_replies == num_replies)
    started_s = ledger["first_request_s"]
    first = next(look for look in reversed(ran.looks) if look.time_s <= started_s)
    return Window(
        first, last, last.time_s - started_s, ledger["last_reply_s"] - ledger["first_request_s"]
    )


def steady_per_s(ran: Ran) -> float:
    """Replies a second while the second to fourth fifth arrived: no start and no tail."""
    num_replies = ran.looks[-1].num_replies
    begin = next(look for look in ran.looks if look.num_replies >= 0.2 * num_replies)
    end = next(look for look in ran.looks if look.num_replies >= 0.8 * num_replies)
    return (end.num_replies - begin.num_replies) / (end.time_s - begin.time_s)


def efficiency(load: Load) -> Figures:
    figures = _machine()
    with running_server("--latency-s", load.latency_s) as server, build_folder() as out:
        ran = run_build(server, out, rows=load.rows, in_flight=load.in_flight)
        ledger = server.ledger()
        counts = manifest(out)["counts"]
    window = window_of(ran, ledger)
    in_window_s = window.last.cpu_s - window.first.cpu_s
    others_s = window.last.machine_s - window.first.machine_s - in_window_s - ledger["cpu_s"]
    return figures | {
        "efficiency": f"{load.ideal_s / window.seconds:.3f}",
        "efficiency to the last reply sent": f"{load.ideal_s / window.seconds_of_server:.3f}",
        "efficiency while steady": f"{steady_per_s(ran) * load.latency_s / load.in_flight:.3f}",
        "CPU-ms per row": f"{ran.cpu_s / load.rows * 1e3:.2f}",
        "of these from first request to last reply": f"{in_window_s / load.rows * 1e3:.2f}",
        "of these before": f"{window.first.cpu_s / load.rows * 1e3:.2f}",
        "of these after": f"{(ran.cpu_s - window.last.cpu_s) / load.rows * 1e3:.2f}",
        "peak MB": f"{ran.peak_mb:.0f}",
        "window s": f"{window.seconds:.1f}",
        "of these waiting for a core, s": f"{window.last.queued_s - window.first.queued_s:.1f}",
        "cores busy with something else": f"{others_s / window.seconds:.2f}",
        "whole command, s": f"{ran.wall_s:.1f}",
        "server, CPU-ms per request": f"{ledger['cpu_s'] / ledger['requests'] * 1e3:.2f}",
        "most in flight at the server": ledger["max_in_flight"],
        "rows, rejects, requests": _counted(counts["rows"], counts["rejects"], ledger["requests"]),
    }


def kill(load: Load) -> Figures:
    figures = _machine()
    with running_server("--latency-s", load.latency_s) as server, build_folder() as out:
        killed = run_build(
            server, out, rows=load.rows, in_flight=load.in_flight, kill_at=load.rows // 2
        )
        while server.ledger()["in_flight"]:
            time.sleep(0.05)
        kept = journalled(out)
        assert killed.killed_s is not None
        # How long before the kill the server had handed over what the journal lacks.
        ages_s = [
            killed.killed_s - time_s for sha256, time_s in server.billed() if sha256 not in kept
        ]
        half = server.ledger()
        run_build(server, out, rows=load.rows, in_flight=load.in_flight)
        ledger = server.ledger()
        counts = manifest(out)["counts"]
        faults = num_faults(out)
    return figures | {
        "paid again": ledger["billed_again"],
        "billed and not journalled": len(ages_s),
        "of these billed over 50 ms before the kill": sum(age > _READ_S for age in ages_s),
        "of these within 50 ms before it": sum(0 < age <= _READ_S for age in ages_s),
        "of these after it": sum(age <= 0 for age in ages_s),
        "the earliest, ms before the kill": f"{max(ages_s, default=0.0) * 1e3:.1f}",
        "in flight at the kill": half["abandoned"] + len(ages_s),
        "journalled at the kill": len(kept),
        "replies per s before the kill": f"{steady_per_s(killed):.0f}",
        "rows, rejects, requests": _counted(counts["rows"], counts["rejects"], ledger["requests"]),
        "faults found by verify": faults,
    }


def random_429(load: Load) -> Figures:
    figures = _machine()
    rates: list[float] = []
    steady: list[float] = []
    busy = 0
    for words in ((), ("--fault", "429=0.03", "--retry-after-s", 1)):
        with running_server("--latency-s", load.latency_s, *words) as server, build_folder() as out:
            ran = run_build(server, out, rows=load.rows, in_flight=load.in_flight)
            ledger = server.ledger()
        rates.append(load.rows / window_of(ran, ledger).seconds)
        steady.append(steady_per_s(ran))
        busy = ledger["by_status"].get("429", 0)
    return figures | {
        "rate with 429 over rate without": f"{rates[1] / rates[0]:.3f}",
        "the same while steady": f"{steady[1] / steady[0]:.3f}",
        "rows per s without": f"{rates[0]:.0f}",
        "rows per s with": f"{rates[1]:.0f}",
        "number of 429": busy,
    }


def limit(load: Load) -> Figures:
    limit_per_s = 50
    figures = _machine()
    for burst in (50, 10, 1):
        words = ("--requests-per-s", limit_per_s, "--burst", burst)
        found = _limited(load, limit_per_s, burst, words)
        figures |= {f"{name}, bucket of {burst}": value for name, value in found.items()}
    return figures


def concurrent(load: Load) -> Figures:
    most = 64
    return _machine() | _limited(load, most / load.latency_s, 0, ("--concurrent", most))


def _limited(load: Load, limit_per_s: float, burst: int, words: tuple[object, ...]) -> Figures:
    """Of a limit that lets `burst` requests more through at first, which do not count."""
    with running_server("--latency-s", load.latency_s, *words) as server, build_folder() as out:
        ran = run_build(server, out, rows=load.rows, in_flight=load.in_flight)
        ledger = server.ledger()
    window = window_of(ran, ledger)
    answered = ledger["by_status"]["200"] - burst
    return {
        "share of the limit used": f"{answered / window.seconds / limit_per_s:.3f}",
        "share while steady": f"{steady_per_s(ran) / limit_per_s:.3f}",
        "window s": f"{window.seconds:.1f}",
        "number of 429": ledger["by_status"].get("429", 0),
        "requests": ledger["requests"],
    }


def mixed(load: Load) -> Figures:
    shares = {"429": 0.03, "500": 0.01, "malformed": 0.01}
    shares |= dict.fromkeys(("reset", "length", "refused"), 0.005)
    words = [word for kind, share in shares.items() for word in ("--fault", f"{kind}={share}")]
    figures = _machine()
    with running_server("--latency-s", load.latency_s, *words) as server, build_folder() as out:
        ran = run_build(server, out, rows=load.rows, in_flight=load.in_flight)
        ledger = server.ledger()
        attempts = journalled(out)
        made = manifest(out)
        faults = num_faults(out)
        billed = {sha256 for sha256, _ in server.billed()}
    counts = made["counts"]
    unusable = sum(attempts.values()) - len(attempts)  # replies with another one after them
    without_status = ledger["distinct"] - counts["rows"] - counts["rejects"]
    statuses = ", ".join(f"{status} {count:,}" for status, count in ledger["by_status"].items())
    reasons = ", ".join(f"{name} {count:,}" for name, count in made["rejects_by_reason"].items())
    return figures | {
        "rows": counts["rows"],
        "requests that became neither row nor reject": without_status,
        "refused ones sent again": ledger["sent_refused_again"],
        "billed and not journalled": len(billed - attempts.keys()),
        "billed again without an unusable reply before": ledger["billed_again"] - unusable,
        "billed again": ledger["billed_again"],
        "faults found by verify": faults,
        "rejects": f"{counts['rejects']}: {reasons}",
        "server's replies": statuses,
        "USD": f"{made['usd']:.4f}",
        "whole command, s": f"{ran.wall_s:.1f}",
    }


def _machine() -> Figures:
    """How fast the machine is before a run, and how busy."""
    return {
        "loop of ten million additions, s": f"{loop_s():.2f}",
        "load average": f"{os.getloadavg()[0]:.2f}",
    }


def _counted(*numbers: int) -> str:
    return ", ".join(f"{number:,}" for number in numbers)


MEASUREMENTS = {
    "fast": Measurement(
        "256 in flight, 200 ms",
        Load(10_000, 256, 0.2),
        efficiency,
        {"efficiency": "0.5, better 0.85", "CPU-ms per row": "1.5, better 0.8", "peak MB": "500"},
    ),
    "wide": Measurement(
        "2,500 in flight, 3 s",
        Load(25_000, 2_500, 3.0),
        efficiency,
        {"efficiency": "0.75", "CPU-ms per row": "1.5, better 0.8", "peak MB": "500"},
    ),
    "kill": Measurement(
        "SIGKILL at half, 256 in flight, 200 ms",
        Load(10_000, 256, 0.2),
        kill,
        {
            "paid again": "256 at most",
            "of these billed over 50 ms before the kill": "0",
            "faults found by verify": "0",
        },
    ),
    "random429": Measurement(
        "3 % of HTTP 429 at random, Retry-After 1 s, 128 in flight, 200 ms",
        Load(4_000, 128, 0.2),
        random_429,
        {"rate with 429 over rate without": "0.8"},
    ),
    "limit": Measurement(
        "50 requests/s, buckets of 50, 10 and 1, 256 in flight, 200 ms",
        Load(3_000, 256, 0.2),
        limit,
        {f"share of the limit used, bucket of {burst}": "0.95" for burst in (50, 10, 1)},
    ),
    "concurrent": Measurement(
        "64 requests at a time, 256 in flight, 200 ms",
        Load(4_000, 256, 0.2),
        concurrent,
        {},
    ),
    "mixed": Measurement(
        "3 % 429, 1 % 500, 1 % malformed, 0.5 % reset, cut off and refused each",
        Load(2_000, 256, 0.2),
        mixed,
        {
            "rows": "all asked for",
            "requests that became neither row nor reject": "0",
            "refused ones sent again": "0",
            "billed and not journalled": "0",
            "billed again without an unusable reply before": "0",
            "faults found by verify": "0",
        },
    ),
}


def table(measurement: Measurement, load: Load, runs: list[Figures]) -> str:
    """The runs' figures side by side, as Markdown."""
    heads = ["figure", "goal", *(f"run {number}" for number in range(1, len(runs) + 1))]
    lines = [heads, ["---"] * len(heads)]
    for name in runs[0]:
        values = [
            f"{run[name]:,}" if isinstance(run[name], int) else str(run[name]) for run in runs
        ]
        lines.append([name, measurement.goals.get(name, ""), *values])
    body = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{measurement.title}, {load.rows:,} rows\n\n{body}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rows", type=int, help="instead of each one's own number, to try it out")
    options = parser.parse_args()
    if unknown := set(options.names) - MEASUREMENTS.keys():
        parser.error(f"{min(unknown)}: one of {', '.join(MEASUREMENTS)} expected")
    for name in options.names or MEASUREMENTS:
        measurement = MEASUREMENTS[name]
        load = measurement.load._replace(rows=options.rows or measurement.load.rows)
        runs = [measurement.measure(load) for _ in range(options.runs)]
        print(table(measurement, load, runs), flush=True)


if __name__ == "__main__":
    main()
