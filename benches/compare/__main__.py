"""Compares this registry, the Python registry, ZeroMQ alone and SQLite alone, side by side.

Run by `scripts/compare`, which builds what is measured. Every figure is a median of several rounds,
in each of which the things that are compared take their turns, so that what else the machine does
meets all of them. Prints a table, and ends with 1 when a target is missed.
"""

import argparse
import sys
from pathlib import Path

import costs
import rates
import shared
import sizes
import stalls
import storms
from report import Report
from stand import Stand

GROUPS = {
    "rates": rates.measure,
    "stalls": stalls.measure,
    "storms": storms.measure,
    "costs": costs.measure,
}
ON_REQUEST = {"cluster": shared.measure, "sizes": sizes.measure}
"""Need more than the others: etcd, and a program that knows it."""


def main():
    arguments = read_arguments()
    report = Report()
    stand = Stand(
        target_directory=arguments.target_directory,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
    )
    for name in arguments.groups or GROUPS:
        (GROUPS | ON_REQUEST)[name](stand, report)
    report.print_table()
    return 1 if report.tell_missed() else 0


def read_arguments():
    parser = argparse.ArgumentParser(prog="scripts/compare", description=__doc__)
    parser.add_argument("--target-directory", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each rate (default: 5)")
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="length of a measurement (default: 2)"
    )
    parser.add_argument(
        "groups", nargs="*", choices=[*GROUPS, *ON_REQUEST, []], help="default: all but cluster and sizes"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
