"""The record as a table and as a picture."""

import matplotlib

matplotlib.use("Agg")
# The same record gives the same file.
matplotlib.rcParams["svg.hashsalt"] = "peers"
matplotlib.rcParams["svg.fonttype"] = "none"

import matplotlib.pyplot as plt
from matplotlib.patches import Patch

TITLES = {"cpu": "On the CPU", "software": "On Mesa's software GPU"}


def ours(group):
    return "attractor" if group == "cpu" else f"attractor-{group}"


def compare(record):
    """Adds to every figure its ratio to ours in the same job: above 1, the peer is slower."""
    for job in record["jobs"]:
        own = [p.get("seconds_median") for p in job["peers"] if p["peer"] == ours(job["group"])]
        for peer in job["peers"]:
            if own and own[0] and "seconds_median" in peer:
                peer["ratio"] = float(f"{peer['seconds_median'] / own[0]:.4g}")


def groups(record):
    """The jobs and the peers of each group, in the order in which they ran."""
    for group in dict.fromkeys(job["group"] for job in record["jobs"]):
        chosen = [job for job in record["jobs"] if job["group"] == group]
        names = dict.fromkeys(peer["peer"] for job in chosen for peer in job["peers"])
        yield group, chosen, list(names)


def time(seconds):
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def table(record):
    """Markdown."""
    machine = record["machine"]
    libraries = machine["openblas_of_numpy"]
    blas = ", ".join(f"{b['internal_api']} {b['version']} for {b['architecture']}" for b in libraries)
    before, after = machine["load_average_before"], machine["load_average_after"]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; "
        f"load average {before} before, {after} after; numpy's BLAS: {blas}; {machine['date']}",
        "",
        "Median, GFLOP/s, and how many times our time that is (**bold**: faster than ours).",
    ]
    if record["quick"]:
        lines += ["", "A quick run: to see that it works, not to be quoted."]
    for group, chosen, names in groups(record):
        lines += ["", f"## {TITLES[group]}", "", row("job", *names), row(*["---"] * (len(names) + 1))]
        for job in chosen:
            by_name = {peer["peer"]: peer for peer in job["peers"]}
            lines.append(row(job["name"], *(cell(by_name.get(name)) for name in names)))
        lines += ["", *versions(chosen), *reasons(chosen)]
    return "\n".join(lines)


def row(*cells):
    return "| " + " | ".join(cells) + " |"


def cell(peer):
    if peer is None:
        return ""
    if "reason" in peer:
        return "left out"
    text = f"{time(peer['seconds_median'])}, {peer['gflops']:.3g}"
    ratio = peer.get("ratio")
    if ratio is None or ratio == 1:
        return text
    return f"{text}, **{ratio:.2f}x**" if ratio < 1 else f"{text}, {ratio:.2f}x"


def versions(chosen):
    """One line a peer."""
    seen = {}
    for job in chosen:
        for peer in job["peers"]:
            if "note" in peer:
                seen[peer["peer"]] = f"{peer['version']} ({peer['threads']} threads; {peer['note']})"
    return [f"- {name} {about}" for name, about in seen.items()]


def reasons(chosen):
    """Why somebody is missing: every failure is named, each reason once."""
    jobs = {}
    for job in chosen:
        for peer in job["peers"]:
            if "reason" in peer:
                jobs.setdefault((peer["peer"], peer["reason"]), []).append(job["name"])
    return [f"- {name} left out of {', '.join(names)}: {reason}" for (name, reason), names in jobs.items()]


def plot(record, path):
    """Bars of the medians, with the spread, on a logarithmic axis."""
    parts = list(groups(record))
    heights = [max(len(chosen), 1) for _, chosen, _ in parts]
    size = (9, 1.5 + 0.9 * sum(heights))
    figure, axes = plt.subplots(
        len(parts), 1, figsize=size, height_ratios=heights, squeeze=False, layout="constrained"
    )
    for axis, (group, chosen, names) in zip(axes[:, 0], parts):
        draw(axis, group, chosen, names)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def draw(axis, group, chosen, names):
    thick = 0.8 / len(names)
    for number, name in enumerate(names):
        color = f"C{number}"
        for place, job in enumerate(chosen):
            peer = next((p for p in job["peers"] if p["peer"] == name), None)
            at = place + (number - (len(names) - 1) / 2) * thick
            if peer is None:
                continue
            if "reason" in peer:
                label, x = f"{name}: left out", least(chosen)
            else:
                x, label = peer["seconds_median"] * 1e3, time(peer["seconds_median"])
                low, high = (1e3 * q for q in peer["seconds_quartiles"])
                axis.barh(at, x, thick, color=color, xerr=[[x - low], [high - x]], error_kw={"lw": 0.7})
                if "ratio" in peer and peer["ratio"] != 1:
                    label += f"  ({peer['ratio']:.2f}x)"
                x = high
            axis.text(x * 1.05, at, label, va="center", fontsize=6)
    axis.set_xscale("log")
    axis.set_xlim(least(chosen), axis.get_xlim()[1] * 2)  # room for the labels
    axis.set_ylim(-0.5, len(chosen) - 0.5)
    axis.set_yticks(range(len(chosen)), [job["name"] for job in chosen], fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel("milliseconds, median and quartiles; in brackets: times ours")
    axis.set_title(TITLES[group], fontsize=10)
    handles = [Patch(color=f"C{number}", label=name) for number, name in enumerate(names)]
    axis.legend(handles=handles, fontsize=7, loc="lower right")


def least(chosen):
    """The left end of the axis: below the fastest."""
    times = [p["seconds_median"] * 1e3 for job in chosen for p in job["peers"] if "seconds_median" in p]
    return min(times, default=1) / 2
