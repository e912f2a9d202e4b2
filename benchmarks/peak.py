"""Peak: what this machine's cores and memory can do at best, the limit that every share is a share of.

``peak.cpp`` is compiled with g++ and run: fused multiply-adds and integer products in registers, AMX tile
products where there are some, and reading memory that fits no cache, on all threads. The limit of a precision
is the fastest of the instructions made for it: bfloat16 has AMX, AVX-512 or, without either, float32's.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks.command import BenchmarkError, Report, new_parser, run, write_json

SOURCE = Path(__file__).with_suffix(".cpp")

FLOAT32 = ("avx2_fp32", "avx512_fp32")
INSTRUCTIONS: Mapping[str, tuple[str, ...]] = {
    "float32": FLOAT32,
    "bfloat16": (*FLOAT32, "avx512_bf16", "amx_bf16"),
    "int8": ("avx2_int8", "avx512_vnni", "amx_int8"),
}
"""By precision: the measured instructions that compute it."""


@dataclass(frozen=True, slots=True)
class Peak:
    """What was measured."""

    rates: dict[str, float]
    """Tera-operations a second by instruction."""
    read_gbps: float
    """GB/s of reading memory."""

    def operations(self, precision: str) -> float:
        """Operations a second that a precision can have at most."""
        return 1e12 * max(self.rates[name] for name in INSTRUCTIONS[precision] if name in self.rates)

    def best(self, other: Self) -> "Peak":
        """The better of two measurements, number by number: a shared machine disturbs each."""
        rates = {name: max(rate, other.rates[name]) for name, rate in self.rates.items()}
        return Peak(rates, max(self.read_gbps, other.read_gbps))

    def __str__(self) -> str:
        rates = ", ".join(f"{name} {rate:.3f} TOP/s" for name, rate in self.rates.items())
        return f"{rates}; reading {self.read_gbps:.1f} GB/s"


def measure_peak(threads: int) -> Peak:
    """Compile and run the program; raises BenchmarkError where that cannot be."""
    with tempfile.TemporaryDirectory(prefix="quiver-peak-") as folder:
        program = str(Path(folder) / "peak")
        _output(["g++", "-O3", "-std=c++20", "-pthread", str(SOURCE), "-o", program])
        measured: dict[str, float] = json.loads(_output([program, str(threads)]))
    read_gbps = measured.pop("read_gbps")
    return Peak({name: rate for name, rate in measured.items() if name != "threads"}, read_gbps)


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except FileNotFoundError as error:
        raise BenchmarkError(
            "the machine's limit is measured by a C++ program: install g++ 11 or newer"
        ) from error
    except subprocess.CalledProcessError as error:
        why = error.stderr.strip() or "the processor lacks AVX2"
        raise BenchmarkError(f"the machine's limit cannot be measured: {why}") from error


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def main() -> int:
    """Measure and print."""
    options = new_parser(
        "peak", "Measure what this machine can do.", "python -m benchmarks.peak"
    ).parse_args()
    threads = options.threads or count_cores()
    peak = measure_peak(threads)
    report = Report(f"Limits of this machine with {threads} threads", ["instruction", "limit"])
    for name, rate in peak.rates.items():
        report.add([name, f"{rate:.3f} TOP/s"], {"instruction": name, "tera_operations_per_second": rate})
    report.add(["reading memory", f"{peak.read_gbps:.1f} GB/s"], {"read_gbps": peak.read_gbps})
    report.show()
    write_json(options.json, [report])
    return 0


if __name__ == "__main__":
    run(main)
