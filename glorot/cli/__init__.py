"""The command `glorot`: one module for each of its commands, or for a few that belong together."""

from glorot.cli.main import main as main
