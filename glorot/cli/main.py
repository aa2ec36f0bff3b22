"""The command `glorot`: its commands are in the modules beside it. Data goes to stdout, everything else to stderr.

Heavy imports happen where they are used, so that `glorot --help` answers at once.
"""

import signal
import sys

import click

import glorot
from glorot.cli import streams
from glorot.cli.check import check
from glorot.cli.data import data
from glorot.cli.inspect import inspect
from glorot.cli.look import bench, list_
from glorot.cli.report import report
from glorot.cli.run import run, status
from glorot.cli.shared import INTERRUPTED, OK, WRONG_USAGE, epilog, say
from glorot.errors import GlorotError


def main() -> None:
    """Entry point: runs a command and turns what went wrong into a message and an exit code."""
    streams.guard()
    try:
        code = cli.main(prog_name="glorot", standalone_mode=False)
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = WRONG_USAGE
    except GlorotError as error:
        say(f"glorot: {error}")
        code = WRONG_USAGE
    except (KeyboardInterrupt, click.Abort):
        say("glorot: interrupted")
        code = INTERRUPTED
    if code == INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C, while Python winds up
    sys.exit(code or OK)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=epilog("glorot run quickstart\nglorot report quickstart"),
)
@click.version_option(glorot.__version__, prog_name="glorot")
def cli() -> None:
    """Why does this deep network not train?

    Runs sweeps over activations, initializers and data sets, after Glorot & Bengio (2010),
    "Understanding the difficulty of training deep feedforward neural networks".
    """


for command in (run, report, check, status, list_, bench, inspect, data):
    cli.add_command(command)
