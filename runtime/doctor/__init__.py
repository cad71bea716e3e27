"""Whether this machine, its disk and its store can do what a training asks of them."""
