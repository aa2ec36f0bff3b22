"""The command `glorot`: its commands are in the modules beside it. Data goes to stdout, everything else to stderr.

Heavy imports happen where they are used, so that `glorot --help` answers at once.
"""

import atexit
import gc
import signal
import sys

import click

import glorot
from glorot import machine
from glorot.cli import faults, streams
from glorot.cli.cache import cache
from glorot.cli.check import check
from glorot.cli.compare import compare
from glorot.cli.data import data
from glorot.cli.inspect import inspect
from glorot.cli.look import bench, list_
from glorot.cli.new import new
from glorot.cli.report import report
from glorot.cli.run import run, status
from glorot.cli.shared import INTERRUPTED, OK, WRONG_USAGE, epilog, say
from glorot.cli.weights import weights
from glorot.errors import GlorotError


def main() -> None:
    """Entry point: runs a command and turns what went wrong into a message and an exit code."""
    streams.guard()
    # Nearly all that a short command makes, it makes by importing, and that stays to the end. To search it for garbage,
    # on the way and once more at the end, took a fifth of the command's time.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    try:
        machine.stop_on_signals()
        code = cli.main(prog_name="glorot", standalone_mode=False) or OK
    except BaseException as error:
        code = _told(error.__cause__ or error if isinstance(error, click.Abort) else error)
    if code > 128:
        for signum in machine.heeded():
            signal.signal(signum, signal.SIG_IGN)  # a second one, while Python winds up
    sys.exit(code)


def _told(error: BaseException) -> int:
    """Say what ended the command. Returns its exit code."""
    if isinstance(error, SystemExit):
        raise error
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt | click.Abort):
        say("glorot: interrupted")
        return 128 + error.signum if isinstance(error, machine.Stopped) else INTERRUPTED
    if isinstance(error, click.ClickException):
        error.show()
    elif isinstance(error, GlorotError):
        say(f"glorot: {error}")
    else:
        say(f"glorot: {faults.line(error)}")
    return WRONG_USAGE


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=epilog("glorot run quickstart\nglorot report quickstart"),
)
@click.version_option(glorot.__version__, prog_name="glorot")
def cli() -> None:
    """Why does this deep network not train?

    Trains networks over a grid of activations, initializers and other settings, and prints tables of their errors.
    After Glorot & Bengio (2010), "Understanding the difficulty of training deep feedforward neural networks".
    """


for command in (run, report, compare, check, status, list_, bench, inspect, weights, data, cache, new):
    cli.add_command(command)
