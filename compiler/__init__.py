"""The compiler: from the text of a `.net` file to a Python file. It does not import torch.

Each folder is one stage, and each stage takes the value of the one before it:

    text          a file to its text, and the diagnostics about it
    tree          the text to a syntax tree, and the canonical format
    net           the tree to a network with resolved names and validated layers
    graph         the network to a graph with the shape and the counts of every layer
    placed_graph  the graph to one device's part of it, for each placement
    files         the graph to a Python file or a spec
    drawing       the graph to a picture

`layers` has the layer kinds and `recipe` the steps of training recipes, which several stages use. `pipeline` runs the
stages, `vocabulary` has the keywords of the language, and `reference` has its documentation for editors.
"""
