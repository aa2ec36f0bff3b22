"""Plug-ins: Python files of a user's own with activations, initializers and losses. They run only where they are named
on the command line or in the environment, never because a sweep file says so.
"""
