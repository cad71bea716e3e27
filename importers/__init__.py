"""Reads networks that were written for other programs and turns them into specs.

Each program has a folder whose `reader` turns files into a `foreign.network.ForeignNetwork`. `pipeline` finds the
program that wrote a file, calls its reader, and writes the spec.
"""
