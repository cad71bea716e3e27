"""What the readers share.

`network` is the model that every reader makes: layers of alexc's kinds, a recipe and placements, each with its place in
the foreign file. `spec_writer` turns it into the text of a spec. `sections` and `options` read files of `[sections]`.
"""
