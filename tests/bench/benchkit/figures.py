# SPDX-License-Identifier: GPL-2.0-or-later
"""Medians, and tables of at most 80 columns."""

import statistics

WIDTH = 80


def summary(values, digits=2):
    """{"median", "min", "max", "n"} of those that were measured; None if none was."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return {"median": round(statistics.median(known), digits), "min": round(min(known), digits), "max": round(max(known), digits),
            "n": len(known)}


def median(values):
    """Of figures; of texts, which are all the same, one."""
    return statistics.median(values) if all(isinstance(value, (int, float)) for value in values) else values[0]


def cell(figure, digits=0):
    return "-" if figure is None else f"{figure:,.{digits}f}"


def table(head, rows):
    """Lines. The first column is text, to the left; the others are figures, to the right."""
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, *rows]:
        cells = [str(row[0]).ljust(widths[0])] + [str(text).rjust(width) for text, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * min(WIDTH, max(map(len, lines))))
    return lines


def goal(text, figure, limit, unit, above=False, digits=1):
    """One line: was the goal met."""
    if figure is None:
        return f"{text}: not measured"
    met = figure >= limit if above else figure <= limit
    word = "at least" if above else "at most"
    return f"{text}: {cell(figure, digits)} {unit} (goal: {word} {limit:g}) - {'met' if met else 'MISSED'}"


def loads(runs):
    """How busy others kept the machine, over all runs; "" if it is not known."""
    foreign = summary([run["load"]["foreign_percent"] for run in runs if run.get("load")])
    if not foreign:
        return ""
    return (f"other work on this machine meanwhile: {foreign['median']:.0f} % of all processors "
            f"({foreign['min']:.0f} to {foreign['max']:.0f} %)")
