"""The documents tell the truth: what commands and code say of themselves stands in them, word for word; links lead
somewhere; nothing in them is of one machine.

After a change that is meant, write what is generated anew with

    GLOROT_GOLDEN=write pytest tests/test_docs.py
"""

import csv
import os
import re
import shlex
import textwrap
from pathlib import Path
from statistics import fmean

import click
import pytest
from click.testing import CliRunner

from glorot.cli.main import cli
from glorot.cli.shared import Names
from glorot.datasets.catalogue import DATASETS
from glorot.gate import history
from glorot.paper import scorecard
from glorot.reporting import inspection_text, lessons, writers
from glorot.reporting.report import stored_table
from glorot.reporting.significance import below_chance, p_text
from glorot.results.stored import gather
from glorot.sweeps import config, search
from glorot.sweeps.fields import ABOUT, DEFAULTS, FIELDS
from glorot.sweeps.runs import expand
from glorot.training import by_hand, inspection

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
BENCH = "glorot bench --peer torch --rounds 3"
GPU_BENCH = "glorot bench --device cuda --peer torch --rounds"
VARIABLES = {
    "GLOROT_CACHE": "The folder of the cache: `glorot cache` says what is in it.  [default: glorot's folder in the "
    "user's cache]",
    "GLOROT_DATA": "The folder of the data sets, where `--data` names none.  [default: the user's cache]",
    "GLOROT_PLUGINS": "Plug-ins to load, as with `--plugin`. Put `:` between two files (on Windows `;`).",
    "CUDA_VISIBLE_DEVICES": "The GPUs that may be used.  [default: all]",
    "NUMBA_DISABLE_JIT": "If it is `1`, `glorot run` refuses to train: the kernels would not be compiled.",
    "TERM": "If it is `dumb`, tables have no bold text, and `glorot run` has no progress bar.",
    "GITHUB_SHA": "The commit that `glorot check --history` writes beside its numbers. CI services set it.",
    "CI_COMMIT_SHA": "The same, on other CI services.",
}
OURS = [*ROOT.glob("*.md"), *DOCS.glob("*.md"), ROOT / "results" / "README.md"]
LINK = re.compile(r"(?<!\\)\[[^][]*\]\(([^()\s]+)\)")


def between(text: str, name: str) -> str:
    """What stands between the markers of this name."""
    return re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.DOTALL)[1]


def check_written(file: Path, name: str, wanted: str) -> None:
    """The part of a document that has this name is what the code says. Written anew where that is asked for."""
    if os.environ.get("GLOROT_GOLDEN") == "write":
        before, start, rest = file.read_text("utf-8").partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        file.write_text(before + start + wanted + end + after, "utf-8")
    assert between(file.read_text("utf-8"), name) == wanted


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |\n" for line in lines)


# Generated parts. -----------------------------------------------------------------------------------


def benched(file: str = "zen4.md", command: str = BENCH) -> dict[str, dict[str, list[str]]]:
    """What `glorot bench` printed on a machine: options -> quantity or peer -> its cells."""
    printed, found = (ROOT / "results" / "bench" / file).read_text("utf-8"), {}
    for part in printed.split("\n## `")[1:]:
        options, _, text = part.partition("`\n")
        if not options.startswith(command):
            continue
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
        found[options.removeprefix(command).strip()] = {name.replace("\\_", "_"): cells for name, *cells in rows}
    return found


def bench_table(file: str) -> str:
    """Times of an update; of peers, how many times as long they take as ours: bold where they are faster."""

    def times(cells: list[str]) -> str:
        return f"**{cells[1]}**" if float(cells[1]) < 1 else cells[1]

    def milliseconds(cells: list[str]) -> str:
        time, per_second = cells[0].split()[0], float(cells[1].split()[0].replace(",", ""))
        return time if float(time) > 0.1 else f"{1000 / per_second:.3g}"

    header = (f"`{BENCH}` ...", "ms per update", "share of the floor", "nn.Sequential + SGD", "addmm_ by hand",
              "fused SGD", "evaluation")  # fmt: skip
    peers = ("nn.Sequential", "addmm_ by hand", "nn.Sequential, fused optimizer", "nn.Sequential, evaluation")
    rows = [
        (f"`{options}`" if options else "(the paper's network, minibatch 10)", milliseconds(printed["update"]),
         printed["share of the floor"][0], *(times(printed[peer]) for peer in peers))
        for options, printed in benched(file).items()
    ]  # fmt: skip
    return table(header, rows)


def benched_on_a_gpu() -> dict[tuple[int, int], dict[str, list[str]]]:
    """The same by width and minibatch, as `make gpu-test` measures it."""
    found = {}
    for options, printed in benched("h100.md", GPU_BENCH).items():
        sizes = [re.search(rf"--{name} (\d+)", options) for name in ("width", "batch-size")]
        width, batch_size = (int(one[1]) if one else usual for one, usual in zip(sizes, (1000, 10), strict=True))
        found[width, batch_size] = printed
    return dict(sorted(found.items()))


def microseconds(printed: dict[str, list[str]]) -> float:
    """Of an update."""
    return 1e6 / float(printed["update"][1].split()[0].replace(",", ""))


def gpu_table() -> str:
    rows = []
    for (width, batch_size), printed in benched_on_a_gpu().items():
        us = microseconds(printed)
        times = (printed[peer][1] for peer in ("nn.Sequential", "CUDA graph", "nn.Sequential, evaluation"))
        marked = [f"**{one}**" if float(one) < 1 else one for one in times]
        time = f"{us:.0f}" if us >= 100 else f"{us:.1f}"
        rows.append((f"{width}", f"{batch_size}", time, printed["share of the floor"][0], *marked))
    header = ("width", "minibatch", "us per update", "share of the floor", "PyTorch, eager", "PyTorch, CUDA graph",
              "evaluation")  # fmt: skip
    return table(header, rows)


def turns_table() -> str:
    """How many times as long the old version takes, by what was compiled for."""
    printed = (ROOT / "results" / "bench" / "zen4-in-turns.md").read_text("utf-8").split("\n## ")[1:3]
    tables = [re.findall(r"^\| (\w.*?) \| [\d.]+ \| [\d.]+ \| ([\d.]+) \|", part, re.MULTILINE) for part in printed]
    titles = (part.partition("\n")[0] for part in printed)
    rows = []
    for settings in zip(*tables, strict=True):
        (name,) = {name for name, _ in settings}
        rows.append((name, *(ratio for _, ratio in settings)))
    return table(("one thread", *titles), rows)


def subnormal_table() -> str:
    """How many times as long the old version took where numbers became subnormal, by threads."""
    printed = (ROOT / "results" / "bench" / "intel-in-turns.md").read_text("utf-8").split("\n## ")[1:]
    row = r"^\| ([\w ,]*(?:saturated|black)[\w ]*) \| [\d.]+ \| [\d.]+ \| ([\d.]+) \|"
    found = [dict(re.findall(row, part, re.MULTILINE)) for part in printed]
    rows = [(name, *(one[name] for one in found)) for name in found[0]]
    return table(("", *(part.partition("\n")[0].lower() for part in printed)), rows)


def optimizers() -> dict[str, list[str]]:
    """Of each optimizer: bytes and time over those of SGD, share of the floor, PyTorch's time, fused: medians."""
    printed = (ROOT / "results" / "bench" / "zen4-optimizers.md").read_text("utf-8")
    patterns = (
        r"it moves ([\d.]+) times the bytes",
        r"\| beside sgd +\| ([\d.]+) times",
        r"\| share of the floor \| ([\d.]+) %",
        r"\| nn.Sequential +\|.*\| +([\d.]+) \|",
        r"\| nn.Sequential, fused optimizer \|.*\| +([\d.]+) \|",
    )
    found: dict[str, list[list[str]]] = {}
    for part in printed.split("\n## ")[1:]:
        name = re.search(r"--optimizer (\w+)`", part)[1]
        found.setdefault(name, []).append([re.search(pattern, part)[1] for pattern in patterns])
    return {
        name: [sorted(column, key=float)[len(column) // 2] for column in zip(*rows, strict=True)]
        for name, rows in found.items()
    }


def optimizers_table() -> str:
    header = ("`--optimizer`", "bytes / those of SGD", "time / that of SGD", "share of the floor", "PyTorch, default",
              "PyTorch, fused")  # fmt: skip
    rows = [
        (f"`{name}`", moved, time, f"{share} %", default, fused)
        for name, (moved, time, share, default, fused) in sorted(optimizers().items())
    ]
    return table(header, rows)


GOALS = {  # rows of the table of goals -> options of bench; each has the share of the floor, and two peers
    "minibatch 10, one thread": "",
    "the same, two threads": "--threads 2",
    "width 100, minibatch 10": "--width 100",
    "width 300, minibatch 10": "--width 300",
    "minibatch 1": "--batch-size 1",
    "minibatch 32, one thread": "--batch-size 32",
    "minibatch 128, two threads": "--batch-size 128 --threads 2",
    "minibatch 600, two threads": "--batch-size 600 --threads 2",
    "3072 inputs (CIFAR-10)": "--inputs 3072 --classes 10",
    "depth 0 (logistic regression)": "--depth 0 --inputs 784 --classes 10",
    "20 layers of 100": "--width 100 --depth 20",
}


@pytest.mark.parametrize(("place", "machine"), [(3, "zen4"), (4, "intel")])
def test_the_goals_have_what_bench_printed(place, machine):
    printed = benched(f"{machine}.md")
    for row, options in GOALS.items():
        cell = goals(row)[place]
        share, peers = cell.replace("*", "").split("; ")[:2]
        assert share == f"{float(printed[options]['share of the floor'][0].split()[0]):.0f} %", row
        for found, peer in zip(peers.split(", "), ("nn.Sequential", "addmm_ by hand"), strict=True):
            assert abs(float(found) - float(printed[options][peer][1])) < (0.6 if "." not in found else 0.06), row


def goals(row: str) -> list[str]:
    """The cells of a row of the table of goals, from place 1 on: its name, the goal, Zen 4, Intel, Zen 5, a remark."""
    page = (DOCS / "performance.md").read_text("utf-8").partition("## Beside PyTorch")[0]
    (line,) = re.findall(rf"^\| {re.escape(row)} \|.*", page, re.MULTILINE)
    return [cell.strip() for cell in line.split("|")]


def test_the_goals_have_what_was_printed_of_optimizers_and_a_gpu():
    page = (DOCS / "performance.md").read_text("utf-8").partition("## Beside PyTorch")[0]
    cell = goals("Adam, momentum")[3]
    adam, momentum = (optimizers()[name][3:] for name in ("adam", "momentum"))
    wanted = [f"{float(number):.1f}" for number in (adam[0], momentum[0], adam[1], momentum[1])]
    assert re.findall(r"\d\.\d", cell) == wanted
    times, us = re.search(
        r"^\| a GPU .*; ([\d.]+) times where `glorot bench` has \*\*(\d+) us", page, re.MULTILINE
    ).groups()
    printed = benched_on_a_gpu()[1000, 10]
    assert times == f"{float(printed['CUDA graph'][1]):.1f}"
    assert us == f"{microseconds(printed):.0f}"


def test_the_goals_have_what_an_earlier_machine_had():
    notes = (ROOT / "results" / "bench" / "notebook.md").read_text("utf-8")
    for row, options in GOALS.items():
        name = f"`{options}`" if options else "(the paper's network, minibatch 10)"
        (line,) = re.findall(rf"^\| {re.escape(name)} \| (.*) \|$", notes, re.MULTILINE)
        share, *peers = re.sub(r"\([^)]*\)|[*%]", "", line).split(" | ")[6:9]
        cell = goals(row)[5].replace("*", "")
        assert cell.partition(" %")[0] == share.strip(), row
        if ";" in cell:
            found = cell.split("; ")[1].removesuffix(" times").split(", ")
            assert [float(one) for one in found] == [float(one) for one in peers], row


STARTS = {  # what is measured -> the goal
    "first line of glorot run": "0.25 s",
    "first line of glorot report": "0.25 s",
    "first line of glorot status": "0.25 s",
    "of it, importing other libraries for run": "",
    "of it, importing other libraries for report": "",
    "of it, importing other libraries for status": "",
    "compiling for glorot run quickstart, first run": "6 CPU seconds",
    "memory of a process that trains and evaluates": "150 MB",
    "of it, Numba with one small function": "",
}
PROBE = "a probe of 300 examples at 5 x 1000"


def starts(machine: str) -> dict[str, str]:
    """What `glorot bench --start` printed there, medians of three, and the time of a probe."""
    printed = (ROOT / "results" / "bench" / f"{machine}-start.md").read_text("utf-8")
    found = {}
    for name in STARTS:
        values = re.findall(rf"^\| {name} +\| +(\S+) (.+?) \|$", printed, re.MULTILINE)
        (unit,) = {unit for _, unit in values}
        found[name] = f"{sorted((value for value, _ in values), key=float)[len(values) // 2]} {unit}"
    return found | {PROBE: f"{float(benched(f'{machine}.md')['']['a probe'][0].split()[0]) / 1000:.2f} s"}


def start_table() -> str:
    intel, amd = starts("intel"), starts("zen4")
    rows = [(name, intel[name], amd[name], goal) for name, goal in (STARTS | {PROBE: "0.15 s"}).items()]
    return table(("what", "Intel", "AMD", "goal"), rows)


def fields_table() -> str:
    """Every field of a run, from its line in Settings."""

    def default(name: str) -> str:
        if name not in DEFAULTS:
            return "must be set"
        value = DEFAULTS[name]
        return "" if value is None else f"`{value if ABOUT[name].choices else ABOUT[name].text(value)}`"

    rows = [(f"`{name}`", about.title, about.help, default(name)) for name, about in ABOUT.items()]
    return table(("field", "in tables", "meaning", "default"), rows)


def test_what_bench_printed():
    for file in (ROOT / "results" / "bench").glob("*.md"):
        assert not re.search(r"/(?:root|home|work|tmp|Users|proc)/|Terminated", file.read_text("utf-8"))
    for machine in ("zen4", "intel"):
        check_written(DOCS / "performance.md", f"bench {machine}", bench_table(f"{machine}.md"))
    check_written(DOCS / "performance.md", "turns", turns_table())
    check_written(DOCS / "performance.md", "subnormal", subnormal_table())
    check_written(DOCS / "performance.md", "optimizers", optimizers_table())
    check_written(DOCS / "on-a-gpu.md", "gpu", gpu_table())
    check_written(DOCS / "performance.md", "start", start_table())
    readme = (ROOT / "README.md").read_text("utf-8")
    for row, options, peer in (
        ("10", "", ""),
        ("600", "--batch-size 600 --threads 2", ""),
        ("evaluation", "", ", evaluation"),
    ):
        times = [float(benched(file)[options][f"nn.Sequential{peer}"][1]) for file in ("zen4.md", "intel.md")]
        amd, intel = (f"{one:.1f}" if one >= 1 else f"**{one:.1f}**" for one in times)
        assert f"|{row}|{amd}|{intel}|" in readme


def test_the_table_of_fields():
    check_written(DOCS / "sweeps.md", "fields", fields_table())


@pytest.mark.parametrize(
    ("document", "sweep"),
    [
        ("nineties", "nineties"),
        ("modern", "modern"),
        ("lenet5", "lenet5"),
        ("reproduction", "shapeset-svm"),
        ("reproduction", "inputs"),
        ("reproduction", "shapeset-long"),
        ("reproduction", "shapeset-seeds"),
        ("reproduction", "two-costs"),
        ("reproduction", "claims"),
        ("reproduction", "sigmoid-depth"),
        ("reproduction", "sigmoid-cifar10"),
        ("reproduction", "cifar10-long"),
        ("reproduction", "second-order"),
        ("reproduction", "pretraining"),
        ("reproduction", "pretraining-mnist"),
    ],
)
def test_tables_of_committed_runs(document, sweep):
    """Of the sweep that ships, on any device."""
    (folder,) = (ROOT / "results").glob(f"*/{sweep}")
    shipped = config.load(ROOT / "experiments" / f"{sweep}.yaml")
    runs = [run for device in ("cpu", "cuda") for run in expand(shipped, device)]
    planned = {run.run_id for run in [*runs, *search.flat(search.short_runs(shipped, runs))]}
    assert {run.run_id for run in gather([folder])} <= planned
    lines = stored_table(folder).markdown().splitlines(keepends=True)
    check_written(DOCS / f"{document}.md", sweep, "".join(line for line in lines if line.startswith("|")))


def test_the_table_of_learning_rates():
    """Mean validation errors of the short runs on Shapeset, the lowest in bold where it is below chance."""
    sweep, chance = config.load(ROOT / "experiments" / "reference-shapeset.yaml"), DATASETS["shapeset"].chance
    found: dict[str, dict[float, list[float]]] = {choice.label: {} for choice in sweep.grid["method"]}
    for run in gather([ROOT / "results" / "examples" / sweep.name]):
        of_seeds = found[run.row["method"]].setdefault(float(run.row["learning_rate"]), [])
        of_seeds.append(float(run.row["valid_error"]))
    rates = sorted({rate for errors in found.values() for rate in errors}, reverse=True)
    rows = []
    for method, errors in found.items():
        means = {rate: fmean(of_seeds) for rate, of_seeds in errors.items()}
        lowest = min(means.values())
        best = [rate for rate, mean in means.items() if mean == lowest and below_chance(mean, 10_000, chance)]
        cells = {rate: f"**{mean:.2f}**" if rate in best else f"{mean:.2f}" for rate, mean in means.items()}
        rows.append((method, *(cells.get(rate, "\N{EN DASH}") for rate in rates)))
    header = ("Validation error (%)", *(f"{rate:g}" for rate in rates))
    check_written(DOCS / "reproduction.md", "rates", table(header, rows))


def test_the_table_of_the_two_causes():
    """Mean test errors over some evaluations: of the first version, with today's images, and with today's inputs."""

    def mean(folder: str, method: str, inputs: str) -> float:
        (run,) = (
            run for run in gather([ROOT / "results" / folder])
            if (run.row["method"], run.row.get("inputs") or "unit", run["updates"] >= 200_000) == (method, inputs, True)
        )  # fmt: skip
        errors = dict(zip(run.history["update"], run.history["test_error"], strict=True))
        return fmean(errors[update] for update in range(120_000, 200_001, 20_000))

    lines = {
        "The first version's images, pixels in [0, 1]": ("first-version/reference-shapeset", "unit"),
        "Today's images, pixels in [0, 1]": ("examples/shapeset-inputs", "unit"),
        "Today's images, pixels in [-1, 1]": ("examples/shapeset-inputs", "symmetric"),
    }
    rows = []
    for name, (folder, inputs) in lines.items():
        tanh, tanh_n = (mean(folder, method, inputs) for method in ("Tanh", "Tanh N"))
        rows.append((name, f"{tanh:.1f}", f"{tanh_n:.1f}", f"{tanh - tanh_n:.1f}"))
    check_written(DOCS / "reproduction.md", "two-causes", table(("Test error (%)", "Tanh", "Tanh N", "Lead"), rows))


def test_p_values_of_the_reproduction_stand_in_its_tables():
    """Each that the page says is in table.csv or in a scorecard that is committed."""
    page = " ".join((DOCS / "reproduction.md").read_text().split())
    said = re.findall(r"\bp = (0\.\d+)", page)
    found = set()
    for file in (ROOT / "results").glob("*/*/table.csv"):
        with file.open(newline="") as lines:
            found |= {p_text(float(row["p"])).removeprefix("p = ") for row in csv.DictReader(lines) if row["p"]}
    for file in (ROOT / "results").rglob("scorecard.md"):
        found |= set(re.findall(r"\bp = (0\.\d+)", file.read_text("utf-8")))
    assert said
    assert not set(said) - found


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_stands_in_the_docs(field):
    assert f"`{field}`" in (DOCS / "sweeps.md").read_text()


def commands(group: click.Group, prefix: str) -> dict[str, click.Command]:
    """Every command by its full name, a group before its own."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        found[f"{prefix} {name}"] = command
        if isinstance(command, click.Group):
            found |= commands(command, f"{prefix} {name}")
    return found


def values_of(option: click.Parameter) -> str:
    """What an option takes: its own word for it, the choices, or the kind."""
    if getattr(option, "is_flag", False):
        return ""
    if isinstance(option.type, Names):  # its names are loaded when it is first used
        return " " + (option.metavar or "NAME")
    if option.metavar or isinstance(option.type, click.Choice):
        return " " + (option.metavar or "|".join(option.type.choices))
    kinds = {click.Path: "PATH", click.IntRange: "N", click.types.IntParamType: "N", click.types.FloatParamType: "X"}
    return " " + next((word for kind, word in kinds.items() if isinstance(option.type, kind)), "TEXT")


def command_text(name: str, command: click.Command) -> str:
    """A command's help as markdown."""
    usage = " ".join([name, *command.collect_usage_pieces(click.Context(command, **cli.context_settings))])
    paragraphs = [textwrap.fill(" ".join(part.split()), 120) for part in (command.help or "").split("\n\n")]
    example = "\n".join("    " + line.strip() for line in (command.epilog or "").splitlines()[2:])
    options = [
        (
            "`" + ", ".join([*one.opts, *one.secondary_opts]) + values_of(one) + "`",
            (one.help or "")
            + (f"  [default: {one.default}]" if one.show_default else "")
            + (f"  [env var: {one.envvar}]" if one.show_envvar else "")
            + ("  [required]" if one.required else ""),
        )
        for one in command.params
        if isinstance(one, click.Option)
    ]
    parts = [f"## {name}", f"    {usage}", *paragraphs, table(("option", "meaning"), options).rstrip() * bool(options)]
    return "\n\n".join([part for part in parts if part] + ([f"Example:\n\n{example}"] if example else [])) + "\n"


def test_the_page_of_commands():
    """docs/commands.md: every command as its help has it."""
    parts = [command_text(name, one) for name, one in commands(cli, "glorot").items()]
    check_written(DOCS / "commands.md", "commands", "\n".join(parts))


@pytest.mark.parametrize("name", commands(cli, "glorot"))
def test_the_page_of_commands_and_help_have_one_usage(name):
    printed = CliRunner().invoke(cli, [*name.split()[1:], "-h"], prog_name="glorot").stdout
    usage = " ".join(printed.partition("\n\n")[0].removeprefix("Usage: ").split())
    assert f"## {name}\n\n    {usage}\n" in (DOCS / "commands.md").read_text("utf-8")


def test_the_variables_of_the_environment():
    """docs/commands.md: all that the code reads, but for tests or to undo it."""
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "glorot").rglob("*.py"))
    read = set(re.findall(r'\b(?:environ(?:\.get\(|\.pop\(|\[)|getenv\(|envvar=)"(\w+)"', code))
    assert {*read, *history.COMMITS} - {"NUMBA_ENABLE_CUDASIM", "MPLBACKEND"} == set(VARIABLES)
    lines = [(f"`{name}`", meaning) for name, meaning in VARIABLES.items()]
    check_written(DOCS / "commands.md", "variables", table(("variable", "meaning"), lines))


def test_what_inspect_says():
    seen = inspection.inspect("shapeset", "tanh", "standard", (1000,) * 5, "cross_entropy", 300, 0, Path("."), None)
    closing = inspection_text.meaning(seen)
    check_written(DOCS / "looking-inside.md", "inspect", "".join(f"    {line}\n" for line in closing.splitlines()))


# Examples, links, lines. ----------------------------------------------------------------------------


def test_the_sweep_explained_is_a_sweep():
    text = re.search(r"```yaml\n(name: depth-study.*?)```", (DOCS / "sweeps.md").read_text(), re.DOTALL)[1]
    assert len(expand(config.parse(text, "sweeps.md"))) == 2 * 3 * 3 * 3


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(file):
    text = file.read_text("utf-8")
    links = [link.partition("#")[0] for link in LINK.findall(text) if not link.startswith("https://")]
    named = re.findall(r"`((?:glorot|tests|experiments|docs)/[\w./-]*)`", text)
    assert [link for link in links if not (file.parent / link).exists()] == []
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_page_is_linked_from_the_readme():
    text = (ROOT / "README.md").read_text("utf-8")
    assert [page.name for page in DOCS.glob("*.md") if f"](docs/{page.name})" not in text] == []


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_lines_are_short_and_of_no_machine(file):
    lines = file.read_text("utf-8").splitlines()
    assert [line for line in lines if len(line) > 150 and not line.startswith("|")] == []
    assert [line for line in lines if re.search(r"/(?:root|home|work|tmp|Users)/|\w@\w", line)] == []


# The lecture. ---------------------------------------------------------------------------------------

EXAMPLES = ROOT / "results" / "examples"


def test_the_constructions_in_the_lectures_page():
    grid = lessons.by_hand(by_hand.parity((2, 4, 8))).blocks[-1]
    check_written(DOCS / "lecture.md", "constructions", table(grid.header, grid.rows))


@pytest.fixture(scope="module")
def lecture():
    """The lecture's claims, judged by the committed runs."""
    found = scorecard.evidence([EXAMPLES / "parity", EXAMPLES / "parity-learned"])
    return scorecard.judge(found, scorecard.LECTURE.sections)


@pytest.mark.slow  # all of parity is judged
def test_what_sgd_learns_in_the_lectures_page(lecture):
    rows = [(claim.text, verdict.ours) for claim, verdict in lecture[2][1]]
    check_written(DOCS / "lecture.md", "learned", table(("claim", "seeds that learn it"), rows))


@pytest.mark.slow
def test_the_committed_scorecard_of_the_lecture(lecture):
    text = writers.FORMS["markdown"](scorecard.document(lecture, scorecard.LECTURE))
    assert text == (EXAMPLES / "lecture-scorecard.md").read_text("utf-8")
    verdicts = [verdict.kind for _, pairs in lecture for _, verdict in pairs]
    assert "not measured" not in verdicts


# Commands. ------------------------------------------------------------------------------------------

GROUP = ["[OPTIONS]", "COMMAND", "[ARGS]..."]  # the usage of a group of commands
COMMAND = re.compile(r"`(glorot [^`]*)`|^(?: {4}|\| |#\s+)(glorot [a-z][^\n`]*)", re.MULTILINE)


def written_commands(file: Path) -> list[list[str]]:
    """The words of each command that a document or a sweep's comment has, without its comment."""
    found = [" ".join(("".join(pair)).split()) for pair in COMMAND.findall(file.read_text("utf-8"))]
    return [shlex.split(one, comments=True) for one in found]


@pytest.mark.parametrize(
    "file",
    [*(one for one in OURS if one.name != "CHANGELOG.md"), *(ROOT / "experiments").glob("*.yaml")],
    ids=lambda file: file.relative_to(ROOT).as_posix(),
)
def test_commands_and_their_options_exist(file):
    for _, *words in written_commands(file):
        command: click.Command = cli
        while isinstance(command, click.Group) and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        known = {name for option in command.params for name in [*option.opts, *option.secondary_opts]}
        options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert options <= known | {"-h", "--help"}, f"glorot {command.name}: {words}"
        assert not isinstance(command, click.Group) or words in ([], ["-h"], ["COMMAND", "-h"], GROUP)
